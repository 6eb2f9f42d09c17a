/**
 * AdamW over packed parameters (shaders/optim/adamw.wgsl): three dispatches for any number of tensors, and two more for each
 * further pack. A model needs more than one pack only beyond the size limit of a binding: 33.5 M parameters with WebGPU's
 * default limits.
 */

import type { Gpu } from "../gpu/gpu.js";
import * as kernels from "../gpu/kernels.generated.js";
import { ArgumentError, ShapeError } from "../tensor/errors.js";
import { clear, type Tensor, untracked } from "../tensor/tensor.js";

/** Parameters in one buffer; `PackedParameters` is one. */
export interface Pack {
  /** [n], n a multiple of 64. */
  values: Tensor;
  /** [n] */
  gradients: Tensor;
  /** `[n]`: receives the parameters rounded to float16 after each step, in the same dispatch. Default: none. */
  rounded?: Tensor<"f16"> | null;
  /** `[n/64]`: the share of `weightDecay` that applies to each block of 64 elements. */
  blockDecay: Float32Array;
}

/** Options of `AdamW`. */
export interface AdamWOptions {
  gpu: Gpu;
  packs: readonly Pack[];
  /** Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Default 1e-8. */
  epsilon?: number;
  /** Decoupled: w loses lr · weightDecay · w a step. Default 0. */
  weightDecay?: number;
  /** Largest L2 norm of the gradient, over all packs; 0 (default) = no clipping. */
  clip?: number;
}

/** The numbers of `AdamW` that change from step to step. */
export interface AdamWSchedule {
  learningRate: number;
  /** Number of this step, from 1, for the bias correction. */
  step: number;
  /** 1 - decay of the averaged weights in this step; 0 = leave them. */
  averageWeight?: number;
}

/** Partial sums of a pack's norm, as in the shader. */
const partials = 1024;
/** Invocations per workgroup if each invocation makes one partial sum: enough workgroups for a software adapter's cores. */
const laneWorkgroup = 64;

/** [n] each: moments of a pack, and its averaged weights, which start equal to the weights at `startAverage`. */
export interface PackState {
  firstMoment: Tensor;
  secondMoment: Tensor;
  average: Tensor;
}

/**
 * AdamW over packed parameters, with clipping by the global norm and a running average of the weights. A step takes one
 * dispatch for all norms and two for each pack. A step whose gradient is not finite changes nothing.
 */
