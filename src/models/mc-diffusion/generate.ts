/** Generates captions by the reverse process. Fixed words and the prepared condition are kept until the end of the chain. */

import type { TransitionTable } from "../../diffusion/coefficients.js";
import type { Guidance } from "../../diffusion/guidance.js";
import type { FixedWords } from "../../diffusion/sample-step.js";
import { type BegunSampler, denoise } from "../../diffusion/sampler.js";
import { samplers } from "../../diffusion/samplers.js";
import type { Schedule } from "../../diffusion/schedule.js";
import { add } from "../../engine/ops/elementwise.js";
import type { Tensor } from "../../engine/tensor/tensor.js";
import { UserError } from "../../platform/errors.js";
import type { GeneratedStep, GenerateOptions } from "../caption-decoder.js";
import type { SamplingSettings } from "../sampling-settings.js";
import { AttentionReadout } from "./attention-readout.js";
import type { Decoder } from "./decoder.js";
import { PreparedOnce, penaltyOf, repeated } from "./prepared.js";

/** Replaces a temperature of 0, which would be a divisor. */
export const greedyTemperature = 1e-3;

/** The noise process of a decoder: its schedule, and its tables over visited steps, which it owns. */
export interface Process {
  readonly schedule: Schedule;
  table(visits: readonly number[]): TransitionTable;
}

/** The reverse process for codes [B, S]; see `CaptionDecoder.generate`. Under guidance the tokens of a step have 2B rows. */
export function* generate(
  decoder: Decoder & Process,
  codes: Tensor<"u32">,
  settings: SamplingSettings,
  { endId, banned = [], words = null, from, attention = false, watch }: GenerateOptions,
): Generator<GeneratedStep, void> {
  const { schedule } = decoder;
  const { length, codes: maskId, vocabulary: mask } = decoder.shape;
  const batch = codes.shape[0]!;
  const { maskMode, ...rest } = settings.guidance;
  const guidance: Guidance = { ...rest, maskId, redraw: maskMode === "redrawn" };
  const visits = schedule.visit(settings.steps);
  if (from) checkStart(from, schedule.steps, decoder);
  const table = decoder.table(from ? [from.t, ...visits.filter((t) => t < from.t)] : visits);
  const held: Tensor<"f32" | "u32">[] = [];
  const hold = <T extends Tensor | Tensor<"u32">>(tensor: T): T => {
    tensor.keep();
    held.push(tensor as Tensor<"f32" | "u32">);
    return tensor;
  };
  const prepared = new PreparedOnce(decoder);
  let run: BegunSampler | undefined;
  /** The attention [L, S] of the step being taken. */
  let looked: Tensor | null = null;
  try {
    const fixed: FixedWords | null = words && {
      at: hold(repeated(decoder, words.at, batch, "fixed positions")),
      words: hold(repeated(decoder, words.words, batch, "fixed words")),
    };
    const penalty = penaltyOf(decoder, endId, banned, words);
    if (penalty) hold(penalty);
    const sampler = samplers.get(settings.sampler);
    const first = from?.tokens ?? (sampler.masked ? new Uint32Array(length).fill(mask) : null);
    const start = first && hold(repeated(decoder, first, batch, "x_t"));
    const open = Array.from({ length }, (_, i) => (first?.[i] ?? mask) === mask && !words?.at[i]);
    const { remask } = settings;
    run = sampler.begin?.({ gpu: decoder.gpu, table, open: open.filter(Boolean).length, remask });
    yield* denoise({
      table,
      predict: (xt, t, y) => {
        const readout = attention ? new AttentionReadout(decoder) : null;
        const logits = decoder.forward(xt, t, prepared.of(y!), readout ?? {});
        looked = readout?.mean() ?? null;
        return penalty ? add(logits, penalty) : logits;
      },
      batch,
      length,
      condition: codes,
      guidance,
      seed: settings.seed,
      temperature: settings.temperature === 0 ? greedyTemperature : settings.temperature,
      topR: settings.topR,
      last: settings.last,
      fixed,
      start,
      step: run?.step,
      ...(watch ? { watch: (scores, tokens, full) => watch(scores, tokens, looked, full) } : {}),
    });
  } finally {
    run?.dispose();
    prepared.dispose();
    for (const tensor of held) tensor.dispose();
  }
}

function checkStart(
  { t, tokens }: { t: number; tokens: ArrayLike<number> },
  steps: number,
  { shape }: Decoder,
): void {
  if (!Number.isInteger(t) || t < 1 || t > steps) {
    throw new UserError(`The step to go on from is ${t}; it must be a whole number from 1 to ${steps}.`);
  }
  const valid = Array.from(tokens).every((id) => Number.isInteger(id) && id >= 0 && id <= shape.vocabulary);
  if (tokens.length !== shape.length || !valid) {
    throw new UserError(
      `The tokens to go on from must be ${shape.length} ids from 0 to ${shape.vocabulary} ([MASK]).`,
    );
  }
}
