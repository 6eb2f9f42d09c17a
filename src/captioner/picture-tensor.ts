/** Scales pictures of any size to network input on the GPU (shaders/captioner/picture.wgsl). */

import type { Gpu } from "../engine/gpu/gpu.js";
import * as kernels from "../engine/gpu/kernels.generated.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";

/** `contain`: the whole picture, padded with white; `cover`: the largest square in its middle. */
export type ImageFit = "contain" | "cover";

/** Position and size of the scaled picture in the square, in whole pixels, as sharp computes them. */
function placement(width: number, height: number, size: number, fit: ImageFit) {
  const scale = (fit === "contain" ? Math.min : Math.max)(size / width, size / height);
  const inner = (length: number) => Math.max(1, Math.round(length * scale));
  const [innerWidth, innerHeight] = [inner(width), inner(height)];
  const offset = (length: number) =>
    length > size ? -Math.floor((length - size + 1) / 2) : Math.floor((size - length) / 2);
  return {
    width,
    height,
    size,
    left: offset(innerWidth),
    top: offset(innerHeight),
    inner_width: innerWidth,
    inner_height: innerHeight,
  };
}

function groupsOf(
  gpu: Gpu,
  kernel: typeof kernels.picture.fromTexture | typeof kernels.picture.fromPixels,
  size: number,
) {
  const { WORKGROUP, LANES } = gpu.tunables<{ WORKGROUP: number; LANES: number }>(kernel);
  return { groups: gpu.groups1d(size * size, WORKGROUP / LANES) };
}

/**
 * A texture as a picture [1, size, size, 3] in [-1, 1]. The texture needs the usage TEXTURE_BINDING and a format that shaders
 * read as float. Values are taken as sRGB; alpha is taken as not premultiplied and composited on white. Formats with `-srgb`,
 * which the hardware decodes, are encoded again. The texture must live until the work is submitted.
 */
export function imageFromTexture(
  gpu: Gpu,
  texture: GPUTexture,
  size: number,
  fit: ImageFit = "contain",
): Tensor {
  const { width, height, dimension, sampleCount, format } = texture;
  if (dimension !== "2d" || sampleCount !== 1) {
    throw new ShapeError(
      "imageFromTexture",
      `the texture is ${dimension} with ${sampleCount} samples a pixel; one in 2d with one sample is needed`,
    );
  }
  const source = texture.createView({
    label: "mcd picture",
    dimension: "2d",
    baseMipLevel: 0,
    mipLevelCount: 1,
    baseArrayLayer: 0,
    arrayLayerCount: 1,
  });
  const output = empty(gpu, [1, size, size, 3], "f32", "picture");
  const kernel = kernels.picture.fromTexture;
  const params = { ...placement(width, height, size, fit), is_linear: format.endsWith("-srgb") ? 1 : 0 };
  gpu.run(kernel, { source, output }, params, groupsOf(gpu, kernel, size));
  return output;
}

/** Pixels [height, width], each four bytes RGBA with red lowest, as a picture [1, size, size, 3] in [-1, 1]; see above. */
export function imageFromPixels(pixels: Tensor<"u32">, size: number, fit: ImageFit = "contain"): Tensor {
  const [height, width] = pixels.shape;
  if (pixels.rank !== 2) {
    throw new ShapeError("imageFromPixels", `[${pixels.shape.join(", ")}] is not [height, width]`);
  }
  const { gpu } = pixels;
  const output = empty(gpu, [1, size, size, 3], "f32", "picture");
  const kernel = kernels.picture.fromPixels;
  const params = { ...placement(width!, height!, size, fit), is_linear: 0 };
  gpu.run(kernel, { pixels, output }, params, groupsOf(gpu, kernel, size));
  return output;
}
