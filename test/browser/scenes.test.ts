/** Scenes have the same pixels, captions and boxes in Chromium as in Node. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodePlatform } from "../../dist/platform/node.js";
import { writeArt } from "../../dist/scenes.js";
import { sceneArt } from "../support/scene-art.js";
import { runInChromium } from "./pages.js";
import { describeScenes } from "./scene-descriptions.js";

const folder = mkdtempSync(join(tmpdir(), "scene-art-"));
await writeArt(nodePlatform, folder, sceneArt, "");
const files = new Map<string, string | Uint8Array>([
  ["/scenes.json", JSON.stringify(await describeScenes(nodePlatform, sceneArt))],
  ...["art.json", "art.rgba"].map((name): [string, Uint8Array] => [
    `/art/${name}`,
    readFileSync(join(folder, name)),
  ]),
]);
rmSync(folder, { recursive: true });

await runInChromium(["browser/scenes.js"], files);
