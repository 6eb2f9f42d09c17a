/** Decodes a picture by sharp; where that is not installed, PNG by this project's own decoder. */

import type { PictureFormat } from "./picture-header.js";
import { decodePngPicture } from "./png-pictures.js";
import { type DecodedImage, decodeBySharp, sharpIfInstalled, type WantedPixels } from "./sharp-pictures.js";

/** Decodes as specified by `ImageCodec.decode`, for bytes whose header has been checked. Throws a `UserError`, one clause. */
export async function decodePicture(
  format: PictureFormat,
  bytes: Uint8Array,
  wanted: WantedPixels,
): Promise<DecodedImage> {
  if (format === "png" && (await sharpIfInstalled()) === null) return decodePngPicture(bytes, wanted);
  return decodeBySharp(format, bytes, wanted);
}
