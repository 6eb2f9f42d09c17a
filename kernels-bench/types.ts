/** What a case is. Types only; nothing runs here. */

import type { DType, Gpu, Tensor } from "../dist/engine/index.js";
import type { Random } from "./random.js";

export type { DType, Gpu };
export type AnyTensor = Tensor<DType>;
/** The lengths and counts that a case is made of, by name. */
export type Size = Readonly<Record<string, number>>;

/** A case at one size, with its data on the GPU. */
export interface Problem {
  /** Records the work once; returns what the check reads: results, then gradients. */
  call(): AnyTensor[];
  /** The same numbers in float64, in the order of `call`. */
  reference(): ArrayLike<number>[];
  dispose(): void;
}

/** A family's op at one size. */
export interface Case<S extends Size = Size> {
  family: string;
  /** Unique within its set; says the op, the shapes that matter and whether gradients are included. */
  name: string;
  size: S;
  /** The size of the check, where float64 in JavaScript would take long at `size`. */
  checkSize?: S | undefined;
  /** Floating-point operations of one call; exp, log and division count as one. */
  flops(size: S): number;
  /** The least that has to move: every input read once, every result written once. */
  bytes(size: S): number;
  /** The feature that the device has to have; without it the case is left out. */
  needs?: "shader-f16" | undefined;
  /** Largest error allowed, see `largestError`. */
  tolerance: number;
  build(gpu: Gpu, size: S, random: Random): Problem;
}

/** Cases of one kernel family. */
export interface Family {
  /** What `node kernels-bench/run.js FAMILY` chooses. */
  name: string;
  /** What a number n given to `--sizes` stands for. */
  natural: string;
  /** The family's cases at natural size n. */
  at(n: number): Case[];
  /** Sizes at which starting the kernels counts. */
  small: Case[];
  /** What runs by default: sizes of the presets, and of the other engines' benchmarks. */
  medium: Case[];
  /** Shapes of the training steps of the presets quick and emoji, as the tuner needs them. */
  presets?: Case[];
  /** Sizes as in the paper, as far as a software adapter does them in seconds. */
  large: Case[];
}
