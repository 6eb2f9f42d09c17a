/**
 * Renders the drawings of the scenes. One rasteriser draws each of them once; from then on there are integers only, so that scenes are
 * equal to the bit wherever the same sheet is read.
 */

import type { Platform } from "../../platform/platform.js";
import { type EmojiSources, VENDORS } from "../emoji-sources.js";
import {
  MASTER_SIDE,
  type SheetEntry,
  SOLID,
  type Sprite,
  SpriteSheet,
  scaleSprite,
  spriteKey,
} from "./sprites.js";
import type { Thing } from "./things.js";

/** Side of the square that a drawing is rendered to, before its empty margins are cut off. */
const RENDERED = 96;

/**
 * Renders the drawings of all vendors: each on white and on black, from which alpha and the colours multiplied by it follow. Takes
 * about 4 ms a drawing.
 */
export async function renderSprites(
  { images }: Pick<Platform, "images">,
  sources: Pick<EmojiSources, "art">,
  things: readonly Thing[],
  onProgress?: (done: number, total: number) => void,
): Promise<SpriteSheet> {
  const encoder = new TextEncoder();
  const wanted = things
    .flatMap(({ drawings }) => drawings)
    .flatMap(({ code }) => VENDORS.map((vendor) => ({ vendor, code })));
  const sprites: Sprite[] = new Array(wanted.length);
  let [next, done] = [0, 0];
  const work = async () => {
    while (next < wanted.length) {
      const number = next++;
      const { vendor, code } = wanted[number]!;
      const svg = sources.art[vendor].svg(code);
      const [white, black] = await Promise.all(
        ["#fff", "#000"].map(async (ground) => {
          const on = svg.replace(
            ">",
            `><rect x="-9999" y="-9999" width="99999" height="99999" fill="${ground}"/>`,
          );
          return (await images.decode(encoder.encode(on), RENDERED, "contain", { svg: "trusted" })).data;
        }),
      );
      sprites[number] = trim(fromTwoGrounds(white!, black!, RENDERED));
      done++;
      onProgress?.(done, wanted.length);
    }
  };
  onProgress?.(0, wanted.length);
  await Promise.all(Array.from({ length: 8 }, work));
  let offset = 0;
  const entries = wanted.map(({ vendor, code }, i): [string, SheetEntry] => {
    const { width, height, data } = sprites[i]!;
    const entry = { width, height, offset, colour: meanColour(data) };
    offset += data.length;
    return [spriteKey(vendor, code), entry];
  });
  const pixels = new Uint8Array(offset);
  for (const [i, [, entry]] of entries.entries()) pixels.set(sprites[i]!.data, entry.offset);
  return new SpriteSheet(entries, pixels);
}

/** RGB on white is c + 255 − a, on black c. Returns c and a; the mean of the three channels' a. */
function fromTwoGrounds(white: Uint8Array, black: Uint8Array, side: number): Sprite {
  const data = new Uint8Array(side * side * 4);
  for (let i = 0; i < side * side; i++) {
    let light = 0;
    for (let c = 0; c < 3; c++) light += white[i * 3 + c]! - black[i * 3 + c]!;
    const alpha = Math.max(0, Math.min(255, 255 - Math.floor((light + 1) / 3)));
    for (let c = 0; c < 3; c++) data[i * 4 + c] = Math.min(alpha, black[i * 3 + c]!);
    data[i * 4 + 3] = alpha;
  }
  return { width: side, height: side, data };
}

/** Cuts off the margins without a solid pixel, and scales the rest to a longer side of `MASTER_SIDE`. */
function trim({ width, height, data }: Sprite): Sprite {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[(y * width + x) * 4 + 3]! < SOLID) continue;
      [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
    }
  }
  const [w, h] = [right - left, bottom - top];
  const part = new Uint8Array(w * h * 4);
  for (let y = 0; y < h; y++) {
    const from = ((top + y) * width + left) * 4;
    part.set(data.subarray(from, from + w * 4), y * w * 4);
  }
  const longer = Math.max(w, h);
  const scaled = (length: number) => Math.max(1, Math.floor((length * MASTER_SIDE + longer / 2) / longer));
  return scaleSprite({ width: w, height: h, data: part }, scaled(w), scaled(h));
}

function meanColour(data: Uint8Array): [number, number, number] {
  const sums = [0, 0, 0, 0];
  for (let i = 0; i < data.length; i++) sums[i % 4]! += data[i]!;
  const mean = (c: number) => Math.floor((255 * sums[c]!) / Math.max(1, sums[3]!));
  return [mean(0), mean(1), mean(2)];
}
