/** Windows that move over images [B, H, W, C]: the checks and sizes common to pooling and grouped convolution. */

import { ShapeError } from "../tensor/errors.js";
import type { Padding } from "./conv2d.js";

export interface Window2d {
  outHeight: number;
  outWidth: number;
  kernelHeight: number;
  kernelWidth: number;
  strideY: number;
  strideX: number;
  top: number;
  left: number;
}

/** One number for both directions, or [vertical, horizontal]. */
export type Pair = number | readonly [number, number];

function pairOf(pair: Pair): readonly [number, number] {
  return typeof pair === "number" ? [pair, pair] : pair;
}

/** The windows over a picture of height × width: OH = ⌊(H + top + bottom − KH)/s⌋ + 1. Throws a `ShapeError`. */
export function window2d(
  op: string,
  shape: readonly number[],
  kernel: Pair,
  stride: Pair,
  padding: number | Partial<Padding>,
): Window2d & { padding: Padding } {
  const [, height, width] = shape as [number, number, number];
  const [kernelHeight, kernelWidth] = pairOf(kernel);
  const [strideY, strideX] = pairOf(stride);
  const counts = { kernelHeight, kernelWidth, strideY, strideX };
  for (const [name, count] of Object.entries(counts)) {
    if (!Number.isInteger(count) || count < 1)
      throw new ShapeError(op, `${name} ${count} is not a whole number of at least 1`);
  }
  const sides: Padding =
    typeof padding === "number"
      ? { top: padding, left: padding, bottom: padding, right: padding }
      : { top: 0, left: 0, bottom: 0, right: 0, ...padding };
  if (Object.values(sides).some((side) => !Number.isInteger(side) || side < 0))
    throw new ShapeError(op, `padding ${JSON.stringify(padding)}: not whole numbers of at least 0`);
  const outHeight = Math.floor((height + sides.top + sides.bottom - kernelHeight) / strideY) + 1;
  const outWidth = Math.floor((width + sides.left + sides.right - kernelWidth) / strideX) + 1;
  if (outHeight < 1 || outWidth < 1)
    throw new ShapeError(
      op,
      `a window of ${kernelHeight}×${kernelWidth} is larger than x [${shape.join(", ")}] with its padding`,
    );
  return { ...counts, outHeight, outWidth, top: sides.top, left: sides.left, padding: sides };
}
