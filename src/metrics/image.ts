/** Similarity of a picture to its original: PSNR and SSIM, in plain TypeScript. */

import type { RgbImage } from "../platform/platform.js";

function checkSizes(op: string, a: RgbImage, b: RgbImage): void {
  if (a.width !== b.width || a.height !== b.height)
    throw new RangeError(
      `${op}: pictures of ${a.width}×${a.height} and ${b.width}×${b.height} differ in size`,
    );
}

/** Peak signal-to-noise ratio in dB: 10·log₁₀(255² / mean squared error over all channels); Infinity if equal. */
export function psnr(a: RgbImage, b: RgbImage): number {
  checkSizes("psnr", a, b);
  let squares = 0;
  for (let i = 0; i < a.data.length; i++) squares += (a.data[i]! - b.data[i]!) ** 2;
  return 10 * Math.log10(255 ** 2 / (squares / a.data.length));
}

const windowSide = 11;
const sigma = 1.5;
const stabilisers = { mean: (0.01 * 255) ** 2, variance: (0.03 * 255) ** 2 };

/** exp(−d²/2σ²) for d = −5 … 5, summing to 1. */
const gaussian = (() => {
  const weights = Array.from({ length: windowSide }, (_, i) =>
    Math.exp(-((i - (windowSide - 1) / 2) ** 2) / (2 * sigma ** 2)),
  );
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
})();

/** Gaussian mean of every 11×11 window that lies entirely inside. */
function blur(plane: Float64Array, width: number, height: number): Float64Array {
  const outWidth = width - windowSide + 1;
  const outHeight = height - windowSide + 1;
  const rows = new Float64Array(outWidth * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < outWidth; x++)
      rows[y * outWidth + x] = gaussian.reduce((sum, w, i) => sum + w * plane[y * width + x + i]!, 0);
  const result = new Float64Array(outWidth * outHeight);
  for (let y = 0; y < outHeight; y++)
    for (let x = 0; x < outWidth; x++)
      result[y * outWidth + x] = gaussian.reduce((sum, w, i) => sum + w * rows[(y + i) * outWidth + x]!, 0);
  return result;
}

/**
 * Structural similarity (Wang et al. 2004): 11×11 Gaussian windows with σ = 1.5, K₁ = 0.01, K₂ = 0.03, averaged over all
 * windows inside the picture and over the three channels. 1 for equal pictures. Both sides must be at least 11 pixels.
 */
export function ssim(a: RgbImage, b: RgbImage): number {
  checkSizes("ssim", a, b);
  const { width, height } = a;
  if (Math.min(width, height) < windowSide)
    throw new RangeError(`ssim: a picture of ${width}×${height} is smaller than the 11×11 window`);
  const plane = (value: (i: number) => number, channel: number) =>
    Float64Array.from({ length: width * height }, (_, i) => value(3 * i + channel));
  let total = 0;
  for (let channel = 0; channel < 3; channel++) {
    const mean = (value: (i: number) => number) => blur(plane(value, channel), width, height);
    const meanA = mean((i) => a.data[i]!);
    const meanB = mean((i) => b.data[i]!);
    const squareA = mean((i) => a.data[i]! ** 2);
    const squareB = mean((i) => b.data[i]! ** 2);
    const product = mean((i) => a.data[i]! * b.data[i]!);
    let sum = 0;
    for (let i = 0; i < meanA.length; i++) {
      const [ma, mb] = [meanA[i]!, meanB[i]!];
      const varianceA = squareA[i]! - ma * ma;
      const varianceB = squareB[i]! - mb * mb;
      const covariance = product[i]! - ma * mb;
      sum +=
        ((2 * ma * mb + stabilisers.mean) * (2 * covariance + stabilisers.variance)) /
        ((ma * ma + mb * mb + stabilisers.mean) * (varianceA + varianceB + stabilisers.variance));
    }
    total += sum / meanA.length;
  }
  return total / 3;
}
