/** From a picture of any size to the numbers that CLIP's image tower takes, as OpenAI's pipeline with Pillow computes them. */

import { UserError } from "../../platform/errors.js";
import { type Pixels, type ResizedPart, resizeBicubic, resizeNearest } from "./resize.js";

/** Means of red, green and blue in 0 … 1 by which OpenAI normalises. */
export const clipMean = [0.48145466, 0.4578275, 0.40821073] as const;
/** Standard deviations of red, green and blue in 0 … 1 by which OpenAI normalises. */
export const clipDeviation = [0.26862954, 0.26130258, 0.27577711] as const;

/** A picture as CLIP takes it. */
export interface ClipPixels extends Pixels {
  /** Whether the file has a palette: Pillow resizes such pictures by the nearest pixel. Default false. */
  readonly palette?: boolean;
}

/** RGB pixels of a `size`×`size` picture: shorter side resized to `size`, the middle cropped, transparency dropped. */
export function clipCrop(picture: ClipPixels, size: number): Uint8Array {
  const { width, height, data } = picture;
  const channels = data.length / (width * height);
  const whole = [width, height].every((length) => Number.isInteger(length) && length > 0);
  if (!whole || ![1, 2, 3, 4].includes(channels))
    throw new UserError(
      `A picture of ${width}×${height} needs 1 to 4 bytes for each pixel (grey, grey and alpha, RGB, RGBA), not ${data.length} in all.`,
    );
  const part = middle(width, height, size);
  if (picture.palette) return asRgb(resizeNearest(picture, part), channels);
  if (channels === 1 || channels === 3) return asRgb(resizeBicubic(picture, part), channels);
  const resized = resizeBicubic({ width, height, data: premultiplied(data, channels) }, part);
  return asRgb(unmultiplied(resized, channels), channels);
}

/** The crop of torchvision's Resize and CenterCrop: the longer side is rounded down, the offset half to even. */
function middle(width: number, height: number, size: number): ResizedPart {
  const [wide, high] =
    width <= height
      ? [size, Math.floor((size * height) / width)]
      : [Math.floor((size * width) / height), size];
  const offset = (length: number) => {
    const half = (length - size) / 2;
    return Number.isInteger(half) ? half : 2 * Math.round(half / 2);
  };
  return { width: wide, height: high, left: offset(wide), top: offset(high), columns: size, rows: size };
}

/** Colours times alpha, rounded as Pillow's MULDIV255 does; alpha is the last channel. */
function premultiplied(data: Pixels["data"], channels: number): Uint8Array {
  const result = Uint8Array.from(data);
  for (let pixel = 0; pixel < result.length; pixel += channels) {
    const alpha = result[pixel + channels - 1]!;
    for (let i = pixel; i < pixel + channels - 1; i++) {
      const product = result[i]! * alpha + 128;
      result[i] = ((product >> 8) + product) >> 8;
    }
  }
  return result;
}

/** Colours divided by alpha, where that is neither 0 nor 255. */
function unmultiplied(data: Uint8Array, channels: number): Uint8Array {
  for (let pixel = 0; pixel < data.length; pixel += channels) {
    const alpha = data[pixel + channels - 1]!;
    if (alpha === 0 || alpha === 255) continue;
    for (let i = pixel; i < pixel + channels - 1; i++)
      data[i] = Math.min(255, Math.trunc((255 * data[i]!) / alpha));
  }
  return data;
}

/** The first three channels; grey three times. */
function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const rgb = new Uint8Array((data.length / channels) * 3);
  const colour = channels === 4 ? 1 : 0;
  for (let from = 0, to = 0; from < data.length; from += channels, to += 3)
    for (let i = 0; i < 3; i++) rgb[to + i] = data[from + colour * i]!;
  return rgb;
}

/** Bytes [n, size, size, 3] → the tower's input of the same shape: (value / 255 − mean) / deviation, in float32. */
export function clipNormalised(rgb: Uint8Array): Float32Array {
  const tables = clipMean.map((mean, channel) =>
    Float32Array.from({ length: 256 }, (_, value) => (value / 255 - mean) / clipDeviation[channel]!),
  );
  return Float32Array.from(rgb, (value, i) => tables[i % 3]![value]!);
}
