/**
 * Captions of the same pictures with several settings and seeds, as scores and sweeps need them. Text for text those of
 * `captionCodes` with each setting and seed; the settings and seeds share what they can.
 */

import { fromArray, type Tensor } from "../engine/tensor/tensor.js";
import { consensus } from "../metrics/consensus.js";
import type { CaptionDecoder } from "../models/caption-decoder.js";
import { impossible } from "../models/impossible-words.js";
import {
  type SamplingOptions,
  type SamplingSettings,
  samplingSettingsOf,
} from "../models/sampling-settings.js";
import type { Draw, SharedPictures, SharedSampler } from "../models/shared-sampling.js";
import { sharedSamplings } from "../models/shared-samplings.js";
import { checkFinished } from "../text/unfinished-caption.js";
import { imagesPerBatch } from "./batch.js";
import type { Captioner } from "./captioner.js";
import { bannedTokens } from "./options.js";

/** What to caption, beside the pictures. */
export interface SettingsToCaption {
  /** Without seeds: these are `seeds`. */
  readonly settings: readonly Omit<SamplingOptions, "seed">[];
  readonly seeds: readonly number[];
  /** Called with the number of captions done so far, of pictures × settings × seeds. */
  readonly onBatch?: ((done: number) => void) | undefined;
}

/** Captions of pictures given as their codes [n · S]: `[setting][seed][picture]`. */
export async function captionSettings(
  captioner: Captioner,
  codes: Uint32Array,
  { settings, seeds, onBatch }: SettingsToCaption,
): Promise<string[][][]> {
  const said: string[][][] = settings.map(() => seeds.map(() => []));
  let done = 0;
  const tell = (captions: number) => {
    done += captions;
    onBatch?.(done);
  };
  const sharing: Setting[] = [];
  const sampler = sharedSamplerOf(captioner.decoder);
  for (const [i, options] of settings.entries()) {
    const own = sampler && samplingSettingsOf(captioner.config, options);
    if (own && sampler.covers(own)) sharing.push({ settings: own, said: said[i]! });
    else {
      for (const [j, seed] of seeds.entries()) {
        let before = 0;
        const onOwnBatch = (count: number) => {
          tell(count - before);
          before = count;
        };
        const captions = await captioner.captionCodes(codes, { ...options, seed, onBatch: onOwnBatch });
        said[i]![j] = captions.map(({ text }) => text);
      }
    }
  }
  if (sampler && sharing.length > 0)
    await captionSharing(captioner, sampler, codes, { settings: sharing, seeds, tell });
  return said;
}

function sharedSamplerOf(decoder: CaptionDecoder): SharedSampler | null {
  for (const kind of sharedSamplings.all) {
    const sampler = kind.samplerOf(decoder);
    if (sampler) return sampler;
  }
  return null;
}

interface Setting {
  readonly settings: SamplingSettings;
  /** `[seed][picture]`, filled in the order of the pictures. */
  readonly said: string[][];
}

/** The draws of a batch with what they are for. */
interface Job extends Draw {
  readonly seedIndex: number;
  readonly candidate: number;
}

async function captionSharing(
  captioner: Captioner,
  sampler: SharedSampler,
  codes: Uint32Array,
  {
    settings,
    seeds,
    tell,
  }: { settings: readonly Setting[]; seeds: readonly number[]; tell: (captions: number) => void },
): Promise<void> {
  const { gpu, positions } = captioner;
  const pictures = codes.length / positions;
  const fewest = Math.min(...settings.map(({ settings }) => settings.candidates)) * seeds.length;
  const groups = Math.floor(sampler.captionsAtOnce({ method: "mcs" }) / (imagesPerBatch * fewest));
  const each = imagesPerBatch * Math.max(1, groups);
  for (let first = 0; first < pictures; first += each) {
    const count = Math.min(each, pictures - first);
    const part = codes.subarray(first * positions, (first + count) * positions);
    const ids = fromArray(gpu, part, [count, positions], "u32", "codes").keep();
    const prepared = sampler.prepare(ids);
    try {
      for (const setting of settings)
        await captionPictures(captioner, sampler, prepared, setting, { seeds, first, count, tell });
    } finally {
      prepared.dispose();
      ids.dispose();
    }
  }
}

/** Captions `count` pictures, of which the first has the number `first` among all, with one setting and every seed. */
async function captionPictures(
  captioner: Captioner,
  sampler: SharedSampler,
  prepared: SharedPictures,
  { settings, said }: Setting,
  {
    seeds,
    first,
    count,
    tell,
  }: { seeds: readonly number[]; first: number; count: number; tell: (captions: number) => void },
): Promise<void> {
  const { tokenizer } = captioner;
  const { length, vocabulary } = captioner.decoder.shape;
  const { candidates } = settings;
  const drawn = seeds.map(() => Array.from({ length: candidates }, () => new Array<string>(count)));
  const jobs: Job[] = [];
  for (const [seedIndex, seed] of seeds.entries()) {
    for (let candidate = 0; candidate < candidates; candidate++) {
      for (let start = 0; start < count; start += imagesPerBatch) {
        // The numbers of `captionCodes`: they depend on the picture's place among all, not on the batch.
        const own = seed + (first + start + candidate) * 0x1_0000_0000;
        jobs.push({
          seedIndex,
          candidate,
          seed: own,
          first: start,
          count: Math.min(imagesPerBatch, count - start),
        });
      }
    }
  }
  const penalty = penaltyFor(captioner, settings);
  const texts = async (batch: readonly Job[], tokens: Tensor<"u32">) => {
    const ids = await tokens.read().finally(() => tokens.dispose());
    let row = 0;
    for (const { seedIndex, candidate, first: start, count: own } of batch) {
      checkFinished(ids.subarray(row * length, (row + own) * length), length, vocabulary, first + start);
      for (let i = 0; i < own; i++, row++) {
        drawn[seedIndex]![candidate]![start + i] = tokenizer.decode(
          Array.from(ids.subarray(row * length, (row + 1) * length)),
        );
      }
      if (candidate === 0) tell(own);
    }
  };
  try {
    for (const batch of inBatches(jobs, sampler.captionsAtOnce(settings.guidance)))
      await texts(batch, prepared.draw(batch, settings, penalty));
  } finally {
    penalty?.dispose();
  }
  for (const [i, ofSeed] of drawn.entries()) {
    for (let picture = 0; picture < count; picture++) {
      const all = ofSeed.map((captions) => captions[picture]!);
      said[i]!.push(candidates === 1 ? all[0]! : all[consensus(all)]!);
    }
  }
}

/** Penalties [M] of tokens that captions must not contain; null: none. Kept until it is disposed of. */
function penaltyFor(captioner: Captioner, { allowUnknown }: SamplingSettings): Tensor | null {
  const banned = bannedTokens(captioner, allowUnknown);
  if (banned.length === 0) return null;
  const values = new Float32Array(captioner.decoder.shape.vocabulary);
  for (const token of banned) values[token] = impossible;
  return fromArray(captioner.gpu, values, [values.length], "f32", "impossible words").keep();
}

/** As few batches as possible of at most `most` captions, where single jobs allow it, and of nearly equal numbers of jobs. */
function inBatches(jobs: readonly Job[], most: number): Job[][] {
  const captions = jobs.reduce((sum, { count }) => sum + count, 0);
  const each = Math.max(1, Math.floor(jobs.length / Math.ceil(captions / most)));
  return Array.from({ length: Math.ceil(jobs.length / each) }, (_, i) =>
    jobs.slice(i * each, (i + 1) * each),
  );
}
