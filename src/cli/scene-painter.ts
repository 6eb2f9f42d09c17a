/** A thread of `scene-painters.ts`. */

import { parentPort, workerData } from "node:worker_threads";
import { OwnPainter } from "../data/scenes/dataset.js";
import { SpriteSheet } from "../data/scenes/sprites.js";
import type { PainterReplyPort, PaintersArt, PaintRequest } from "./scene-painters.js";

const { things, entries, pixels, size, seed } = workerData as PaintersArt;
const painter = new OwnPainter({ things, sheet: new SpriteSheet(entries, pixels) }, { size, seed });
const port: PainterReplyPort = parentPort!;

parentPort!.on("message", ({ id, scenes }: PaintRequest) => {
  try {
    const painted = new Uint8Array(scenes.length * size ** 2 * 3);
    painter.paintNow(scenes, painted);
    port.postMessage({ id, pixels: painted }, [painted.buffer]);
  } catch (error) {
    port.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
