/**
 * Generates captions word by word: the likeliest (beam 1), by beam search, or drawn with temperature and truncation. The network
 * runs once a word, on the memory of the words before; nothing is read back until the caller does.
 */

import { transitionTable } from "../../diffusion/coefficients.js";
import { fullWeight, type Guidance, guidedCondition, mixBranches } from "../../diffusion/guidance.js";
import { pSample } from "../../diffusion/sample-step.js";
import { Schedule } from "../../diffusion/schedule.js";
import { copyInto } from "../../engine/ops/copy.js";
import { add } from "../../engine/ops/elementwise.js";
import { embedding } from "../../engine/ops/embedding.js";
import { Rng } from "../../engine/ops/rng.js";
import { logSoftmax } from "../../engine/ops/softmax.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { fromArray, type Tensor, zeros } from "../../engine/tensor/tensor.js";
import { UserError } from "../../platform/errors.js";
import type { GeneratedStep, GenerateOptions } from "../caption-decoder.js";
import { impossible, impossibleWords } from "../impossible-words.js";
import type { SamplingSettings } from "../sampling-settings.js";
import {
  type BeamShape,
  type BeamState,
  bestCaptions,
  bestContinuations,
  chooseContinuations,
  startBeams,
} from "./beam.js";
import type { AutoregressiveNetwork } from "./network.js";

/** The random streams: the masked positions of mcs, then one for each word, as in the sampler of the diffusion. */
const streams = { mask: 1, words: 2 } as const;

/** See `CaptionDecoder.generate`. Step t has t words to go: it yields L, L−1 … 1, with M where no word is yet. */
export function* generate(
  decoder: AutoregressiveNetwork,
  codes: Tensor<"u32">,
  settings: SamplingSettings,
  options: GenerateOptions,
): Generator<GeneratedStep, void> {
  if (settings.sampler !== "ancestral") {
    throw new UserError(
      `The sampler "${settings.sampler}" takes the steps of a diffusion; a decoder that writes word by word is steered by beam, temperature and topR.`,
    );
  }
  const { gpu, shape } = decoder;
  const { length, vocabulary } = shape;
  const { search } = decoder.options;
  const beam = settings.beam ?? search.beam;
  const guidance = guidanceOf(settings, shape.codes);
  const weight = guidance ? fullWeight(guidance) : 1;
  const guided = guidance && weight !== 1 ? guidance : null;
  const beams: BeamShape = {
    ...{ pictures: codes.shape[0]!, beams: Math.max(1, beam), vocabulary, length, endId: options.endId },
    ...{ branches: guided ? 2 : 1, lengthPower: search.lengthPower },
  };
  const rows = beams.pictures * beams.beams;
  const { watch, from } = options;
  const held = new Held();
  const random = new Rng(gpu, settings.seed);
  const draw = beam > 0 ? null : new WordSampler(decoder, settings, random);
  try {
    const penalty = held.add(penaltyOf(decoder, options));
    let state = held.all(startBeams(gpu, beams));
    let memory: Tensor[] = [];
    let scores: Tensor | null = watch ? held.add(zeros(gpu, [rows, length * vocabulary])) : null;
    const prepared = held.list(
      gpu.scope(() =>
        noGrad(() => {
          random.setPosition(streams.mask);
          return decoder.prepare(guided ? guidedCondition(random, codes, guided) : codes);
        }),
      ),
    );
    memory = held.list(gpu.scope(() => noGrad(() => decoder.start(prepared, beams.branches * rows))));
    for (let place = 0; place < length; place++) {
      const before: Words = { state, memory, scores };
      const after = gpu.scope(() =>
        noGrad((): Words & { captions: Tensor<"u32"> } => {
          const own = place === 0 || beams.beams === 1 ? memory : follow(memory, state.parents);
          const next = decoder.step(own, state.inputs, place, prepared);
          const mixed = guided ? mixBranches(next.logits, weight) : next.logits;
          const logProbs = logSoftmax(mixed);
          const allowed = add(logProbs, penalty.slice(0, place, 1).reshape([vocabulary]));
          random.setPosition(streams.words + place);
          const picks = draw ? draw.words(allowed) : bestContinuations(beams, place, allowed, state);
          const chosen = chooseContinuations(beams, place, logProbs, state, picks);
          const captions = bestCaptions(beams, chosen);
          if (scores) scores = showScores(beams, place, scores, logProbs, chosen, captions, watch!);
          return { state: chosen, memory: next.memory, scores, captions };
        }),
      );
      held.replace(before, after);
      ({ state, memory, scores } = after);
      const { captions } = after;
      captions.keep();
      try {
        const t = length - place;
        // The words given by `from` are not steps of this run.
        if (!from || t <= from.t) yield { t, u: t - 1, tokens: captions };
      } finally {
        captions.dispose();
      }
    }
  } finally {
    held.dispose();
    draw?.dispose();
    random.dispose();
  }
}

/** What changes from word to word. */
interface Words {
  state: BeamState;
  memory: Tensor[];
  /** [P·W, L·M], if watched. */
  scores: Tensor | null;
}

/** Tensors that outlive the scope of a step. */
class Held {
  private readonly tensors = new Set<{ keep(): unknown; dispose(): void }>();

  add<T extends { keep(): unknown; dispose(): void }>(tensor: T): T {
    tensor.keep();
    this.tensors.add(tensor);
    return tensor;
  }

