/**
 * AdamW over packed parameters (shaders/adamw.wgsl): three dispatches whatever the number of tensors, and two more for
 * each further chunk of as many parameters as one binding may hold (32 Mi with WebGPU's default limits).
 */

import type { Gpu } from "../gpu/gpu.js";
import { kernels } from "../gpu/kernels.generated.js";
import { ShapeError } from "../tensor/errors.js";
import { clear, type Tensor, untracked } from "../tensor/tensor.js";

export interface AdamWOptions {
  gpu: Gpu;
  /** [n], n a multiple of 64. */
  parameters: Tensor;
  /** [n] */
  gradients: Tensor;
  /** [n/64]: the share of `weightDecay` that applies to each block of 64 elements. */
  blockDecay: Float32Array;
  /** Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Default 1e-8. */
  epsilon?: number;
  /** Decoupled: w loses lr · weightDecay · w a step. Default 0. */
  weightDecay?: number;
  /** Largest global L2 norm of the gradient; 0 (default) = no clipping. */
  clip?: number;
  /** Parameters that a dispatch works on, rounded down to a multiple of 4096; default: as many as a binding may hold. */
  chunk?: number;
}

export interface AdamWSchedule {
  learningRate: number;
  /** Number of this step, from 1: what the bias correction counts. */
  step: number;
  /** 1 - decay of the averaged weights in this step; 0 = leave them. */
  averageWeight?: number;
}

/** Partial sums of a chunk's norm, as in the shader. */
const partials = 1024;
/** Parameters that a chunk is a multiple of: 64 blocks of 64, whose decay factors fill 256 bytes. */
const chunkUnit = 4096;
/** Invocations a workgroup that makes partial sums one by one: enough workgroups for the cores of a software adapter. */
const laneWorkgroup = 64;

/** As much of the packed tensors as one dispatch can bind. */
interface Chunk {
  weights: Tensor;
  gradients: Tensor;
  first_moment: Tensor;
  second_moment: Tensor;
  average: Tensor;
  block_decay: Tensor;
  partials: Tensor;
}

export class AdamW {
  /** [n] each: moments, and the averaged weights, which start equal to the weights at `startAverage`. */
  readonly firstMoment: Tensor;
  readonly secondMoment: Tensor;
  readonly average: Tensor;
  /** [3]: the gradient's global norm before clipping, 1 if the step was skipped since it was not finite, clip factor. */
  readonly norm: Tensor;
  private readonly gpu: Gpu;
  private readonly parameters: Tensor;
  private readonly blockDecay: Tensor;
  private readonly schedule: Tensor;
  private readonly partials: Tensor;
  private readonly chunks: readonly Chunk[];
  private readonly betas: readonly [number, number];
  private readonly params: {
    beta1: number;
    beta2: number;
    epsilon: number;
    weight_decay: number;
    clip: number;
  };

  constructor(options: AdamWOptions) {
    const { gpu, parameters, gradients, blockDecay } = options;
    const count = parameters.size;
    if (gradients.size !== count || blockDecay.length * 64 !== count) {
      throw new ShapeError(
        "AdamW",
        `${count} parameters need as many gradients and a 64th as many decay factors, not ${gradients.size} and ${blockDecay.length}`,
      );
    }
    this.gpu = gpu;
    this.parameters = parameters;
    this.betas = options.betas ?? [0.9, 0.999];
    this.params = {
      beta1: this.betas[0],
      beta2: this.betas[1],
      epsilon: options.epsilon ?? 1e-8,
      weight_decay: options.weightDecay ?? 0,
      clip: options.clip ?? 0,
    };
    this.firstMoment = untracked(gpu, [count], "f32", "first moments");
    this.secondMoment = untracked(gpu, [count], "f32", "second moments");
    this.average = untracked(gpu, [count], "f32", "averaged weights");
    this.norm = untracked(gpu, [3], "f32", "gradient norm");
    this.schedule = untracked(gpu, [4], "f32", "optimizer schedule");
    this.blockDecay = untracked(gpu, [blockDecay.length], "f32", "block decay");
    this.blockDecay.write(blockDecay);
    for (const tensor of [this.firstMoment, this.secondMoment]) clear(tensor);
    this.startAverage();
    // Whole blocks of 64 parameters, and of their decay factors, which must start where a binding may.
    const chunk = options.chunk ?? gpu.limits.maxStorageBufferBindingSize / 4;
    const most = Math.max(1, Math.floor(chunk / chunkUnit)) * chunkUnit;
    const firsts = Array.from({ length: Math.ceil(count / most) }, (_, i) => i * most);
    this.partials = untracked(gpu, [firsts.length * partials], "f32", "norm partials");
    this.chunks = firsts.map((first, i) => {
      const length = Math.min(most, count - first);
      const part = (whole: Tensor, at: number, size: number) => whole.alias([size], [1], whole.offset + at);
      return {
        weights: part(parameters, first, length),
        gradients: part(gradients, first, length),
        first_moment: part(this.firstMoment, first, length),
        second_moment: part(this.secondMoment, first, length),
        average: part(this.average, first, length),
        block_decay: part(this.blockDecay, first / 64, length / 64),
        partials: part(this.partials, i * partials, partials),
      };
    });
  }

  /** Sets the averaged weights to the weights: call it when these have been initialised. */
  startAverage(): void {
    const { parameters, average } = this;
    this.gpu.copyBuffer(parameters.storage, parameters.offset * 4, average.storage, 0, parameters.size * 4);
  }

  /** Writes what changes from step to step, after all work recorded so far. */
  setSchedule({ learningRate, step, averageWeight = 0 }: AdamWSchedule): void {
    const [beta1, beta2] = this.betas;
    this.schedule.write([learningRate, 1 / (1 - beta1 ** step), 1 / (1 - beta2 ** step), averageWeight]);
  }

  /** Records one step from the gradients as they are. */
  step(): void {
    const { gpu, params, chunks, norm, schedule } = this;
    const kernel = kernels.adamw.step;
    const { sumOfSquares, finishNorm } = kernels.adamw;
    const variant = { BY_LANE: gpu.software };
    const tune = gpu.software ? { WORKGROUP: laneWorkgroup } : {};
    for (const { gradients, partials: sums } of chunks) {
      gpu.run(
        sumOfSquares,
        { gradients, partials: sums },
        { ...params, count: gradients.size },
        { groups: [gpu.software ? partials / laneWorkgroup : partials], variant, tune },
      );
    }
    gpu.run(
      finishNorm,
      { partials: this.partials, norm },
      { ...params, count: this.partials.size },
      { groups: [1], variant, tune },
    );
    for (const { partials: _, ...chunk } of chunks) {
      const count = chunk.weights.size;
      gpu.run(
        kernel,
        { ...chunk, schedule, norm },
        { ...params, count },
        { groups: gpu.groups1d(count, gpu.tunables(kernel).WORKGROUP) },
      );
    }
  }

  dispose(): void {
    for (const chunk of this.chunks) for (const part of Object.values(chunk)) part.dispose();
    const { firstMoment, secondMoment, average, norm, schedule, blockDecay } = this;
    for (const tensor of [firstMoment, secondMoment, average, norm, schedule, blockDecay, this.partials]) {
      tensor.dispose();
    }
  }
}
