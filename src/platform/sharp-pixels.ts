/** All pixels of a picture file, at its own size, by sharp. Node only. */

import { UserError } from "./errors.js";
import { damaged, MAX_PIXELS, readPictureHeader } from "./picture-header.js";
import { loadSharp } from "./sharp-pictures.js";

/** A decoded picture: rows from the top, `data.length / (width · height)` bytes a pixel: RGB or RGBA. */
export interface DecodedPixels {
  width: number;
  height: number;
  data: Uint8Array;
  /** Whether the file is a PNG with a palette. */
  palette: boolean;
}

/**
 * Decodes PNG, JPEG or WebP bytes (by content) without scaling; the alpha channel stays. picture-header.ts states the rule for
 * orientation and colours. Throws a `UserError`, one clause, for unreadable bytes and too many pixels.
 */
export async function decodePixels(bytes: Uint8Array): Promise<DecodedPixels> {
  const { format } = readPictureHeader(bytes, false);
  const sharp = await loadSharp();
  try {
    const { data, info } = await sharp(bytes, { failOn: "error", limitInputPixels: MAX_PIXELS })
      .autoOrient()
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    const [colourType, palette] = [25, 3];
    return {
      width,
      height,
      data: new Uint8Array(data.buffer, data.byteOffset, data.length),
      palette: format === "png" && bytes[colourType] === palette,
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    const lines = (error instanceof Error ? error.message : String(error)).split("\n");
    throw damaged(format, (lines.find((line) => line.trim() !== "") ?? "no reason given").trim());
  }
}
