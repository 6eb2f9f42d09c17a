/**
 * The reverse process for many captions at once: several draws (seeds) of the same pictures, whose conditions are prepared once,
 * and at each step only the positions that the step can change. To the bit the captions of `generate`, which runs one draw of a
 * batch at a time (test/captioner/caption-settings.test.ts compares them).
 */

import { type ForeseenStep, foreseeSteps } from "../../diffusion/foreseen.js";
import { samplePrior } from "../../diffusion/forward.js";
import { drawsMasks, fullWeight, mixBranches } from "../../diffusion/guidance.js";
import { hiddenCondition, maskCondition } from "../../diffusion/masking.js";
import { placeWords, pSamplePlaces } from "../../diffusion/sample-places.js";
import { streams } from "../../diffusion/sampler.js";
import type { Float } from "../../engine/gpu/kernel.js";
import { contiguous } from "../../engine/ops/copy.js";
import { Rng } from "../../engine/ops/rng.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { empty, fromArray, type Tensor } from "../../engine/tensor/tensor.js";
import type { SamplingSettings } from "../sampling-settings.js";
import type { Draw, SharedPictures, SharedSamplingKind } from "../shared-sampling.js";
import type { Decoder } from "./decoder.js";
import { greedyTemperature, type Process } from "./generate.js";
import { McDiffusion } from "./mc-diffusion.js";
import { type BranchCondition, logitsAt, rowsOf } from "./partial-pass.js";

/** Bytes of one value of a batch: its logits, or the keys and values of one block; the batch is made small enough. */
const mostBytes = 128 * 2 ** 20;
/** More captions at once gained nothing on the adapters that were measured. */
const mostCaptions = 320;

export const mcDiffusionSharing: SharedSamplingKind = {
  name: "mc-diffusion",
  samplerOf(decoder) {
    if (!(decoder instanceof McDiffusion)) return null;
    return {
      // What a step may skip is known for ancestral sampling only.
      covers: ({ sampler }) => sampler === "ancestral",
      captionsAtOnce: (guidance) => captionsAtOnce(decoder, guidance),
      prepare: (codes) => new PreparedPictures(decoder, codes),
    };
  },
};

/** As `SharedSampler.captionsAtOnce`. */
function captionsAtOnce(
  { gpu, shape }: Decoder,
  guidance: Pick<SamplingSettings["guidance"], "method" | "hidden">,
): number {
  const { length, vocabulary, side, summaryTokens, dim } = shape;
  const logits = 2 * length * vocabulary;
  // Only mcs has a condition for each caption.
  const keyValues = drawsMasks(guidance) ? (side ** 2 + summaryTokens) * 2 * dim : 0;
  const bytes = Math.min(mostBytes, gpu.limits.maxStorageBufferBindingSize);
  return Math.max(1, Math.min(mostCaptions, Math.floor(bytes / (4 * Math.max(logits, keyValues)))));
}

class PreparedPictures implements SharedPictures {
  readonly #decoder: Decoder & Process;
  /** y [P, S] */
  readonly #codes: Tensor<"u32">;
  readonly #full: readonly Tensor<Float>[];
  /** Keys and values of a condition that is all [MASK]: one for all captions. */
  #empty: readonly Tensor<Float>[] | null = null;

  constructor(decoder: Decoder & Process, codes: Tensor<"u32">) {
    this.#decoder = decoder;
    this.#codes = codes;
    this.#full = keptKeyValues(decoder, codes);
  }

