/** One run of the sampler for a captioner: settings resolved, fixed words and the prepared condition held until its end. */

import type { Config } from "../config/config.js";
import type { Guidance, GuidanceMethod } from "../diffusion/guidance.js";
import type { FixedWords } from "../diffusion/sample-step.js";
import type { SampleOptions } from "../diffusion/sampler.js";
import { add } from "../engine/ops/elementwise.js";
import { fromArray, type Tensor } from "../engine/tensor/tensor.js";
import { AttentionReadout } from "../models/mc-diffusion/attention-readout.js";
import type { Decoder, PreparedCondition } from "../models/mc-diffusion/decoder.js";
import { UserError } from "../platform/errors.js";
import type { CaptionModel } from "./model.js";

/** Guidance as people set it; what is left out is as in the model's configuration. */
export interface GuidanceSettings {
  method?: GuidanceMethod;
  /** ω */
  scale?: number;
  /** Share of condition positions masked in the partial branch of mcs. */
  maskRate?: number;
  /** The mask drawn once a picture, or anew at every step. */
  maskMode?: Config["sampling"]["maskMode"];
  /** [S], 1 = a code position that the partial branch of mcs does not see, instead of a mask drawn at random. */
  hidden?: ArrayLike<number>;
}

/** Everything that decides what is drawn, without gaps. */
export interface ChainSettings {
  steps: number;
  topR: number;
  temperature: number;
  last: Config["sampling"]["last"];
  seed: number;
  /** Captions may hold [UNK]. */
  allowUnknown: boolean;
  guidance: Required<Omit<GuidanceSettings, "hidden">> & Pick<GuidanceSettings, "hidden">;
}

/** The given settings over those of the model's configuration. */
export function chainSettings(
  { sampling, seed }: Config,
  given: Partial<Omit<ChainSettings, "guidance">> & { guidance?: GuidanceSettings },
): ChainSettings {
  const { guidance: method, scale, maskRate, maskMode } = sampling;
  return {
    steps: given.steps ?? sampling.steps,
    topR: given.topR ?? sampling.topR,
    temperature: given.temperature ?? sampling.temperature,
    last: given.last ?? sampling.last,
    seed: given.seed ?? seed,
    allowUnknown: given.allowUnknown ?? sampling.allowUnknown,
    guidance: { method, scale, maskRate, maskMode, ...given.guidance },
  };
}

/** Given words by position (`at` 1), and where a word has to come, not the caption's end (`gap` 1): [L] each. */
export interface GivenWords {
  at: Uint32Array;
  words: Uint32Array;
  gap: Uint32Array;
}

export interface ChainStart {
  words?: GivenWords | null;
  /** Go on from x_t: the step, and its L tokens with M for [MASK]. */
  from?: { t: number; tokens: ArrayLike<number> } | undefined;
  /** Reads out the cross-attention of every step. */
  attention?: boolean;
}

/** Added to a logit: a word that cannot come. */
const impossible = -1e4;

export class Chain {
  /** For `denoise` or `sample`. */
  readonly options: SampleOptions;
  /** Within a step, once its prediction is made: the attention [L, S] of the first caption, if it was asked for. */
  attention: Tensor | null = null;
  private readonly held: Tensor<"f32" | "u32">[] = [];
  private readonly prepared: PreparedOnce;

  /** `condition`: codes [B, S], alive until the chain's end. */
  constructor(
    captioner: CaptionModel,
    condition: Tensor<"u32">,
    settings: ChainSettings,
    { words = null, from, attention = false }: ChainStart = {},
  ) {
    const { decoder, config, schedule, tokenizer } = captioner;
    const { length, codes: maskId } = decoder.shape;
    const batch = condition.shape[0]!;
    const { method, scale, maskRate, maskMode, hidden } = settings.guidance;
    const guidance: Guidance = {
      method,
      scale,
      maskId,
      maskRate,
      redraw: maskMode === "redrawn",
      ...(hidden ? { hidden } : {}),
    };
    const visits = schedule.visit(settings.steps);
    if (from) checkStart(from, config.decoder.timesteps, decoder);
    const table = captioner.table(from ? [from.t, ...visits.filter((t) => t < from.t)] : visits);
    this.prepared = new PreparedOnce(decoder);
    const fixed = words && this.fixedWords(decoder, words, batch);
    const banned = settings.allowUnknown ? [] : [tokenizer.unknownId];
    const penalty = this.penalty(decoder, banned, words?.gap);
    const start = from ? this.hold(repeated(decoder, from.tokens, batch, "x_t")) : null;
    const greedy = settings.temperature === 0;
    this.options = {
      table,
      predict: (xt, t, y) => {
        const readout = attention ? new AttentionReadout(decoder) : null;
        const logits = decoder.forward(xt, t, this.prepared.of(y!), readout ?? {});
        this.attention = readout?.mean() ?? null;
        return penalty ? add(logits, penalty) : logits;
      },
      batch,
      length,
      condition,
      guidance,
      seed: settings.seed,
      temperature: greedy ? 1e-3 : settings.temperature,
      topR: settings.topR,
      last: settings.last,
      fixed,
      start,
    };
  }

  private hold<T extends Tensor | Tensor<"u32">>(tensor: T): T {
    tensor.keep();
    this.held.push(tensor as Tensor<"f32" | "u32">);
    return tensor;
  }

  /** The words for each picture. */
  private fixedWords(decoder: Decoder, { at, words }: GivenWords, batch: number): FixedWords {
    return {
      at: this.hold(repeated(decoder, at, batch, "fixed positions")),
      words: this.hold(repeated(decoder, words, batch, "fixed words")),
    };
  }

  /** What is added to the logits [L, M] so that no caption says one of the `banned` tokens or ends in a gap; null if nothing. */
  private penalty(
    { gpu, shape: { length, vocabulary } }: Decoder,
    banned: readonly number[],
    gap: Uint32Array | undefined,
  ): Tensor | null {
    if (banned.length === 0 && !gap) return null;
    const penalty = new Float32Array(length * vocabulary);
    for (let i = 0; i < length; i++) {
      for (const token of banned) penalty[i * vocabulary + token] = impossible;
      // Token 0 ends a caption.
      if (gap?.[i]) penalty[i * vocabulary] = impossible;
    }
    return this.hold(fromArray(gpu, penalty, [length, vocabulary], "f32", "impossible words"));
  }

  dispose(): void {
    this.prepared.dispose();
    for (const tensor of this.held.splice(0)) tensor.dispose();
  }
}

/** A row of L numbers for each of a batch: u32 [B, L]. */
function repeated(decoder: Decoder, row: ArrayLike<number>, batch: number, label: string): Tensor<"u32"> {
  const data = Uint32Array.from({ length: batch * row.length }, (_, i) => row[i % row.length]!);
  return fromArray(decoder.gpu, data, [batch, row.length], "u32", label);
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

/** Prepares a condition once for as long as the sampler gives the same tensor. */
class PreparedOnce {
  private readonly decoder: Decoder;
  private source: Tensor<"u32"> | null = null;
  private prepared: PreparedCondition | null = null;

  constructor(decoder: Decoder) {
    this.decoder = decoder;
  }

  of(codes: Tensor<"u32">): PreparedCondition {
    if (this.source !== codes || !this.prepared) {
      this.dispose();
      this.source = codes;
      this.prepared = this.decoder.prepare(codes);
      for (const tensor of this.prepared.keyValues ?? []) tensor.keep();
    }
    return this.prepared;
  }

  dispose(): void {
    for (const tensor of this.prepared?.keyValues ?? []) tensor.dispose();
    this.prepared = null;
  }
}
