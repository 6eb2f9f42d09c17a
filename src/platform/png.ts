/** PNG files by pngjs, for installations without sharp: pixels from bytes and bytes from pixels. */

import { PNG } from "pngjs";
import { damaged } from "./picture-header.js";
import type { RgbImage } from "./platform.js";

/** Pixels of a PNG file: rows from the top, RGBA, 8 bits a sample. */
export interface PngPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  /** Whether the file has an alpha channel or names a transparent colour. */
  readonly transparent: boolean;
}

/**
 * Decodes a PNG file whose size the caller has checked (`readPictureHeader`). Colour profiles are ignored. Throws a `UserError`, one
 * clause, for damaged files.
 */
export function decodePng(bytes: Uint8Array): PngPixels {
  let png: ReturnType<typeof PNG.sync.read>;
  try {
    png = PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    throw damaged("png", `pngjs says: ${error instanceof Error ? error.message : error}`);
  }
  const { width, height, data, alpha } = png;
  return { width, height, data, transparent: alpha };
}

/** Encodes a picture as a PNG file of 8-bit RGB. */
export function encodeRgbPng({ width, height, data }: RgbImage): Uint8Array {
  const png = new PNG({ width, height });
  png.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return PNG.sync.write(png, { colorType: 2, inputColorType: 2, inputHasAlpha: false });
}
