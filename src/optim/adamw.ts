/** AdamW over packed parameters (shaders/adamw.wgsl): three dispatches whatever the number of tensors. */

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
}

export interface AdamWSchedule {
  learningRate: number;
  /** Number of this step, from 1: what the bias correction counts. */
  step: number;
  /** 1 - decay of the averaged weights in this step; 0 = leave them. */
  averageWeight?: number;
}

/** Partial sums of the norm, as in the shader. */
const partials = 1024;
/** Invocations a workgroup that makes partial sums one by one: enough workgroups for the cores of a software adapter. */
const laneWorkgroup = 64;

export class AdamW {
  /** [n] each: moments, and the averaged weights, which start equal to the weights at `startAverage`. */
  readonly firstMoment: Tensor;
  readonly secondMoment: Tensor;
  readonly average: Tensor;
  /** [3]: the gradient's global norm before clipping, 1 if the step was skipped since it was not finite, clip factor. */
  readonly norm: Tensor;
  private readonly gpu: Gpu;
  private readonly parameters: Tensor;
  private readonly gradients: Tensor;
  private readonly blockDecay: Tensor;
  private readonly schedule: Tensor;
  private readonly partials: Tensor;
  private readonly betas: readonly [number, number];
  private readonly params: {
    count: number;
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
    this.gradients = gradients;
    this.betas = options.betas ?? [0.9, 0.999];
    this.params = {
      count,
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
    this.partials = untracked(gpu, [partials], "f32", "norm partials");
    this.blockDecay = untracked(gpu, [blockDecay.length], "f32", "block decay");
    this.blockDecay.write(blockDecay);
    for (const tensor of [this.firstMoment, this.secondMoment]) clear(tensor);
    this.startAverage();
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
    const { gpu, params, gradients, norm } = this;
    const kernel = kernels.adamw.step;
    const { sumOfSquares, finishNorm } = kernels.adamw;
    const variant = { BY_LANE: gpu.software };
    const tune = gpu.software ? { WORKGROUP: laneWorkgroup } : {};
    gpu.run(sumOfSquares, { gradients, partials: this.partials }, params, {
      groups: [gpu.software ? partials / laneWorkgroup : partials],
      variant,
      tune,
    });
    gpu.run(finishNorm, { partials: this.partials, norm }, params, { groups: [1], variant, tune });
    gpu.run(
      kernel,
      {
        weights: this.parameters,
        gradients,
        first_moment: this.firstMoment,
        second_moment: this.secondMoment,
        average: this.average,
        block_decay: this.blockDecay,
        schedule: this.schedule,
        norm,
      },
      params,
      { groups: gpu.groups1d(params.count, gpu.tunables(kernel).WORKGROUP) },
    );
  }

  dispose(): void {
    const { firstMoment, secondMoment, average, norm, schedule, blockDecay } = this;
    for (const tensor of [firstMoment, secondMoment, average, norm, schedule, blockDecay, this.partials]) {
      tensor.dispose();
    }
  }
}