  list(tensors: Tensor[]): Tensor[] {
    for (const tensor of tensors) this.add(tensor);
    return tensors;
  }

  all(state: BeamState): BeamState {
    for (const tensor of Object.values(state)) this.add(tensor);
    return state;
  }

  /** Keeps what comes after a step and frees what it no longer holds. */
  replace(before: Words, after: Words): void {
    const listed = ({ state, memory, scores }: Words) => [
      ...Object.values(state),
      ...memory,
      ...(scores ? [scores] : []),
    ];
    const kept = new Set<object>(listed(after));
    for (const tensor of listed(after)) this.add(tensor);
    for (const tensor of listed(before)) {
      if (kept.has(tensor)) continue;
      this.tensors.delete(tensor);
      tensor.dispose();
    }
  }

  dispose(): void {
    for (const tensor of this.tensors) tensor.dispose();
    this.tensors.clear();
  }
}

/** Rows of each tensor by index: those that the beams go on from. */
function follow(tensors: readonly Tensor[], parents: Tensor<"u32">): Tensor[] {
  return tensors.map((tensor) => {
    const rows = tensor.shape[0]!;
    return embedding(tensor.reshape([rows, tensor.size / rows]), parents).reshape(tensor.shape);
  });
}

/** Adds the scores of a word to those of the words before, shows the best caption's to the caller, and returns all. */
function showScores(
  { pictures, beams, length, vocabulary }: BeamShape,
  place: number,
  scores: Tensor,
  logProbs: Tensor,
  { parents }: BeamState,
  captions: Tensor<"u32">,
  watch: NonNullable<GenerateOptions["watch"]>,
): Tensor {
  const rows = pictures * beams;
  const together = scores.reshape([rows, length, vocabulary]);
  copyInto(together.slice(1, place, 1), logProbs.reshape([rows, 1, vocabulary]));
  const own = beams === 1 ? scores : embedding(scores, parents.slice(0, 0, rows));
  const best = own.reshape([pictures, beams, length, vocabulary]).slice(1, 0, 1);
  watch(best.dense().reshape([pictures, length, vocabulary]), captions, null);
  return own;
}

/** Draws the next word of each caption. */
class WordSampler {
  private readonly random: Rng;
  private readonly options: { temperature: number; topR: number; greedy: boolean };
  /** A process whose step to 0 keeps x_0 as drawn: sampling a word is then the last step of the diffusion's sampler. */
  private readonly table: ReturnType<typeof transitionTable>;

  constructor(decoder: AutoregressiveNetwork, { temperature, topR }: SamplingSettings, random: Rng) {
    this.random = random;
    this.options = { temperature: temperature || 1, topR, greedy: temperature === 0 };
    const { gpu, shape } = decoder;
    const schedule = new Schedule({ tokens: shape.vocabulary, steps: 2, ends: "absorbing" });
    this.table = transitionTable(gpu, schedule, [2, 0]);
  }

  /** One word for each row of log p [P, M]: u32 [P]. */
  words(logProbs: Tensor): Tensor<"u32"> {
    const [rows] = logProbs.shape as [number];
    const { gpu } = logProbs;
    const masked = fromArray(gpu, new Uint32Array(rows).fill(logProbs.shape[1]!), [rows], "u32", "mask");
    return pSample(this.random, logProbs, masked, this.table.thresholds, 2, this.options);
  }

  dispose(): void {
    this.table.dispose();
  }
}

function guidanceOf({ guidance }: SamplingSettings, maskId: number): Guidance | null {
  const { maskMode, ...rest } = guidance;
  if (rest.method === "none") return null;
  if (maskMode === "redrawn") {
    throw new UserError(
      "An autoregressive decoder keeps what it saw of the picture with each word, so its mask cannot be redrawn between words; choose maskMode fixed.",
    );
  }
  return { ...rest, maskId };
}

/** Penalties [L, M] for the words that a place may not have: `impossibleWords`, and all but the given one where a word is given. */
function penaltyOf(
  { gpu, shape: { length, vocabulary } }: AutoregressiveNetwork,
  options: GenerateOptions,
): Tensor {
  const { words, from } = options;
  const penalty = impossibleWords({ length, vocabulary }, options) ?? new Float32Array(length * vocabulary);
  const given = Array.from({ length }, (_, i) => (words?.at[i] ? words.words[i]! : null));
  if (from) for (const [i, id] of prefixOf(from, length, vocabulary).entries()) given[i] ??= id;
  for (const [i, id] of given.entries()) {
    if (id === null) continue;
    penalty.fill(impossible, i * vocabulary, (i + 1) * vocabulary);
    penalty[i * vocabulary + id] = 0;
  }
  return fromArray(gpu, penalty, [length, vocabulary], "f32", "impossible words");
}

/** The words before step t, which has t words to go. */
function prefixOf(
  { t, tokens }: NonNullable<GenerateOptions["from"]>,
  length: number,
  vocabulary: number,
): number[] {
  if (!Number.isInteger(t) || t < 1 || t > length) {
    throw new UserError(`The step to go on from is ${t}; it must be a whole number from 1 to ${length}.`);
  }
  const prefix = Array.from(tokens).slice(0, length - t);
  if (tokens.length !== length || !prefix.every((id) => Number.isInteger(id) && id >= 0 && id < vocabulary)) {
    throw new UserError(
      `The tokens to go on from must be ${length} ids, the first ${length - t} of them from 0 to ${vocabulary - 1}.`,
    );
  }
  return prefix;
}
