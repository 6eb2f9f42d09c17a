/** Decodes and scales PNG pictures without sharp. Other formats need sharp (sharp-pictures.ts). */

import { type PictureBox, pixelsIn } from "./picture-box.js";
import { readPictureHeader } from "./picture-header.js";
import { decodePng, type PngPixels } from "./png.js";
import { scaled } from "./scaled.js";
import type { DecodedImage, WantedPixels } from "./sharp-pictures.js";

/** Decodes as specified by `ImageCodec.decode`, but without colour profiles. Throws a `UserError`, one clause, for damaged files. */
export function decodePngPicture(bytes: Uint8Array, { size, fit, box, alpha }: WantedPixels): DecodedImage {
  const { orientation } = readPictureHeader(bytes, false);
  const picture = cut(upright(decodePng(bytes), orientation), box);
  const { width, height, transparent } = picture;
  const channels = alpha && transparent ? 4 : 3;
  const data = channels === 4 ? picture.data : onWhite(picture.data);
  if (size === null) return { width, height, channels, data };
  return { ...scaled({ width, height, channels, data }, size, fit), channels };
}

/** Turns and mirrors a picture as its EXIF orientation says. */
function upright(picture: PngPixels, orientation: number): PngPixels {
  if (orientation === 1) return picture;
  const turned = orientation >= 5;
  const [width, height] = turned ? [picture.height, picture.width] : [picture.width, picture.height];
  const mirrored = { x: [2, 3, 7, 8].includes(orientation), y: [3, 4, 6, 7].includes(orientation) };
  const from = new Uint32Array(picture.data.slice().buffer);
  const to = new Uint32Array(from.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [column, row] = turned ? [y, x] : [x, y];
      const storedX = mirrored.x ? picture.width - 1 - column : column;
      const storedY = mirrored.y ? picture.height - 1 - row : row;
      to[y * width + x] = from[storedY * picture.width + storedX]!;
    }
  }
  return { ...picture, width, height, data: new Uint8Array(to.buffer) };
}

function cut(picture: PngPixels, box: PictureBox | undefined): PngPixels {
  if (!box) return picture;
  const { left, top, width, height } = pixelsIn(picture, box);
  const data = new Uint8Array(4 * width * height);
  for (let y = 0; y < height; y++) {
    const start = 4 * ((top + y) * picture.width + left);
    data.set(picture.data.subarray(start, start + 4 * width), 4 * y * width);
  }
  return { ...picture, width, height, data };
}

/** RGB of RGBA pixels on white. */
function onWhite(data: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    const alpha = data[from + 3]!;
    for (let c = 0; c < 3; c++) rgb[to + c] = (data[from + c]! * alpha + 255 * (255 - alpha)) / 255;
  }
  return rgb;
}
