/** Group normalisation, optionally followed by SiLU, and its gradients (shaders/norm/group-norm.wgsl). */

import * as kernels from "../gpu/kernels.generated.js";
import type { Tunable } from "../gpu/tuning/tuning-table.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";

/** Options of `groupNorm`. */
export interface GroupNormOptions {
  /** Added to the variance; default 1e-5. */
  epsilon?: number;
  /** Applied to the result in the same kernel; default "none". */
  activation?: "none" | "silu";
}

/** Pixels summed by one invocation before the second level of a reduction. */
const chunkPixels = 64;

/**
 * act((x − μ)/√(variance + ε)·weight + bias) with μ and variance over each image's pixels and the C/groups neighbouring
 * channels of a group (Wu & He 2018). x [B, …, C], weight and bias [C]; differentiable in all three.
 */
export function groupNorm(
  x: Tensor,
  groups: number,
  weight: Tensor,
  bias: Tensor,
  options: GroupNormOptions = {},
): Tensor {
  checkTensors("groupNorm", "f32", x, weight, bias);
  const { epsilon = 1e-5, activation = "none" } = options;
  if (x.rank < 2) throw new ShapeError("groupNorm", `x ${x} needs a batch and a channel axis`);
  const batch = x.shape[0]!;
  const channels = x.shape.at(-1)!;
  if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0)
    throw new ShapeError("groupNorm", `${channels} channels of x ${x} in ${groups} groups`);
  if (weight.size !== channels || bias.size !== channels)
    throw new ShapeError("groupNorm", `weight ${weight} and bias ${bias} for ${channels} channels`);
  const { gpu } = x;
  const family = kernels.groupNorm;
  const pixels = x.size / batch / channels;
  const vector = channels % 4 === 0;
  const columns = vector ? channels / 4 : channels;
  const chunks = Math.ceil(pixels / chunkPixels);
  const params = {
    batch,
    pixels,
    channels,
    columns,
    group_count: groups,
    chunks,
    chunk_pixels: chunkPixels,
    epsilon,
    accumulate: 0,
    accumulate_bias: 0,
  };
  const element = { Element: vector ? "vector" : "scalar" } as const;
  const shape = [batch * pixels, channels];
  const grid = (kernel: Tunable<{ WORKGROUP: number }>, count: number) => {
    const tune = gpu.tunables(kernel, shape);
    return { groups: gpu.groups1d(count, tune.WORKGROUP), tune };
  };
  const chunkColumns = batch * chunks * columns;
  const pixelGrid = (kernel: typeof family.forward | typeof family.backwardInput) => {
    const { PIXELS } = gpu.tunables(kernel, shape);
    return grid(kernel, batch * Math.ceil(pixels / PIXELS) * columns);
  };

  const output = empty(gpu, x.shape, "f32", "groupNorm");
  const chunkSums = empty(gpu, [batch, chunks, channels, 2], "f32", "groupNorm sums");
  const statistics = empty(gpu, [batch, groups, 2], "f32", "groupNorm statistics");
  const center = empty(gpu, [batch, channels], "f32", "groupNorm center");
  const scale = empty(gpu, [batch, channels], "f32", "groupNorm scale");
  gpu.run(family.statistics, { input: x, chunk_sums: chunkSums }, params, {
    ...grid(family.statistics, chunkColumns),
    variant: element,
  });
  gpu.run(
    family.combine,
    { chunk_values: chunkSums, weight, statistics_out: statistics, center_out: center, scale_out: scale },
    params,
    grid(family.combine, batch * groups),
  );
  gpu.run(family.forward, { input: x, center, scale, bias, output }, params, {
    ...pixelGrid(family.forward),
    variant: { ...element, ACTIVATION: activation },
  });

  return record("groupNorm", [x, weight, bias], output, (save) => {
    const [input, gain, shift] = [save(x), save(weight), save(bias)];
    const saved = { statistics: save(statistics), center: save(center), scale: save(scale) };
    return (dy, grads) => {
      const common = { input, doutput: dy, center: saved.center, scale: saved.scale, bias: shift };
      const variant = { ...element, ACTIVATION: activation };
      const sums = empty(gpu, [batch, chunks, channels, 2], "f32", "groupNorm gradient sums");
      gpu.run(family.backwardSums, { ...common, chunk_sums: sums }, params, {
        ...grid(family.backwardSums, chunkColumns),
        variant,
      });
      if (grads.needs(1) || grads.needs(2)) {
        const dweight = grads.sinkOrUnused(1, [channels]);
        const dbias = grads.sinkOrUnused(2, [channels]);
        gpu.run(
          family.backwardParameters,
          {
            chunk_values: sums,
            mean_and_rstd: saved.statistics,
            dweight: dweight.tensor,
            dbias: dbias.tensor,
          },
          {
            ...params,
            accumulate: dweight.accumulate ? 1 : 0,
            accumulate_bias: dbias.accumulate ? 1 : 0,
          },
          grid(family.backwardParameters, channels),
        );
      }
      if (grads.needs(0)) {
        const slope = empty(gpu, [batch, channels], "f32", "groupNorm gradient slope");
        const offset = empty(gpu, [batch, channels], "f32", "groupNorm gradient offset");
        gpu.run(
          family.backwardCombine,
          {
            chunk_values: sums,
            weight: gain,
            mean_and_rstd: saved.statistics,
            slope_out: slope,
            offset_out: offset,
          },
          params,
          grid(family.backwardCombine, batch * groups),
        );
        const { tensor, accumulate } = grads.sink(0);
        gpu.run(
          family.backwardInput,
          { ...common, slope, offset, dinput: tensor },
          { ...params, accumulate: accumulate ? 1 : 0 },
          { ...pixelGrid(family.backwardInput), variant },
        );
      }
    };
  });
}
