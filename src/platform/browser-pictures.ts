/** Decodes picture files with the browser, by the rule in picture-header.ts: the same pixels as in Node. */

import { UserError } from "./errors.js";
import { damaged, type PictureHeader, readPictureHeader } from "./picture-header.js";
import { withoutAsides } from "./plain-picture.js";
import type { DecodeOptions } from "./platform.js";

/** A decoded picture with its orientation applied. `close` frees it. */
export interface DrawableImage {
  readonly source: ImageBitmap | HTMLImageElement;
  readonly width: number;
  readonly height: number;
  /** Frees the decoded pixels. */
  close(): void;
}

/** Decodes a file. Throws a `UserError`, one clause, if it is not a picture or too large. */
export async function drawableImage(bytes: Uint8Array, { svg }: DecodeOptions = {}): Promise<DrawableImage> {
  const header = readPictureHeader(bytes, svg !== undefined);
  try {
    return await (header.format === "svg" ? drawing(bytes) : photograph(bytes, header));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw damaged(header.format, "this browser cannot decode it");
  }
}

async function photograph(bytes: Uint8Array, header: PictureHeader): Promise<DrawableImage> {
  const plain = withoutAsides(header.format, bytes);
  const stored = await createImageBitmap(new Blob([plain.slice()], { type: `image/${header.format}` }));
  const source = header.orientation === 1 ? stored : upright(stored, header.orientation);
  return { source, width: source.width, height: source.height, close: () => source.close() };
}

/** Axes of the EXIF orientations 1 to 8: x' = a·x + c·y (+ width if negative), y' = b·x + d·y (+ height if negative). */
const AXES: readonly (readonly [a: number, b: number, c: number, d: number])[] = [
  [1, 0, 0, 1],
  [-1, 0, 0, 1],
  [-1, 0, 0, -1],
  [1, 0, 0, -1],
  [0, 1, 1, 0],
  [0, 1, -1, 0],
  [0, -1, -1, 0],
  [0, -1, 1, 0],
];

function upright(stored: ImageBitmap, orientation: number): ImageBitmap {
  const [a, b, c, d] = AXES[orientation - 1]!;
  const [width, height] = a === 0 ? [stored.height, stored.width] : [stored.width, stored.height];
  const surface = new OffscreenCanvas(width, height);
  const context = canvasContext(surface);
  context.setTransform(a, b, c, d, a + c < 0 ? width : 0, b + d < 0 ? height : 0);
  context.drawImage(stored, 0, 0);
  stored.close();
  return surface.transferToImageBitmap();
}

/** Browsers draw SVG only through an element, which workers lack. They rasterise at the size drawn, so it is crisp at any scale. */
async function drawing(bytes: Uint8Array): Promise<DrawableImage> {
  if (typeof Image === "undefined") throw new UserError("SVG can be drawn by a page, but not by its workers");
  const address = URL.createObjectURL(new Blob([bytes.slice()], { type: "image/svg+xml" }));
  try {
    const source = new Image();
    source.src = address;
    await source.decode();
    // In some browsers an SVG with only a viewBox has no intrinsic size.
    return { source, width: source.naturalWidth || 1, height: source.naturalHeight || 1, close: () => {} };
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** The 2D context of a canvas whose pixels will be read. */
export function canvasContext(surface: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  const context = surface.getContext("2d", { willReadFrequently: true });
  if (context === null)
    throw new UserError("This browser provides no 2D canvas, which reading pictures needs.");
  return context;
}
