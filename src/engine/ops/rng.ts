/** Random numbers on the GPU (shaders/common/rng.wgsl), the same bits as src/engine/ops/philox.ts on every adapter. */

import { UserError } from "../../platform/errors.js";
import type { Gpu } from "../gpu/gpu.js";
import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { empty, type Tensor, untracked } from "../tensor/tensor.js";
import { probabilityThreshold, seedWords } from "./philox.js";

/**
 * A source of random streams, keyed by (seed, step, stream). Every random op takes the next stream, so the order of calls
 * within a step determines the numbers of each. `setStep` starts over with the streams of another step; that alone gives a
 * captured step new numbers.
 */
export class Rng {
  readonly gpu: Gpu;
  readonly seed: bigint;
  /** [seed_lo, seed_hi, step, part], which random kernels bind as `rng` (rng.wgsl); the part is 0. */
  readonly state: Tensor<"u32">;
  #stepNumber = 0;
  #stream = 0;

  /** `seed` is an integer of at most 64 bits. */
  constructor(gpu: Gpu, seed: number | bigint) {
    if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
      throw new UserError(`The seed ${seed} is not a whole number below 2^53; use a bigint.`);
    }
    this.gpu = gpu;
    this.seed = BigInt.asUintN(64, BigInt(seed));
    this.state = untracked(gpu, [4], "u32", "rng state");
    this.#write();
  }

  /** The current step. */
  get step(): number {
    return this.#stepNumber;
  }

  /** Sets the step (0 … 2^32 - 1) and returns to its first stream; one write of 16 bytes. */
  setStep(step: number): void {
    this.#stepNumber = step >>> 0;
    this.#stream = 0;
    this.#write();
  }

  #write(): void {
    const [low, high] = seedWords(this.seed);
    this.state.write(Uint32Array.of(low, high, this.#stepNumber, 0));
  }

  /** Takes the number of a stream that nothing else in this step uses. */
  nextStream(): number {
    return this.#stream++;
  }

  /** The number of streams taken in the step; used with `setPosition` to replay a checkpointed function. */
  position(): number {
    return this.#stream;
  }

  /** Continues from the stream with this number, which `position` returned. */
  setPosition(position: number): void {
    this.#stream = position;
  }

  /** Frees the state on the device. */
  dispose(): void {
    this.state.dispose();
  }

  #fill(
    kernel: typeof kernels.rng.uniformFill,
    shape: readonly number[],
    label: string,
    scale: number,
    threshold = 0,
  ): Tensor {
    const y = empty(this.gpu, shape, "f32", label);
    const params = { count: y.size, stream: this.nextStream(), scale, threshold, rows: 0, width: 0 };
    const groups = this.gpu.groups1d(Math.ceil(y.size / 4), this.gpu.tunables(kernel).WORKGROUP);
    this.gpu.run(kernel, { rng: this.state, filled: y }, params, { groups });
    return y;
  }

  /** Uniform in [0, scale). */
  uniform(shape: readonly number[], scale = 1): Tensor {
    return this.#fill(kernels.rng.uniformFill, shape, "uniform", scale);
  }

  /** Uniform in [-limit, limit). */
  uniformSymmetric(shape: readonly number[], limit = 1): Tensor {
    return this.#fill(kernels.rng.uniformSymmetricFill, shape, "uniform", limit);
  }

  /** Normal with mean 0. */
  normal(shape: readonly number[], deviation = 1): Tensor {
    return this.#fill(kernels.rng.normalFill, shape, "normal", deviation);
  }

  /** Gumbel: -ln(-ln u) times `scale`. */
  gumbel(shape: readonly number[], scale = 1): Tensor {
    return this.#fill(kernels.rng.gumbelFill, shape, "gumbel", scale);
  }

  /** `value` with the given probability, else 0. */
  bernoulli(shape: readonly number[], probability: number, value = 1): Tensor {
    return this.#fill(
      kernels.rng.bernoulliFill,
      shape,
      "bernoulli",
      value,
      probabilityThreshold(probability),
    );
  }

  /**
   * One draw from softmax of each row of `logProbs` [..., M] by the Gumbel-max trick: u32 indices [...]. The
   * log-probabilities need not be normalised. Ties go to the lowest index.
   */
  categorical(logProbs: Tensor): Tensor<"u32"> {
    checkTensors("categorical", "f32", logProbs);
    if (logProbs.rank < 2) throw new ShapeError("categorical", `log-probabilities ${logProbs} have no rows`);
    const kernel = kernels.rng.categorical;
    const width = logProbs.shape.at(-1)!;
    const rows = logProbs.size / width;
    const choice = empty(this.gpu, logProbs.shape.slice(0, -1), "u32", "categorical");
    this.gpu.run(
      kernel,
      { rng: this.state, log_probs: logProbs, choice },
      {
        count: 4 * rows * Math.ceil(width / 4),
        stream: this.nextStream(),
        scale: 0,
        threshold: 0,
        rows,
        width,
      },
      { groups: this.gpu.groups1d(rows, 1) },
    );
    return choice;
  }
}