export class AdamW {
  /** The state of each pack, in the order of the packs. */
  readonly states: readonly PackState[];
  /** `[3]`: the gradient's global norm before clipping, 1 if the step was skipped because that is not finite, clip factor. */
  readonly norm: Tensor;
  readonly #gpu: Gpu;
  readonly #packs: readonly Pack[];
  readonly #blockDecays: readonly Tensor[];
  /** `[7]`: the schedule, then the norm, as in the shader. */
  readonly #state: Tensor;
  readonly #schedule: Tensor;
  /** [packs · 1024], and the part of each pack. */
  readonly #partials: Tensor;
  readonly #packPartials: readonly Tensor[];
  #scheduled = false;
  readonly #params: {
    beta1: number;
    beta2: number;
    epsilon: number;
    weight_decay: number;
    clip: number;
  };

  constructor(options: AdamWOptions) {
    if (!options?.packs)
      throw new ArgumentError(
        "AdamW",
        "takes { gpu, packs: PackedParameters.of(model) }; mc-diffusion/nn's takes tensors",
      );
    const {
      gpu,
      packs,
      betas: [beta1, beta2] = [0.9, 0.999],
      epsilon = 1e-8,
      weightDecay = 0,
      clip = 0,
    } = options;
    for (const { values, gradients, blockDecay } of packs) {
      if (gradients.size === values.size && blockDecay.length * 64 === values.size) continue;
      throw new ShapeError(
        "AdamW",
        `${values.size} parameters, ${gradients.size} gradients, ${blockDecay.length} decay factors (a 64th)`,
      );
    }
    this.#gpu = gpu;
    this.#packs = packs;
    this.#params = { beta1, beta2, epsilon, weight_decay: weightDecay, clip };
    this.states = packs.map(({ values: { size } }) => {
      const make = (label: string) => {
        const tensor = untracked(gpu, [size], "f32", label);
        clear(tensor);
        return tensor;
      };
      return {
        firstMoment: make("first moments"),
        secondMoment: make("second moments"),
        average: make("averaged weights"),
      };
    });
    this.#state = untracked(gpu, [7], "f32", "optimizer state");
    this.#schedule = this.#state.alias([4], [1], 0);
    this.norm = this.#state.alias([3], [1], 4);
    this.#partials = untracked(gpu, [packs.length * partials], "f32", "norm partials");
    this.#packPartials = packs.map((_, i) => this.#partials.alias([partials], [1], i * partials));
    this.#blockDecays = packs.map(({ blockDecay }) => {
      const tensor = untracked(gpu, [blockDecay.length], "f32", "block decay");
      tensor.write(blockDecay);
      return tensor;
    });
    this.startAverage();
  }

  /** Sets the averaged weights to the weights: call it after these have been initialised. */
  startAverage(): void {
    this.#packs.forEach(({ values }, i) => {
      const { average } = this.states[i]!;
      this.#gpu.copyBuffer(values.storage, values.offset * 4, average.storage, 0, values.size * 4);
    });
  }

  /** Writes the values that change from step to step, after all work recorded so far. */
  setSchedule({ learningRate, step, averageWeight = 0 }: AdamWSchedule): void {
    const { beta1, beta2 } = this.#params;
    this.#scheduled = true;
    this.#schedule.write([learningRate, 1 / (1 - beta1 ** step), 1 / (1 - beta2 ** step), averageWeight]);
  }

  /**
   * Records one step from the current gradients. Throws an `ArgumentError` before the first `setSchedule`, except in a capture,
   * which may be run after it.
   */
  step(): void {
    if (!this.#scheduled && !this.#gpu.capturing)
      throw new ArgumentError("AdamW", "call setSchedule() before step()");
    const [gpu, params, packs, state] = [this.#gpu, this.#params, this.#packs, this.#state] as const;
    const { sumOfSquares, finishNorm, step, stepAndRound } = kernels.adamw;
    const variant = { BY_LANE: gpu.software };
    const tune = gpu.software ? { WORKGROUP: laneWorkgroup } : {};
    packs.forEach(({ gradients }, i) => {
      gpu.run(
        sumOfSquares,
        { gradients, partials: this.#packPartials[i]! },
        { ...params, count: gradients.size / 4 },
        { groups: [gpu.software ? partials / laneWorkgroup : partials], variant, tune },
      );
    });
    gpu.run(
      finishNorm,
      { partials: this.#partials, state_written: state },
      { ...params, count: this.#partials.size },
      { groups: [1], variant, tune },
    );
    packs.forEach(({ values, gradients, rounded }, i) => {
      const { firstMoment, secondMoment, average } = this.states[i]!;
      const bindings = {
        weights: values,
        gradients,
        first_moment: firstMoment,
        second_moment: secondMoment,
        average,
        block_decay: this.#blockDecays[i]!,
        state,
      };
      const count = values.size / 4;
      const all = { ...params, count };
      const groups = gpu.groups1d(count, gpu.tunables(rounded ? stepAndRound : step).WORKGROUP);
      if (rounded)
        gpu.run(stepAndRound, { ...bindings, rounded }, all, { groups, variant: { Rounded: "f16" } });
      else gpu.run(step, bindings, all, { groups });
    });
  }

  /** Frees moments and averages; the parameters stay. */
  dispose(): void {
    const states = this.states.flatMap((state): Tensor[] => Object.values(state));
    const own = [this.#partials, this.norm, this.#schedule, this.#state];
    for (const tensor of [...states, ...this.#blockDecays, ...this.#packPartials, ...own]) tensor.dispose();
  }
}