  draw(draws: readonly Draw[], settings: SamplingSettings, penalty: Tensor | null): Tensor<"u32"> {
    const decoder = this.#decoder;
    const { gpu, schedule, shape } = decoder;
    const { length, vocabulary: width } = shape;
    const { topR, last, guidance } = settings;
    const temperature = settings.temperature === 0 ? greedyTemperature : settings.temperature;
    const visits = schedule.visit(settings.steps);
    const table = decoder.table(visits);
    const weight = fullWeight(guidance);
    const foreseen = draws.map(({ seed, count }) => foreseeSteps(schedule, visits, seed, count * length));
    const pictures = draws.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
    const full: BranchCondition = { keyValues: this.#full, ownerOf: (caption) => pictures[caption]! };
    const rngs = draws.map(({ seed }) => new Rng(gpu, seed));
    const tokens = empty(gpu, [pictures.length, length], "u32", "captions").keep();
    let less: WeakBranch | null = null;
    try {
      gpu.scope(() => {
        const starts = draws.map(({ count }, i) => samplePrior(rngs[i]!, table, [count, length]));
        joinInto(tokens, starts);
      });
      less =
        weight === 1 ? null : this.#weakBranch(guidance, { draws, rngs, pictures, redraws: visits.length });
      for (let i = 0; i + 1 < visits.length; i++) {
        const { rows, places } = placesOf(draws, foreseen, i, length);
        if (places.length === 0) continue;
        gpu.scope(() =>
          noGrad(() => {
            const conditionsOf = (captions: readonly number[]) =>
              less ? [full, less.at(i, captions)] : [full];
            const at = { xt: tokens, t: visits[i]!, rows };
            const logits = rows.length === 0 ? null : logitsAt(decoder, at, conditionsOf, penalty);
            const scores = logits && less ? mixBranches(logits, weight) : logits;
            const where = fromArray(gpu, places, [places.length / 4, 4], "u32", "places");
            const step = { t: visits[i]!, stream: streams.steps + i, width };
            const greedy = visits[i + 1] === 0 && last === "argmax";
            pSamplePlaces(tokens, where, scores, table.thresholds, step, { temperature, topR, greedy });
          }),
        );
      }
      return tokens;
    } catch (error) {
      tokens.dispose();
      throw error;
    } finally {
      less?.dispose();
      for (const rng of rngs) rng.dispose();
    }
  }

  /** The condition of the branch that sees less, as `guidedCondition` makes it. */
  #weakBranch(guidance: SamplingSettings["guidance"], drawn: Drawn): WeakBranch {
    const decoder = this.#decoder;
    const { gpu, shape } = decoder;
    const { pictures } = drawn;
    const maskId = shape.codes;
    const kept = (keyValues: readonly Tensor<Float>[], ownerOf: BranchCondition["ownerOf"]): WeakBranch => ({
      at: () => ({ keyValues, ownerOf }),
      dispose: () => disposeAll(keyValues),
    });
    if (guidance.method === "cfg") {
      const hidden = () =>
        fromArray(
          gpu,
          new Uint32Array(shape.side ** 2).fill(maskId),
          [1, shape.side ** 2],
          "u32",
          "no condition",
        );
      this.#empty ??= gpu.scope(() => keptKeyValues(decoder, hidden()));
      const keyValues = this.#empty;
      return { at: () => ({ keyValues, ownerOf: () => 0 }), dispose() {} };
    }
    const { hidden, maskRate } = guidance;
    if (hidden) {
      const keyValues = gpu.scope(() => {
        const count = this.#codes.shape[0]!;
        return keptKeyValues(
          decoder,
          contiguous(hiddenCondition(this.#codes, hidden, maskId).slice(0, count, count)),
        );
      });
      return kept(keyValues, (caption) => pictures[caption]!);
    }
    /** y of every caption [C, S] with positions masked by random stream `position`. */
    const masked = (position: number) => {
      const parts = drawn.draws.map(({ first, count }, i) => {
        const rng = drawn.rngs[i]!;
        rng.setPosition(position);
        const own = contiguous(this.#codes.slice(0, first, count));
        return maskCondition(rng, own, { conditionRate: 1, maskRate, maskId });
      });
      return joinInto(empty(gpu, [pictures.length, shape.side ** 2], "u32", "masked condition"), parts);
    };
    if (guidance.maskMode === "fixed")
      return kept(
        gpu.scope(() => keptKeyValues(decoder, masked(streams.mask))),
        (caption) => caption,
      );
    return {
      at: (step, captions) => {
        const codes = rowsOf(masked(streams.steps + drawn.redraws + step), captions);
        const place = new Map(captions.map((caption, i) => [caption, i]));
        return { keyValues: decoder.prepare(codes).keyValues!, ownerOf: (caption) => place.get(caption)! };
      },
      dispose() {},
    };
  }

  dispose(): void {
    disposeAll(this.#full);
    disposeAll(this.#empty ?? []);
  }
}

interface WeakBranch {
  /** The condition at a step for the captions that it concerns. */
  at(step: number, captions: readonly number[]): BranchCondition;
  dispose(): void;
}

interface Drawn {
  readonly draws: readonly Draw[];
  readonly rngs: readonly Rng[];
  /** The picture of each caption. */
  readonly pictures: readonly number[];
  /** Streams between the steps' own and those of redrawn masks. */
  readonly redraws: number;
}

function disposeAll(tensors: readonly Tensor<Float>[]): void {
  for (const tensor of tensors) tensor.dispose();
}

/** Keys and values of the blocks for codes [P, S], on the GPU until they are disposed of. */
function keptKeyValues(decoder: Decoder, codes: Tensor<"u32">): readonly Tensor<Float>[] {
  return noGrad(() => decoder.prepare(codes).keyValues!.map((tensor) => tensor.keep()));
}

/** Copies dense tensors one after the other into `target`, and returns it. */
function joinInto(target: Tensor<"u32">, parts: readonly Tensor<"u32">[]): Tensor<"u32"> {
  let at = 0;
  for (const part of parts) {
    target.gpu.copyBuffer(part.storage, 4 * part.offset, target.storage, 4 * at, 4 * part.size);
    at += part.size;
  }
  return target;
}

/** Positions (caption · L + place) of all draws that step i needs scores for, and the places of all that it changes, these first. */
function placesOf(
  draws: readonly Draw[],
  foreseen: readonly (readonly ForeseenStep[])[],
  i: number,
  length: number,
): { rows: number[]; places: number[] } {
  const rows: number[] = [];
  const places: number[] = [];
  for (const kind of ["scored", "redrawn"] as const) {
    let start = 0;
    for (const [draw, { seed, count }] of draws.entries()) {
      for (const row of foreseen[draw]![i]![kind]) {
        if (kind === "scored") rows.push(start + row);
        places.push(...placeWords(start + row, row, seed));
      }
      start += count * length;
    }
  }
  return { rows, places };
}
