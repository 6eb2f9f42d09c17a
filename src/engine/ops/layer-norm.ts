/** Layer norm and adaptive layer norm over the last axis (shaders/norm/layer-norm.wgsl). */

import type { Float } from "../gpu/kernel.js";
import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { combineParts } from "./combine.js";
import { rowLanes } from "./row-lanes.js";

/** The maximum number of row chunks of the column sums: enough to occupy a GPU, few enough to add up serially. */
const mostChunks = 64;
const fewestRowsAChunk = 16;

/** Options of `layerNorm` and `adaLayerNorm`. */
export interface LayerNormOptions<D extends Float = "f32"> {
  /** Added to the variance; default 1e-5. */
  epsilon?: number;
  /** Element type of the result; default float32. */
  output?: D;
}

/**
 * Layer norm over the last axis: (x - mean) / √(var + epsilon) · weight + bias.
 * x [..., C], weight [C], bias [C] → [..., C]; the variance is the biased one.
 */
export function layerNorm<D extends Float = "f32">(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  { epsilon = 1e-5, output = "f32" as D }: LayerNormOptions<D> = {},
): Tensor<D> {
  checkTensors("layerNorm", "f32", x, weight, bias);
  const channels = x.shape.at(-1) ?? 1;
  if (weight.size !== channels || bias.size !== channels) {
    throw new ShapeError(
      "layerNorm",
      `x ${x} needs weight and bias of [${channels}], not ${weight} and ${bias}`,
    );
  }
  return normalise("layerNorm", x, [weight, bias], 1, epsilon, output);
}

/**
 * Adaptive layer norm (AdaLN): (x - mean) / √(var + epsilon) · (1 + scale) + shift in one dispatch, with one scale and shift
 * per channel and batch element. x [B, T, C], scaleShift [B, 2C] (scale, then shift) → [B, T, C].
 */
export function adaLayerNorm<D extends Float = "f32">(
  x: Tensor,
  scaleShift: Tensor,
  { epsilon = 1e-5, output = "f32" as D }: LayerNormOptions<D> = {},
): Tensor<D> {
  checkTensors("adaLayerNorm", "f32", x, scaleShift);
  const [batches, , channels] = x.shape as [number, number, number];
  if (x.rank !== 3) throw new ShapeError("adaLayerNorm", `x ${x} must be [batch, positions, channels]`);
  if (scaleShift.rank !== 2 || scaleShift.shape[0] !== batches || scaleShift.shape[1] !== 2 * channels) {
    throw new ShapeError(
      "adaLayerNorm",
      `x ${x} needs scale and shift as [${batches}, ${2 * channels}], not ${scaleShift}`,
    );
  }
  return normalise("adaLayerNorm", x, [scaleShift], batches, epsilon, output);
}

/** By one map [weight, bias] for all rows, or by the scales and shifts of `batches` batch elements. */
function normalise<D extends Float>(
  op: string,
  x: Tensor,
  map: readonly Tensor[],
  batches: number,
  epsilon: number,
  output: D,
): Tensor<D> {
  const { gpu, shape } = x;
  const [factors, shifts = factors] = map as [Tensor, Tensor?];
  const adaptive = map.length === 1;
  const channels = shape.at(-1) ?? 1;
  const rows = x.size / channels;
  const y = empty(gpu, shape, output, op);
  const stats = empty(gpu, [rows, 2], "f32", `${op} statistics`);
  const params = {
    rows,
    channels,
    rows_per_group: rows / batches,
    group_stride: adaptive ? 2 * channels : 0,
    shift_offset: adaptive ? channels : 0,
    one: adaptive ? 1 : 0,
    epsilon,
    accumulate: 0,
  };
  const { forward, backwardInput, backwardColumns } = kernels.layerNorm;
  gpu.run(forward, { input: x, factors, shifts, output: y, stats }, params, {
    ...rowLanes(gpu, gpu.tunables(forward, [rows, channels]), rows),
    variant: { Output: output },
  });
  return record(op, [x, ...map], y, (save) => {
    const saved = { input: save(x), factors: save(factors), saved: save(stats) };
    return (dy, grads) => {
      if (grads.needs(0)) {
        const { tensor: dx, accumulate } = grads.sink(0);
        gpu.run(
          backwardInput,
          { ...saved, dy, dx },
          { ...params, accumulate: accumulate ? 1 : 0 },
          rowLanes(gpu, gpu.tunables(backwardInput, [rows, channels]), rows),
        );
      }
      if (!grads.needs(1) && !grads.needs(2)) return;
      // One scale and shift for all rows: sums over chunks of rows first, then over the chunks.
      const rows_per_group = adaptive
        ? params.rows_per_group
        : Math.max(fewestRowsAChunk, Math.ceil(rows / mostChunks));
      const groups = Math.ceil(rows / rows_per_group);
      const { tensor: columns, accumulate } = adaptive
        ? grads.sink(1)
        : { tensor: empty(gpu, [groups, 2, channels], "f32", `${op} sums`), accumulate: false };
      gpu.run(
        backwardColumns,
        { ...saved, dy, columns },
        { ...params, rows_per_group, accumulate: accumulate ? 1 : 0 },
        { groups: gpu.groups1d(groups * channels, gpu.tunables(backwardColumns).WORKGROUP) },
      );
      if (!adaptive)
        combineParts(columns, channels, grads.sinkOrUnused(1, [channels]), grads.sinkOrUnused(2, [channels]));
    };
  });
}
