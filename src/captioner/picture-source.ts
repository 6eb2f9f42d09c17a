/** Pictures from wherever a page has them, on the GPU without a read-back. */

import type { Gpu } from "../engine/gpu/gpu.js";
import { fromArray, fromBuffer, type Tensor } from "../engine/tensor/tensor.js";
import { drawablePicture } from "../platform/browser-pictures.js";
import { UserError } from "../platform/errors.js";
import { type PictureFit, pictureFromPixels, pictureFromTexture } from "./picture-tensor.js";

/** Bytes of a picture, rows from the top: RGB or RGBA by their number. `ImageData` is one. */
export interface PixelBytes {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/**
 * A buffer (usage STORAGE) that holds width × height pixels of four bytes RGBA, rows without gaps; its size reaches the next
 * multiple of 16 bytes.
 */
export interface PixelBuffer {
  readonly buffer: GPUBuffer;
  readonly width: number;
  readonly height: number;
}

/** What the browser copies to a texture: canvases, bitmaps, video frames, loaded `<img>` and `<video>` elements. */
export type ExternalPicture = Exclude<GPUCopyExternalImageSource, ImageData>;

/**
 * A picture of any size, with sRGB colours; transparency, not premultiplied, is laid on white. A `GPUTexture` needs the usage
 * TEXTURE_BINDING and a format that shaders see as floats.
 */
export type PictureSource = PixelBytes | PixelBuffer | GPUTexture | ExternalPicture;

/**
 * A picture, or the file of one (PNG, JPEG, WebP: a `File` that somebody picked, a fetched `Blob`), which a browser decodes by the
 * rule in picture-header.ts.
 */
export type PictureOrFile = PictureSource | Blob;

const isFile = (source: PictureOrFile): source is Blob =>
  typeof Blob !== "undefined" && source instanceof Blob;
const isTexture = (source: PictureSource): source is GPUTexture => "createView" in source;
const isBuffer = (source: PictureSource): source is PixelBuffer =>
  "buffer" in source && "mapAsync" in source.buffer;
const isBytes = (source: PictureSource): source is PixelBytes => "data" in source;

/** Width and height of an external picture in its own pixels. */
function sizeOf(source: ExternalPicture): [width: number, height: number] {
  if ("displayWidth" in source) return [source.displayWidth, source.displayHeight];
  if ("videoWidth" in source) return [source.videoWidth, source.videoHeight];
  if ("naturalWidth" in source) return [source.naturalWidth, source.naturalHeight];
  return [source.width, source.height];
}

const isVideo = (source: ExternalPicture): boolean => "displayWidth" in source || "videoWidth" in source;

/**
 * The source itself, or a copy that this device can take where it cannot take the source: the bitmap of a file, a smaller one of
 * what no texture could hold, a bitmap of a video's frame on a software adapter. Everything else can be used as it is
 * or not at all. Throws a `UserError` for what is no picture.
 */
export async function usable(gpu: Gpu, given: PictureOrFile): Promise<PictureSource> {
  checkObject(given);
  const source = isFile(given) ? await decoded(given) : given;
  if (isTexture(source) || isBuffer(source) || isBytes(source)) return source;
  const [width, height] = sizeOf(source);
  const most = gpu.limits.maxTextureDimension2D;
  if (Math.max(width, height) > most) {
    const scale = most / Math.max(width, height);
    return bitmap(source, {
      resizeWidth: Math.max(1, Math.floor(width * scale)),
      resizeHeight: Math.max(1, Math.floor(height * scale)),
      resizeQuality: "medium",
    });
  }
  // Chromium without a GPU (147, SwiftShader) loses the device when it copies a video's frame to a texture; a bitmap's it can.
  if (gpu.software && isVideo(source) && width > 0 && height > 0) return bitmap(source);
  return source;
}

/** The bitmap of a file. It is the collector's to free: whoever asked for a caption knows of none. */
async function decoded(file: Blob): Promise<ImageBitmap> {
  const name = "name" in file ? `${file.name}: ` : "";
  if (typeof createImageBitmap === "undefined")
    throw new UserError(
      `${name}files of pictures are decoded by browsers; in Node, decode them with nodePlatform.images`,
    );
  const bytes = await file.arrayBuffer().catch(() => {
    throw new UserError(`${name}the file was moved or changed since it was picked`);
  });
  try {
    return (await drawablePicture(new Uint8Array(bytes))).source as ImageBitmap;
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${name}${error.message}`);
    throw error;
  }
}

/** A bitmap of what the browser may refuse: a broken or foreign picture, a canvas without pixels, a closed frame. */
function bitmap(source: ExternalPicture, options?: ImageBitmapOptions): Promise<ImageBitmap> {
  return createImageBitmap(source, options).catch((error: unknown) => {
    throw refused(source, error);
  });
}

/** What the browser said about a picture that it does not give, as our error. */
function refused(source: ExternalPicture, error: unknown): UserError {
  if (error instanceof TypeError) return notAPicture(source);
  const name = error instanceof DOMException ? error.name : "";
  if (name === "SecurityError")
    return new UserError(
      "The picture comes from another origin, which does not let this page read it (see CORS).",
    );
  if (name === "InvalidStateError")
    return new UserError(
      "The picture is broken, closed or not loaded yet: wait until it is loaded, and keep it open.",
    );
  return new UserError(
    `The browser does not give the picture: ${error instanceof Error ? error.message : error}.`,
  );
}

/**
 * The picture as a network takes it: [1, size, size, 3] in [-1, 1]. Where it shrinks, a pixel is the mean of the area that it
 * covers; `contain` pads with white, `cover` crops the middle. Nothing is read back. Textures and buffers are read when the
 * recorded work runs, all else now. Throws a `UserError` for what is not a picture or too large.
 */
export function pictureTensor(
  gpu: Gpu,
  source: PictureSource,
  size: number,
  fit: PictureFit = "contain",
): Tensor {
  checkObject(source);
  if (isTexture(source)) return pictureFromTexture(gpu, source, size, fit);
  if (isBuffer(source)) {
    checkSize(source.width, source.height);
    const { buffer, width, height } = source;
    return gpu.scope(() => pictureFromPixels(fromBuffer(gpu, buffer, [height, width], "u32"), size, fit));
  }
  if (isBytes(source)) {
    return gpu.scope(() => {
      const pixels = fromArray(gpu, packed(source), [source.height, source.width], "u32", "picture's pixels");
      return pictureFromPixels(pixels, size, fit);
    });
  }
  return fromExternal(gpu, source, size, fit);
}

function fromExternal(gpu: Gpu, source: ExternalPicture, size: number, fit: PictureFit): Tensor {
  const [width, height] = sizeOf(source);
  if (width === undefined || height === undefined) throw notAPicture(source);
  checkSize(width, height);
  const most = gpu.limits.maxTextureDimension2D;
  if (Math.max(width, height) > most) {
    throw new UserError(
      `The picture is ${width}×${height}; a texture of this device has at most ${most} pixels a side: scale it down first.`,
    );
  }
  const { device } = gpu;
  const texture = device.createTexture({
    label: "mcd picture",
    size: [width, height],
    format: "rgba8unorm",
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT,
  });
  try {
    device.queue.copyExternalImageToTexture({ source }, { texture }, [width, height]);
    return pictureFromTexture(gpu, texture, size, fit);
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) throw refused(source, error);
    throw error;
  } finally {
    gpu.afterFlush(() => texture.destroy());
  }
}

/** Four bytes a pixel as words, red lowest. */
function packed({ width, height, data }: PixelBytes): Uint32Array {
  checkSize(width, height);
  const pixels = width * height;
  const channels = data.length / pixels;
  if (
    !(data instanceof Uint8Array || data instanceof Uint8ClampedArray) ||
    (channels !== 3 && channels !== 4)
  ) {
    throw new UserError(
      `A picture of ${width}×${height} needs ${3 * pixels} bytes as RGB or ${4 * pixels} as RGBA, not ${data.length}.`,
    );
  }
  const words = new Uint32Array(pixels);
  for (let i = 0, at = 0; i < pixels; i++, at += channels) {
    const alpha = channels === 4 ? data[at + 3]! : 255;
    words[i] = (data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (alpha << 24)) >>> 0;
  }
  return words;
}

function checkSize(width: number, height: number): void {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new UserError(
      `The picture is ${width}×${height}: both must be whole numbers of at least 1 (is it loaded?).`,
    );
  }
}

function checkObject(source: unknown): void {
  if (typeof source !== "object" || source === null) throw notAPicture(source);
}

function notAPicture(source: unknown): UserError {
  const what = typeof source === "object" && source ? (source.constructor?.name ?? "an object") : `${source}`;
  return new UserError(
    `${what} is not a picture: give a File, ImageBitmap, VideoFrame, ImageData, canvas, <img>, <video>, GPUTexture, or width, height and data or buffer.`,
  );
}
