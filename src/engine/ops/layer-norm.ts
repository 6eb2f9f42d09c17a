/** Layer norm and adaptive layer norm over the last axis (shaders/norm/layer-norm.wgsl). */

import type { Gpu } from "../gpu/gpu.js";
import type { Float } from "../gpu/kernel.js";
import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { type GradWriter, record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { combineParts } from "./combine.js";
import { rowLanes } from "./row-lanes.js";

/** The maximum number of row chunks of the column sums: enough to occupy a GPU, few enough to add up serially. */
const mostChunks = 64;
const fewestRowsAChunk = 16;

function parameters(rows: number, channels: number, epsilon: number) {
  return { rows, channels, rows_per_group: 1, epsilon, accumulate: 0 };
}

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
  const { gpu } = x;
  const channels = x.shape.at(-1) ?? 1;
  if (weight.size !== channels || bias.size !== channels) {
    throw new ShapeError(
      "layerNorm",
      `x ${x} needs weight and bias of [${channels}], not ${weight} and ${bias}`,
    );
  }
  const rows = x.size / channels;
  const y = empty(gpu, x.shape, output, "layerNorm");
  const stats = empty(gpu, [rows, 2], "f32", "layerNorm statistics");
  const kernel = kernels.layerNorm.forward;
  const base = parameters(rows, channels, epsilon);
  gpu.run(kernel, { input: x, weight, bias, output: y, stats }, base, {
    ...rowLanes(gpu, gpu.tunables(kernel, [rows, channels]), rows),
    variant: { Output: output },
  });
  return record("layerNorm", [x, weight, bias], y, (save) => {
    const [savedX, savedWeight, savedStats] = [save(x), save(weight), save(stats)];
    return (dy, grads) => {
      if (grads.needs(0)) {
        const { tensor: dx, accumulate } = grads.sink(0);
        const kernel = kernels.layerNorm.backwardInput;
        gpu.run(
          kernel,
          { input: savedX, weight: savedWeight, dy, saved: savedStats, dx },
          { ...base, accumulate: accumulate ? 1 : 0 },
          rowLanes(gpu, gpu.tunables(kernel, [rows, channels]), rows),
        );
      }
      if (grads.needs(1) || grads.needs(2))
        affineGradients(gpu, grads, { x: savedX, stats: savedStats, dy, rows, channels });
    };
  });
}

/** Computes dweight and dbias in two steps: sums over chunks of rows, then over the chunks. */
function affineGradients(
  gpu: Gpu,
  grads: GradWriter,
  { x, stats, dy, rows, channels }: { x: Tensor; stats: Tensor; dy: Tensor; rows: number; channels: number },
): void {
  const rowsPerChunk = Math.max(fewestRowsAChunk, Math.ceil(rows / mostChunks));
  const chunks = Math.ceil(rows / rowsPerChunk);
  const partial = empty(gpu, [chunks, 2, channels], "f32", "layerNorm partial sums");
  const base = parameters(rows, channels, 0);
  const first = kernels.layerNorm.backwardAffinePartial;
  gpu.run(
    first,
    { input: x, dy, saved: stats, partial },
    { ...base, rows_per_group: rowsPerChunk },
    { groups: [Math.ceil(channels / gpu.tunables(first).WORKGROUP), chunks] },
  );
  combineParts(partial, channels, grads.sinkOrUnused(1, [channels]), grads.sinkOrUnused(2, [channels]));
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
  const { gpu } = x;
  const [batches, positions, channels] = x.shape as [number, number, number];
  if (x.rank !== 3) throw new ShapeError("adaLayerNorm", `x ${x} must be [batch, positions, channels]`);
  if (scaleShift.rank !== 2 || scaleShift.shape[0] !== batches || scaleShift.shape[1] !== 2 * channels) {
    throw new ShapeError(
      "adaLayerNorm",
      `x ${x} needs scale and shift as [${batches}, ${2 * channels}], not ${scaleShift}`,
    );
  }
  const rows = batches * positions;
  const y = empty(gpu, x.shape, output, "adaLayerNorm");
  const stats = empty(gpu, [rows, 2], "f32", "adaLayerNorm statistics");
  const kernel = kernels.layerNorm.adaptiveForward;
  const base = { ...parameters(rows, channels, epsilon), rows_per_group: positions };
  gpu.run(kernel, { input: x, scale_shift: scaleShift, output: y, stats }, base, {
    ...rowLanes(gpu, gpu.tunables(kernel, [rows, channels]), rows),
    variant: { Output: output },
  });
  return record("adaLayerNorm", [x, scaleShift], y, (save) => {
    const [savedX, savedScaleShift, savedStats] = [save(x), save(scaleShift), save(stats)];
    return (dy, grads) => {
      if (grads.needs(0)) {
        const { tensor: dx, accumulate } = grads.sink(0);
        const kernel = kernels.layerNorm.adaptiveBackwardInput;
        gpu.run(
          kernel,
          { input: savedX, scale_shift: savedScaleShift, dy, saved: savedStats, dx },
          { ...base, accumulate: accumulate ? 1 : 0 },
          rowLanes(gpu, gpu.tunables(kernel, [rows, channels]), rows),
        );
      }
      if (grads.needs(1)) {
        const { tensor, accumulate } = grads.sink(1);
        const kernel = kernels.layerNorm.backwardScaleShift;
        gpu.run(
          kernel,
          { input: savedX, dy, saved: savedStats, dscale_shift: tensor },
          { ...base, accumulate: accumulate ? 1 : 0 },
          { groups: gpu.groups1d(batches * channels, gpu.tunables(kernel).WORKGROUP) },
        );
      }
    };
  });
}
