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
import { type Collective, gatherJson, ownPart, shareOf, single } from "../platform/collective.js";
import { checkFinished } from "../text/unfinished-caption.js";
import { captionedAtOnce, imagesPerBatch, seedsApart } from "./batch.js";
import type { Captioner } from "./captioner.js";
import { bannedTokens } from "./options.js";

/** What to caption, beside the pictures. */
export interface SettingsToCaption {
  /** Without seeds: these are `seeds`. */
  readonly settings: readonly Omit<SamplingOptions, "seed">[];
  readonly seeds: readonly number[];
  /** Called with the number of captions done so far, of pictures × settings × seeds. */
  readonly onBatch?: ((done: number) => void) | undefined;
  /**
   * Processes that caption together: each a share of the batches and seeds, and all get all captions, text for text those of one
   * process. Progress takes the share of this one for all. Default: this one alone.
   */
  readonly collective?: Collective | undefined;
}

/** Captions of pictures given as their codes [n · S]: `[setting][seed][picture]`. */
export async function captionSettings(
  captioner: Captioner,
  codes: Uint32Array,
  { settings, seeds, onBatch, collective = single }: SettingsToCaption,
): Promise<string[][][]> {
  const { positions } = captioner;
  const pictures = codes.length / positions;
  const said = settings.map(() => seeds.map(() => new Array<string>(pictures)));
  const total = settings.length * seeds.length * pictures;
  let done = 0;
  const tell = (captions: number) => {
    done += captions;
    onBatch?.(Math.min(total, done * collective.size));
  };
  await ownPart(collective, async () => {
    const sharing: Setting[] = [];
    const sampler = sharedSamplerOf(captioner.decoder);
    for (const [i, options] of settings.entries()) {
      const own = sampler && samplingSettingsOf(captioner.config, options);
      if (own && sampler.covers(own)) sharing.push({ settings: own, said: said[i]! });
      else await captionOneByOne(captioner, codes, { options, seeds, said: said[i]!, tell, collective });
    }
    const shares = sharing.length > 0 ? sharesOf(pictures, imagesPerBatch, seeds.length, collective) : [];
    for (const { first, count, from, to } of shares) {
      const own = sharing.map(({ settings, said }) => ({ settings, said: said.slice(from, to) }));
      const part = { first, count, seeds: seeds.slice(from, to) };
      await captionSharing(captioner, sampler!, codes, { settings: own, part, tell });
    }
    if (collective.size > 1) onBatch?.(total);
  });
  if (collective.size === 1) return said;
  const all = await gatherJson<readonly (string | null)[][][]>(collective, said);
  return said.map((ofSetting, i) =>
    ofSetting.map((_, j) =>
      Array.from({ length: pictures }, (_, k) => all.map((of) => of[i]![j]![k] ?? null).find(isText)!),
    ),
  );
}

const isText = (text: string | null): text is string => text !== null;

/** Consecutive pictures, and the seeds from number `from` to below `to`. */
interface Share {
  readonly first: number;
  readonly count: number;
  readonly from: number;
  readonly to: number;
}

/**
 * What a rank captions of `pictures` with `seeds` seeds: whole batches of `each`, because random numbers depend on a picture's place
 * in its batch; few batches are divided by seeds. A rank alone has all in one share.
 */
function sharesOf(pictures: number, each: number, seeds: number, collective: Collective): Share[] {
  const shares: Share[] = [];
  const { from, to } = shareOf(Math.ceil(pictures / each) * seeds, collective);
  for (let unit = from; unit < to; ) {
    const [batch, seed] = [Math.floor(unit / seeds), unit % seeds];
    const whole = seed === 0 ? Math.floor((to - unit) / seeds) : 0;
    const own = whole > 0 ? seeds : Math.min(seeds - seed, to - unit);
    const first = batch * each;
    const count = Math.min(Math.max(1, whole) * each, pictures - first);
    shares.push({ first, count, from: seed, to: seed + own });
    unit += Math.max(1, whole) * own;
  }
  return shares;
}

/** Captions with a setting that shares nothing, a seed after the other. */
async function captionOneByOne(
  captioner: Captioner,
  codes: Uint32Array,
  {
    options,
    seeds,
    said,
    tell,
    collective,
  }: Pick<SettingsToCaption, "seeds"> & {
    options: Omit<SamplingOptions, "seed">;
    said: string[][];
    tell: (captions: number) => void;
    collective: Collective;
  },
): Promise<void> {
  const { positions } = captioner;
  const pictures = codes.length / positions;
  const shares = sharesOf(pictures, captionedAtOnce(captioner), seeds.length, collective);
  for (const { first, count, from, to } of shares) {
    const part = codes.subarray(first * positions, (first + count) * positions);
    for (let j = from; j < to; j++) {
      let before = 0;
      const onBatch = (captions: number) => {
        tell(captions - before);
        before = captions;
      };
      // The seed that `captionCodes` gives to the batch of picture `first`.
      const seed = seeds[j]! + first * seedsApart;
      const captions = await captioner.captionCodes(part, { ...options, seed, onBatch });
      for (const [k, { text }] of captions.entries()) said[j]![first + k] = text;
    }
  }
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
  /** `[seed][picture]`, of all pictures. */
  readonly said: readonly string[][];
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
    part,
    tell,
  }: {
    settings: readonly Setting[];
    part: { readonly first: number; readonly count: number; readonly seeds: readonly number[] };
    tell: (captions: number) => void;
  },
): Promise<void> {
  const { gpu, positions } = captioner;
  const { seeds } = part;
  const end = part.first + part.count;
  const fewest = Math.min(...settings.map(({ settings }) => settings.candidates)) * seeds.length;
  const groups = Math.floor(sampler.captionsAtOnce({ method: "mcs" }) / (imagesPerBatch * fewest));
  const each = imagesPerBatch * Math.max(1, groups);
  for (let first = part.first; first < end; first += each) {
    const count = Math.min(each, end - first);
    const own = codes.subarray(first * positions, (first + count) * positions);
    const ids = fromArray(gpu, own, [count, positions], "u32", "codes").keep();
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
        const own = seed + (first + start + candidate) * seedsApart;
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
      said[i]![first + picture] = candidates === 1 ? all[0]! : all[consensus(all)]!;
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
