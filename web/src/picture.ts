/** Pictures from users: files, pasted pictures, drawings. */

import { type DrawableImage, drawableImage, UserError } from "../../dist/index.js";

export interface Picture {
  /** At most `longestSide` a side. Kept in the page's memory, as a canvas may be blank after the GPU process died. */
  readonly pixels: ImageData;
  /** The file's name, or a description. */
  readonly name: string;
  /** A remark about unusual properties or changes; empty if there are none. */
  readonly note: string;
  /** For gallery pictures: the file name there; else null. */
  readonly file: string | null;
  /** For gallery pictures: the reference captions; else empty. */
  readonly captions: readonly string[];
  /** For pictures of a link: their codes, ids [S]; the pixels are unknown until the codes are decoded. */
  readonly codes?: Uint32Array;
}

/** The models' inputs are about 64 pixels wide; more than this would only cost memory. */
const longestSide = 512;

/** Reads a picture file: PNG, JPEG or WebP by its content. Throws a `UserError` that says why it cannot be read. */
export async function readPicture(file: Blob, name: string): Promise<Picture> {
  const bytes = await file.arrayBuffer().catch(() => {
    throw new UserError(`Cannot read ${name}: it was moved or changed since it was picked.`);
  });
  try {
    const picture = await drawableImage(new Uint8Array(bytes));
    try {
      return drawn(picture, name);
    } finally {
      picture.close();
    }
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${name}: ${error.message}.`) : error;
  }
}

/** Fetches a picture from the page's own server. */
export async function fetchPicture(address: string, name: string): Promise<Picture> {
  const response = await fetch(address).catch((error: unknown) => {
    throw new UserError(`Cannot fetch ${address}: ${error instanceof Error ? error.message : error}.`);
  });
  if (!response.ok)
    throw new UserError(`Cannot fetch ${address}: the server answered with status ${response.status}.`);
  return readPicture(await response.blob(), name);
}

function drawn({ source, width, height }: DrawableImage, name: string): Picture {
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
    return "It is a single pixel: the model sees only one colour and can only guess.";
  if (width * height >= 20e6) {
    return `It has ${((width * height) / 1e6).toFixed(0)} million pixels (${size}) and was scaled down to ${pixels.width}×${pixels.height}.`;
  }
  if (Math.max(width, height) > 4 * Math.min(width, height))
    return `It is ${size}: the model sees it scaled down and padded with white.`;
  return "";
}

/** A canvas's content as a picture. */
export function pictureOf(canvas: HTMLCanvasElement, name: string): Picture {
  const pixels = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
  return { pixels, name, note: "", file: null, captions: [] };
}

/** A part of a picture, in its pixels. Throws a `UserError` if it lies outside. */
export function cutOut(
  picture: Picture,
  part: { x: number; y: number; width: number; height: number },
): Picture {
  const { pixels } = picture;
  const left = Math.max(0, Math.round(part.x));
  const top = Math.max(0, Math.round(part.y));
  const right = Math.min(pixels.width, Math.round(part.x + part.width));
  const bottom = Math.min(pixels.height, Math.round(part.y + part.height));
  if (right - left < 1 || bottom - top < 1)
    throw new UserError("That region is outside the picture; choose one that contains a part of it.");
  const canvas = new OffscreenCanvas(pixels.width, pixels.height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.putImageData(pixels, 0, 0);
  const name = `part of ${picture.name.replace(/^part of /, "")}`;
  const cut = context.getImageData(left, top, right - left, bottom - top);
  return { pixels: cut, name, note: "", file: null, captions: [] };
}
