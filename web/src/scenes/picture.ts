/** The pixels of a scene on the page. */

import { compose, type Scene, type SceneArt } from "../../../dist/scenes.js";
import { canvasOf } from "../canvas-of.js";
import { download } from "../dom.js";

/** The picture of a scene at its own size. */
export function picture(scene: Scene, { sheet }: Pick<SceneArt, "sheet">): ImageData {
  const { size } = scene;
  const rgb = new Uint8Array(size * size * 3);
  compose(scene, sheet, rgb);
  const pixels = new ImageData(size, size);
  for (let i = 0; i < size * size; i++) {
    pixels.data.set(rgb.subarray(i * 3, i * 3 + 3), i * 4);
    pixels.data[i * 4 + 3] = 255;
  }
  return pixels;
}

/** Downloads a picture as a PNG file. */
export async function downloadPicture(pixels: ImageData, name: string): Promise<void> {
  download(name, await canvasOf(pixels).convertToBlob());
}
