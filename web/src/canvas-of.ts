/** A canvas with some pixels, to draw them in another size or to write them as a file. */
export function canvasOf(pixels: ImageData): OffscreenCanvas {
  const canvas = new OffscreenCanvas(pixels.width, pixels.height);
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
  return canvas;
}
