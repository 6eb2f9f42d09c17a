/**
 * Ancestral sampling: x_T from the prior, then for every visited step t → u: p̃ = network(x_t, t, y), guidance,
 * temperature, truncation, x_u ~ p_θ(x_u | x_t) by the exact jump posterior, down to u = 0.
 */

import type { Gpu } from "../engine/gpu/gpu.js";
import { Rng } from "../engine/ops/rng.js";
import { noGrad } from "../engine/tensor/tape.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import type { TransitionTable } from "./coefficients.js";
import { samplePrior } from "./forward.js";
import { fullWeight, type Guidance, guidedCondition, mixBranches } from "./guidance.js";
import { type FixedWords, fixWords, pSample, type StepOptions } from "./sample-step.js";

/**
 * The network: logits [N, L, M] of x_0 for tokens [N, L], steps [N] and condition ids [N, S]. With guidance N is 2B, full
 * conditions first. While the masked positions stay the same, every step passes the same condition tensor, so that the network
 * can cache its computations on it.
 */
export type Predict = (xt: Tensor<"u32">, t: Tensor<"u32">, condition: Tensor<"u32"> | null) => Tensor;

/** One step of a run of the sampler, x_t to x_u. */
export interface SampleStep {
  /** The step just left. */
  readonly t: number;
  /** The step reached. */
  readonly u: number;
  /** x_u: u32 [B, L], or [2B, L] with both halves the same under guidance; freed after the call. */
  readonly tokens: Tensor<"u32">;
}

/** What is known when a step is taken. */
export interface StepDraw {
  readonly rng: Rng;
  /** log p̃ after guidance, or logits: [B, L, M]. */
  readonly scores: Tensor;
  /** x_t: [B, L], or more (only the first count). */
  readonly xt: Tensor<"u32">;
  readonly table: TransitionTable;
  readonly t: number;
  readonly u: number;
  readonly settings: StepOptions;
  /** The first of four random streams that nothing else uses. */
  readonly stream: number;
}

/** Draws x_u: u32 [copies · B, L]. */
export type StepRule = (draw: StepDraw) => Tensor<"u32">;

/** What a sampler knows of a run before its first step. */
export interface SamplerRun {
  readonly gpu: Gpu;
  /** The process and the visited steps. */
  readonly table: TransitionTable;
  /** Positions of a caption that are [MASK] at the start. */
  readonly open: number;
  /** The setting `sampling.remask`. */
  readonly remask: number;
}

/** A run of a sampler. */
export interface BegunSampler {
  /** Draws x_u at each step. */
  readonly step: StepRule;
  /** Frees what the run holds on the device. */
  dispose(): void;
}

/** A way to take steps. */
export interface Sampler {
  /** As `sampling.sampler` names it. */
  readonly name: string;
  /** Starts from [MASK] at every position, instead of a draw from the prior p(x_T). */
  readonly masked?: boolean;
  /** Begins a run. Absent: `pSample`, ancestral sampling. Throws a `UserError` if the process does not allow it. */
  begin?(run: SamplerRun): BegunSampler;
}

/** Options of `sample` and `denoise`. */
export interface SampleOptions {
  /** The process and the steps to visit: `transitionTable(gpu, schedule, schedule.visit(25))`. */
  readonly table: TransitionTable;
  readonly predict: Predict;
  readonly batch: number;
  readonly length: number;
  /** Condition ids [B, S]; without them the network runs unconditionally. */
  readonly condition?: Tensor<"u32"> | null;
  readonly guidance?: Guidance | null;
  readonly seed?: number | bigint;
  /** See `StepOptions`; both apply to the guided p̃. */
  readonly temperature?: number;
  readonly topR?: number;
  /** The last step draws from p̃, or takes the most probable token. */
  readonly last?: "sample" | "argmax";
  /** Infilling: these words are fixed. */
  readonly fixed?: FixedWords | null;
  /** x_t of the first step to visit, u32 [B, L], instead of a draw from the prior; that step may then be below T. */
  readonly start?: Tensor<"u32"> | null;
  /** How x_u is drawn; default `pSample`. */
  readonly step?: StepRule | undefined;
  /**
   * Called within each step with the scores from which its tokens were drawn, [B, L, M] (log p̃ after guidance, before
   * temperature and truncation, or logits if there is no guidance), with the tokens, and with the network's logits, [N, L, M],
   * whose first B rows are those of the full condition.
   */
  readonly watch?: (scores: Tensor, tokens: Tensor<"u32">, logits: Tensor) => void;
  /** Called after each step; sampling waits for it only if it returns a promise. */
  readonly onStep?: (step: SampleStep) => void | Promise<void>;
}

