/** How fast captions are sampled, and how near that is to what the device can compute. */

import type { Gpu } from "../engine/gpu/gpu.js";
import * as kernels from "../engine/gpu/more-kernels.generated.js";
import { empty, fromArray } from "../engine/tensor/tensor.js";
import { operationsOf } from "../training/step-work.js";

export interface SamplingSpeed {
  readonly captions: number;
  readonly seconds: number;
  /** Floating-point operations of products and attention that were executed; see `operationsOf`. */
  readonly operations: number;
  /**
   * The share of the device's rate of multiply-adds in registers (shaders/common/fma.wgsl, measured before): by time, on a software
   * adapter by processor time, which other programs disturb less.
   */
  readonly shareOfFma: number;
}

/** Milliseconds on the clock, and of processor time of all threads. */
interface Clock {
  readonly wall: number;
  readonly processor: number;
}

function now(): Clock {
  const { user, system } = process.cpuUsage();
  return { wall: performance.now(), processor: (user + system) / 1000 };
}

/** Sums up the samplings that it measures. */
export class SamplingMeter {
  readonly #gpu: Gpu;
  #captions = 0;
  #operations = 0;
  #spent: Clock = { wall: 0, processor: 0 };
  /** Operations per millisecond at best, by either clock. */
  #ceiling: Clock | null = null;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Runs `body`, which samples so many captions. */
  readonly measure = async <T>(captions: number, body: () => Promise<T>): Promise<T> => {
    const gpu = this.#gpu;
    this.#ceiling ??= await fmaCeiling(gpu);
    const before = gpu.observer;
    gpu.observer = {
      dispatch: (dispatch, uniforms) => {
        this.#operations += operationsOf(dispatch, uniforms);
      },
    };
    const began = now();
    try {
      const result = await body();
      const ended = now();
      this.#captions += captions;
      this.#spent = {
        wall: this.#spent.wall + ended.wall - began.wall,
        processor: this.#spent.processor + ended.processor - began.processor,
      };
      return result;
    } finally {
      gpu.observer = before;
    }
  };

  /** What was measured so far; null: nothing. */
  speed(): SamplingSpeed | null {
    if (this.#captions === 0 || !this.#ceiling) return null;
    const clock = this.#gpu.software ? "processor" : "wall";
    return {
      captions: this.#captions,
      seconds: this.#spent.wall / 1000,
      operations: this.#operations,
      shareOfFma: this.#operations / this.#spent[clock] / this.#ceiling[clock],
    };
  }
}

/** "6.3 captions a second, 158 ms each; products and attention: 0.9 GFLOP a caption, 31 % of the FMA ceiling". */
export function speedText({ captions, seconds, operations, shareOfFma }: SamplingSpeed): string {
  const rate = (captions / seconds).toPrecision(2);
  const each = ((1000 * seconds) / captions).toPrecision(3);
  const gflop = (operations / captions / 1e9).toPrecision(2);
  const share = (100 * shareOfFma).toFixed(0);
  return `sampling: ${captions} captions, ${rate} a second, ${each} ms each; products and attention: ${gflop} GFLOP a caption, ${share} % of the FMA ceiling`;
}

const invocations = 64 * 1024;
const workgroup = 64;
const rounds = 16;
const operations = 2 * 96 * rounds * invocations;
const samples = 7;

/** The best of a few samples of a few milliseconds each, after one to compile the kernel. */
async function fmaCeiling(gpu: Gpu): Promise<Clock> {
  const factors = fromArray(gpu, [0.5, 0.5, 0.5, 0.5, 1, 2, 3, 4], [8]).keep();
  const result = empty(gpu, [4 * invocations], "f32", "FMA result").keep();
  const times: Clock[] = [];
  try {
    for (let i = 0; i <= samples; i++) {
      const began = now();
      gpu.run(kernels.fma.main, { factors, result }, { rounds }, { groups: [invocations / workgroup] });
      await gpu.idle();
      const ended = now();
      if (i > 0) times.push({ wall: ended.wall - began.wall, processor: ended.processor - began.processor });
    }
  } finally {
    factors.dispose();
    result.dispose();
  }
  const best = (clock: keyof Clock) => operations / Math.min(...times.map((time) => time[clock]));
  return { wall: best("wall"), processor: best("processor") };
}
