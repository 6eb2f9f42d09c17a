/** The browser platform: fetches files and decodes pictures with the browser's decoders. Cannot write. */
import { canvasContext, drawableImage } from "./browser-pictures.js";
import { fetchBytes } from "./download.js";
import { UserError } from "./errors.js";
import type { DecodeOptions, Files, ImageCodec, Platform, RgbImage } from "./platform.js";
import { decodeText } from "./text.js";

function refuse(action: string): (path: string) => Promise<never> {
  return async (path) => {
    throw new UserError(
      `Cannot ${action} ${path}: a web page can only fetch files; run this command in Node.`,
    );
  };
}

const files: Files = {
  read: fetchBytes,
  readText: async (path) => decodeText(await fetchBytes(path), path),
  write: refuse("write"),
  append: refuse("append to"),
  exists: (path) =>
    fetch(path, { method: "HEAD" }).then(
      (response) => response.ok,
      () => false,
    ),
  // On a web server, folders cannot be told from pages.
  isDirectory: async () => false,
  list: refuse("list"),
  makeDirectory: refuse("make the folder"),
  rename: refuse("rename"),
  remove: refuse("remove"),
};

async function decode(
  bytes: Uint8Array,
  size: number,
  fit: "contain" | "cover",
  options?: DecodeOptions,
): Promise<RgbImage> {
  const picture = await drawableImage(bytes, options);
  const scale = (fit === "contain" ? Math.min : Math.max)(size / picture.width, size / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  const { context } = canvas(size, size);
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, size, size);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.source, (size - width) / 2, (size - height) / 2, width, height);
  picture.close();
  const rgba = context.getImageData(0, 0, size, size).data;
  const data = new Uint8Array(size * size * 3);
  for (let pixel = 0; pixel < size * size; pixel++) {
    data.set(rgba.subarray(pixel * 4, pixel * 4 + 3), pixel * 3);
  }
  return { width: size, height: size, data };
}

async function encodePng({ width, height, data }: RgbImage): Promise<Uint8Array> {
  if (data.length !== width * height * 3) {
    throw new RangeError(`encodePng: ${data.length} bytes for ${width}×${height} pixels of 3 bytes`);
  }
  const { surface, context } = canvas(width, height);
  const image = context.createImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    image.data.set(data.subarray(pixel * 3, pixel * 3 + 3), pixel * 4);
    image.data[pixel * 4 + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  const blob = await surface.convertToBlob({ type: "image/png" });
  return new Uint8Array(await blob.arrayBuffer());
}

function canvas(
  width: number,
  height: number,
): { surface: OffscreenCanvas; context: OffscreenCanvasRenderingContext2D } {
  const surface = new OffscreenCanvas(width, height);
  return { surface, context: canvasContext(surface) };
}

const images: ImageCodec = { decode, encodePng };

/** Read-only files by fetch, pictures by canvas. `hash` needs a secure context (HTTPS or localhost). */
export const browserPlatform: Platform = {
  name: "browser",
  files,
  images,
  now: () => performance.now(),
  hash: async (algorithm, data) => {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data.slice();
    const digest = new Uint8Array(await crypto.subtle.digest(algorithm.toUpperCase(), bytes));
    return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  },
};
