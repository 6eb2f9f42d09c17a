/** The pictures that `Clip` takes: pixels anywhere, and in browsers files and everything that a canvas can draw. */

import { canvasContext, drawableImage } from "../../platform/browser-pictures.js";
import { UserError } from "../../platform/errors.js";
import type { ClipPixels } from "./preprocess.js";

/** Pixels (`ImageData` too); in browsers also a file, a bitmap, a canvas, an `<img>`, a frame of a video. */
export type ClipImage = ClipPixels | Blob | ImageBitmapSource;

/** Whether the bytes are those of a PNG file with a palette. */
export function hasPalette(bytes: Uint8Array): boolean {
  const [colourType, palette] = [25, 3];
  return bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[colourType] === palette;
}

/** The pixels of a picture. Throws a `UserError` if it cannot be read here. */
export async function clipPixels(picture: ClipImage): Promise<ClipPixels> {
  if (typeof picture !== "object" || picture === null)
    throw new UserError(
      `${picture} is not a picture: give its width, height and data, or in pages a file or a canvas`,
    );
  if ("data" in picture) return picture;
  if (typeof createImageBitmap === "undefined")
    throw new UserError(
      "outside of browsers CLIP takes pixels: width, height and data; decodePixels of mc-diffusion/node reads files",
    );
  if (!(picture instanceof Blob)) return drawn(await createImageBitmap(picture as ImageBitmapSource));
  const bytes = new Uint8Array(await picture.arrayBuffer());
  const { source } = await drawableImage(bytes);
  return { ...drawn(source as ImageBitmap), palette: hasPalette(bytes) };
}

/** The pixels of a bitmap, which is closed. */
function drawn(bitmap: ImageBitmap): ClipPixels {
  const { width, height } = bitmap;
  const context = canvasContext(new OffscreenCanvas(width, height));
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, data };
}