/**
 * The random streams of a chain: the prior, then the masked positions of mcs, then one for each step, then the positions redrawn
 * at each step, then four for each step of another rule. Every guidance method draws its words from the same numbers, so that captions of one seed can be compared.
 */
export const streams = { mask: 1, steps: 2 } as const;

const ancestral: StepRule = ({ rng, scores, xt, table, t, settings }) =>
  pSample(rng, scores, xt, table.thresholds, t, settings);

/**
 * The chain itself, one step per iteration. The tokens of a step are freed when the next step is requested, or when the caller
 * ends the loop. Nothing is submitted or read back.
 */
export function* denoise(options: SampleOptions): Generator<SampleStep, void> {
  const { table, predict, batch, length, condition = null, guidance = null, fixed = null } = options;
  const { temperature = 1, topR = 1, last = "sample", seed = 0, start = null, watch } = options;
  const { step = ancestral } = options;
  const { gpu } = table.coefficients;
  const { schedule, visits } = table;
  if (!start && visits[0] !== schedule.steps) {
    throw new UserError(
      `Sampling starts at step ${schedule.steps}, but the first step to visit is ${visits[0]}.`,
    );
  }
  if (condition && condition.shape[0] !== batch) {
    throw new UserError(`The condition [${condition.shape.join(", ")}] is not for a batch of ${batch}.`);
  }
  const weight = guidance ? fullWeight(guidance) : 1;
  const guided = guidance !== null && weight !== 1 ? guidance : null;
  if (guided && !condition) throw new UserError(`Guidance "${guided.method}" needs a condition.`);
  const branches = guided ? 2 : 1;
  const rng = new Rng(gpu, seed);
  const width = Math.ceil((branches * batch) / 64) * 64;
  const times = empty(gpu, [visits.length, width], "u32", "steps").keep();
  times.write(Uint32Array.from({ length: visits.length * width }, (_, i) => visits[Math.floor(i / width)]!));

  let held: Tensor<"u32"> | null = null;
  let xt: Tensor<"u32"> | null = null;
  try {
    xt = gpu.scope(() => {
      const first = start ?? samplePrior(rng, table, [batch, length]);
      return start || branches > 1 || fixed ? fixWords(first, fixed, branches) : first;
    });
    xt.keep();
    rng.setPosition(streams.mask);
    if (guided && !guided.redraw) held = guidedCondition(rng, condition!, guided).keep();
    for (let i = 0; i + 1 < visits.length; i++) {
      const [t, u] = [visits[i]!, visits[i + 1]!];
      const noisy: Tensor<"u32"> = xt;
      const next: Tensor<"u32"> = gpu.scope(() =>
        noGrad(() => {
          const time = times
            .slice(0, i, 1)
            .slice(1, 0, branches * batch)
            .reshape([branches * batch]);
          rng.setPosition(streams.steps + visits.length + i);
          const given = guided ? (held ?? guidedCondition(rng, condition!, guided)) : condition;
          const logits = predict(noisy, time, given);
          const scores = guided ? mixBranches(logits, weight) : logits;
          const copies = u === 0 ? 1 : branches;
          const greedy = u === 0 && last === "argmax";
          const settings = { temperature, topR, greedy, fixed, copies };
          rng.setPosition(streams.steps + i);
          const stream = streams.steps + 2 * visits.length + 4 * i;
          const drawn = step({ rng, scores, xt: noisy, table, t, u, settings, stream });
          watch?.(scores, drawn, logits);
          return drawn;
        }),
      );
      next.keep();
      noisy.dispose();
      xt = next;
      yield { t, u, tokens: xt };
    }
  } finally {
    xt?.dispose();
    held?.dispose();
    times.dispose();
    rng.dispose();
  }
}

/**
 * Samples x_0: u32 [B, L]. The caller disposes of it. Nothing is read back, so the result can be awaited late; with `onStep` the
 * caller can read intermediate tokens.
 */
export async function sample(options: SampleOptions): Promise<Tensor<"u32">> {
  let drawn: Tensor<"u32"> | null = null;
  for (const step of denoise(options)) {
    const waited = options.onStep?.(step);
    if (waited) await waited;
    // The last tokens outlive the chain.
    if (step.u === 0) drawn = step.tokens.alias();
  }
  return drawn!;
}
