/** Pictures as people bring them: files, what was pasted, drawings. */

import { type DrawablePicture, drawablePicture, UserError } from "../../dist/index.js";

export interface Picture {
  /** At most `longestSide` a side; in the page's own memory, as a canvas may be blank after the GPU's process died. */
  readonly pixels: ImageData;
  /** A file's name, or what else it is. */
  readonly name: string;
  /** What was done to it, or is odd about it; empty if nothing. */
  readonly note: string;
  /** Of pictures from the gallery: the file there. */
  readonly file: string | null;
  /** How people call it, of pictures from the gallery. */
  readonly captions: readonly string[];
}

/** The models take pictures of 64 pixels or so; more than this would only cost memory. */
const longestSide = 512;

/** Reads a picture file: PNG, JPEG or WebP by its content. Throws a `UserError` that says in a sentence why it cannot be. */
export async function readPicture(file: Blob, name: string): Promise<Picture> {
  const bytes = await file.arrayBuffer().catch(() => {
    throw new UserError(`Cannot read ${name}: it was moved or changed since it was picked.`);
  });
  try {
    const picture = await drawablePicture(new Uint8Array(bytes));
    try {
      return drawn(picture, name);
    } finally {
      picture.close();
    }
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${name}: ${error.message}.`) : error;
  }
}

/** A picture from the page's own server. */
export async function fetchPicture(address: string, name: string): Promise<Picture> {
  const response = await fetch(address).catch((error: unknown) => {
    throw new UserError(`Cannot fetch ${address}: ${error instanceof Error ? error.message : error}.`);
  });
  if (!response.ok)
    throw new UserError(`Cannot fetch ${address}: the server answered with status ${response.status}.`);
  return readPicture(await response.blob(), name);
}

function drawn({ source, width, height }: DrawablePicture, name: string): Picture {
  const scale = Math.min(1, longestSide / Math.max(width, height));
  const [columns, rows] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const context = new OffscreenCanvas(columns, rows).getContext("2d", { willReadFrequently: true })!;
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, columns, rows);
  const pixels = context.getImageData(0, 0, columns, rows);
  return { pixels, name, note: oddity(width, height, pixels), file: null, captions: [] };
}

function oddity(width: number, height: number, pixels: ImageData): string {
  const size = `${width}×${height}`;
  if (width === 1 && height === 1)
    return "It is a single pixel: the model sees one colour and can only guess.";
  if (width * height >= 20e6) {
    return `It has ${((width * height) / 1e6).toFixed(0)} million pixels (${size}) and was scaled down to ${pixels.width}×${pixels.height}.`;
  }
  if (Math.max(width, height) > 4 * Math.min(width, height))
    return `It is ${size}: the model sees it small, with white around it.`;
  return "";
}

/** What is drawn on a canvas, as a picture. */
export function pictureOf(canvas: HTMLCanvasElement, name: string): Picture {
  const pixels = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
  return { pixels, name, note: "", file: null, captions: [] };
}
