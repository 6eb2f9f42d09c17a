/** Brings pictures from any source in a page to the GPU, without a read-back. */

import type { Gpu } from "../engine/gpu/gpu.js";
import { fromArray, fromBuffer, type Tensor } from "../engine/tensor/tensor.js";
import { drawableImage } from "../platform/browser-pictures.js";
import { UserError } from "../platform/errors.js";
import { type ImageFit, imageFromPixels, imageFromTexture } from "./picture-tensor.js";

/** Pixels of a picture, rows from the top; their number tells RGB from RGBA. `ImageData` is one. */
export interface PixelBytes {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/**
 * A buffer (usage STORAGE) that holds width × height pixels of four bytes RGBA, rows without gaps. Its size must extend to the
 * next multiple of 16 bytes.
 */
export interface PixelBuffer {
  readonly buffer: GPUBuffer;
  readonly width: number;
  readonly height: number;
}

/** Sources that the browser can copy to a texture: canvases, bitmaps, video frames, loaded `<img>` and `<video>` elements. */
export type ExternalImage = Exclude<GPUCopyExternalImageSource, ImageData>;

/**
 * A picture of any size with sRGB colours. Transparency (alpha not premultiplied) is composited on white. A `GPUTexture` needs
 * the usage TEXTURE_BINDING and a format that shaders read as float.
 */
export type ImageSource = PixelBytes | PixelBuffer | GPUTexture | ExternalImage;

/**
 * A picture, or an image file (PNG, JPEG, WebP: a picked `File`, a fetched `Blob`), which a browser decodes by the rule in
 * picture-header.ts.
 */
export type ImageOrFile = ImageSource | Blob;

const isFile = (source: ImageOrFile): source is Blob => typeof Blob !== "undefined" && source instanceof Blob;
const isTexture = (source: ImageSource): source is GPUTexture => "createView" in source;
const isBuffer = (source: ImageSource): source is PixelBuffer =>
  "buffer" in source && "mapAsync" in source.buffer;
const isBytes = (source: ImageSource): source is PixelBytes => "data" in source;

/** Width and height of an external picture in its intrinsic pixels. */
function sizeOf(source: ExternalImage): [width: number, height: number] {
  if ("displayWidth" in source) return [source.displayWidth, source.displayHeight];
  if ("videoWidth" in source) return [source.videoWidth, source.videoHeight];
  if ("naturalWidth" in source) return [source.naturalWidth, source.naturalHeight];
  return [source.width, source.height];
}

const isVideo = (source: ExternalImage): boolean => "displayWidth" in source || "videoWidth" in source;

/**
 * Returns the source itself, or a copy if this device cannot take the source: the bitmap of a file, a smaller bitmap of a picture
 * too large for a texture, a bitmap of a video frame on a software adapter. Any other source either works as it is or not at all.
 * Throws a `UserError` for anything that is not a picture.
 */
export async function usable(gpu: Gpu, given: ImageOrFile): Promise<ImageSource> {
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
  // Chromium without a GPU (147, SwiftShader) loses the device when it copies a video frame to a texture. A bitmap of the frame
  // works.
  if (gpu.software && isVideo(source) && width > 0 && height > 0) return bitmap(source);
  return source;
}

/** The bitmap of a file. The garbage collector frees it: callers who ask for a caption never see it. */
async function decoded(file: Blob): Promise<ImageBitmap> {
  const name = "name" in file ? `${file.name}: ` : "";
  if (typeof createImageBitmap === "undefined")
    throw new UserError(
      `${name}image files are decoded in browsers; for Node, import Captioner from mc-diffusion/node`,
    );
  const bytes = await file.arrayBuffer().catch(() => {
    throw new UserError(`${name}the file was moved or changed since it was picked`);
  });
  try {
    return (await drawableImage(new Uint8Array(bytes))).source as ImageBitmap;
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${name}${error.message}`);
    throw error;
  }
}

/**
 * Makes a bitmap of a source that the browser may reject: a broken or foreign picture, a canvas without pixels, a closed frame.
 */
function bitmap(source: ExternalImage, options?: ImageBitmapOptions): Promise<ImageBitmap> {
  return createImageBitmap(source, options).catch((error: unknown) => {
    throw refused(source, error);
  });
}

/** Converts the browser's rejection of a picture to our error. */
function refused(source: ExternalImage, error: unknown): UserError {
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
    `The browser cannot read the picture: ${error instanceof Error ? error.message : error}.`,
  );
}

/**
 * The picture as network input: [1, size, size, 3] in [-1, 1]. When downscaling, each pixel is the mean of the area that it
 * covers. `contain` pads with white, `cover` crops to the middle. Nothing is read back. Textures and buffers are read when the
 * recorded work runs, all other sources immediately. Throws a `UserError` if the source is not a picture or is too large.
 */
export function imageTensor(gpu: Gpu, source: ImageSource, size: number, fit: ImageFit = "contain"): Tensor {
  checkObject(source);
  if (isTexture(source)) return imageFromTexture(gpu, source, size, fit);
  if (isBuffer(source)) {
    checkSize(source.width, source.height);
    const { buffer, width, height } = source;
    return gpu.scope(() => imageFromPixels(fromBuffer(gpu, buffer, [height, width], "u32"), size, fit));
  }
  if (isBytes(source)) {
    return gpu.scope(() => {
      const pixels = fromArray(gpu, packed(source), [source.height, source.width], "u32", "picture's pixels");
      return imageFromPixels(pixels, size, fit);
    });
  }
  return fromExternal(gpu, source, size, fit);
}

function fromExternal(gpu: Gpu, source: ExternalImage, size: number, fit: ImageFit): Tensor {
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
    return imageFromTexture(gpu, texture, size, fit);
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) throw refused(source, error);
    throw error;
  } finally {
    gpu.afterFlush(() => texture.destroy());
  }
}

/** Packs pixels into words of four bytes, red lowest. */
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
