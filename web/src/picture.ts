/** Pictures as people bring them: files, what was pasted, drawings. */

import { UserError } from "../../dist/index.js";

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
/** As the Node commands have it. */
const mostPixels = 100e6;

/** Reads a picture file. Throws a `UserError` that says in a sentence why it cannot be. */
export async function readPicture(file: Blob, name: string): Promise<Picture> {
  if (file.size === 0) throw new UserError(`${name} is empty; a picture was expected.`);
  const address = URL.createObjectURL(file);
  try {
    const image = new Image();
    const unreadable = async () => {
      throw new UserError(`${name} is no picture that this browser can read${await looksLike(file)}.`);
    };
    // The size is known before the pixels are: one that is too large is never decoded.
    await new Promise((resolve, reject) => {
      image.addEventListener("load", resolve);
      image.addEventListener("error", reject);
      image.src = address;
    }).catch(unreadable);
    checkSize(image, name);
    await image.decode().catch(unreadable);
    return drawn(image, name);
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** A picture from the page's own server. */
export async function fetchPicture(address: string, name: string): Promise<Picture> {
  const response = await fetch(address).catch((error: unknown) => {
    throw new UserError(`Cannot fetch ${address}: ${error instanceof Error ? error.message : error}.`);
  });
  if (!response.ok) throw new UserError(`Cannot fetch ${address}: the server answers ${response.status}.`);
  return readPicture(await response.blob(), name);
}

function checkSize({ naturalWidth: width, naturalHeight: height }: HTMLImageElement, name: string): void {
  const count = width * height;
  if (count <= mostPixels) return;
  throw new UserError(
    `${name} is ${width}×${height}: ${(count / 1e6).toFixed(1)} million pixels, and at most ${mostPixels / 1e6} million are read; scale it down first.`,
  );
}

function drawn(image: HTMLImageElement, name: string): Picture {
  // A drawing in SVG that tells no size has none of its own.
  const [width, height] = [image.naturalWidth || longestSide, image.naturalHeight || longestSide];
  const scale = Math.min(1, longestSide / Math.max(width, height));
  const [columns, rows] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const context = new OffscreenCanvas(columns, rows).getContext("2d", { willReadFrequently: true })!;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, columns, rows);
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

/** What the first bytes of a file look like, as the end of a sentence. */
async function looksLike(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  const start = String.fromCharCode(...bytes);
  if (/^(\x89PNG|\xff\xd8\xff|RIFF|GIF8|BM)/.test(start)) return ": the file is damaged";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what tells bytes from text
  if (!/[\x00-\x08\x0e-\x1f]/.test(start)) return ": it holds text";
  return " (PNG, JPEG, WebP, GIF and SVG are read everywhere)";
}

/** What is drawn on a canvas, as a picture. */
export function pictureOf(canvas: HTMLCanvasElement, name: string): Picture {
  const pixels = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
  return { pixels, name, note: "", file: null, captions: [] };
}
