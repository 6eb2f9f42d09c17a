/** Pictures as people bring them: files, what was pasted, drawings. */

import { UserError } from "../../dist/index.js";

export interface Picture {
  /** At most `longestSide` pixels a side. */
  readonly canvas: HTMLCanvasElement;
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
    image.src = address;
    await image.decode().catch(async () => {
      throw new UserError(`${name} is no picture that this browser can read${await looksLike(file)}.`);
    });
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

function drawn(image: HTMLImageElement, name: string): Picture {
  // A drawing in SVG that tells no size has none of its own.
  const [width, height] = [image.naturalWidth || longestSide, image.naturalHeight || longestSide];
  const megapixels = (width * height) / 1e6;
  if (width * height > mostPixels) {
    throw new UserError(
      `${name} is ${width}×${height}: ${megapixels.toFixed(1)} million pixels, and at most ${mostPixels / 1e6} million are read; scale it down first.`,
    );
  }
  const scale = Math.min(1, longestSide / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d")!;
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return { canvas, name, note: oddity(width, height, canvas), file: null, captions: [] };
}

function oddity(width: number, height: number, canvas: HTMLCanvasElement): string {
  const size = `${width}×${height}`;
  if (width === 1 && height === 1)
    return "It is a single pixel: the model sees one colour and can only guess.";
  if (width * height >= 20e6) {
    return `It has ${((width * height) / 1e6).toFixed(0)} million pixels (${size}) and was scaled down to ${canvas.width}×${canvas.height}.`;
  }
  if (Math.max(width, height) > 4 * Math.min(width, height))
    return `It is ${size}: the model sees it small, with white around it.`;
  return "";
}

/** What the first bytes of a file look like, as the end of a sentence. */
async function looksLike(file: Blob): Promise<string> {
  const start = new TextDecoder("latin1").decode(await file.slice(0, 64).arrayBuffer());
  if (/^(\x89PNG|\xff\xd8\xff|RIFF|GIF8|BM)/.test(start)) return ": the file is damaged";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what tells bytes from text
  if (!/[\x00-\x08\x0e-\x1f]/.test(start)) return ": it holds text";
  return " (PNG, JPEG, WebP, GIF and SVG are read everywhere)";
}

/** A drawing, or another canvas, as a picture of its own. */
export function copyOf(source: HTMLCanvasElement, name: string): Picture {
  const canvas = document.createElement("canvas");
  canvas.width = source.width;
  canvas.height = source.height;
  canvas.getContext("2d")!.drawImage(source, 0, 0);
  return { canvas, name, note: "", file: null, captions: [] };
}
