/** The variational bound of a model on the captions of held-out pictures; see src/models/mc-diffusion/bound.ts. */

import { captionedAtOnce } from "../captioner/batch.js";
import type { Captioner } from "../captioner/captioner.js";
import { type Dataset, imagesOf } from "../data/dataset.js";
import { type Collective, joinParts, ownPart, shareOf, single } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import { encodeImages, recordsOf } from "./pictures.js";

/** Steps t per caption for which the commands and the training monitor evaluate the network: a tenth of the paper's T = 100. */
export const boundSteps = 10;

export interface HeldOutBound {
  /** Nats per caption: the mean over pictures of the mean over all references of a picture. */
  nats: number;
  /**
   * Standard error of `nats` over pictures; the captions of a picture are not independent. It includes the sampling noise of t
   * and x_t. NaN of one picture.
   */
  standardError: number;
  /** All nats over all words, counting one [END] per caption. The [END]s that pad a caption are predicted, but not counted. */
  bitsPerToken: number;
  /** The part of `nats` that no model can change: the prior term. */
  prior: number;
  pictures: number;
  captions: number;
  /** Number of steps t at which the network was evaluated for each caption. */
  steps: number;
}

export interface HeldOutBoundOptions {
  /** Steps t per caption, one from each of as many ranges; default: all T. */
  steps?: number | undefined;
  seed?: number | undefined;
  onBatch?: ((captions: number) => void) | undefined;
  /** Processes that share the captions, in whole batches; all get the bound, to the bit that of one. Default: this one alone. */
  collective?: Collective | undefined;
}

export interface SplitBoundOptions extends Omit<HeldOutBoundOptions, "onBatch"> {
  limit?: number;
  /** Called with the number of captions so far and in total. */
  onProgress?: (done: number, total: number) => void;
}

/**
 * The bound of every reference of the pictures of `records`, whose codes [S] follow one another in `codes`. The condition is
 * complete, without guidance. Captions longer than the model's length are cut, as in training.
 */
export async function heldOutBound(
  captioner: Captioner,
  dataset: Dataset,
  records: readonly number[],
  codes: Uint32Array,
  { steps, seed = 0, onBatch, collective = single }: HeldOutBoundOptions = {},
): Promise<HeldOutBound> {
  const { decoder, tokenizer, positions } = captioner;
  const { length } = decoder.shape;
  const { likelihood } = decoder;
  if (!likelihood)
    throw new UserError(`A ${captioner.config.model} decoder has no bound on the likelihood of captions.`);
  const captions = records.flatMap((record, picture) =>
    dataset.records[record]!.captions.map((text) => {
      const ids = tokenizer.encodeFixed(text, length);
      const y = codes.subarray(picture * positions, (picture + 1) * positions);
      return { picture, ids, y, tokens: ids.indexOf(tokenizer.endId) + 1 };
    }),
  );
  const asked = Math.min(steps ?? likelihood.steps, likelihood.steps);
  const nats = await natsOf(
    captioner,
    captions.map(({ ids }) => ids),
    captions.map(({ y }) => y),
    { steps: asked, seed, onBatch, collective },
  );
  const ofPicture = records.map(() => ({ sum: 0, count: 0 }));
  captions.forEach(({ picture }, i) => {
    ofPicture[picture]!.sum += nats[i]!;
    ofPicture[picture]!.count++;
  });
  const means = ofPicture.map(({ sum, count }) => sum / count);
  const mean = total(means) / means.length;
  const variance = total(means.map((value) => (value - mean) ** 2)) / (means.length - 1);
  return {
    nats: mean,
    standardError: Math.sqrt(variance / means.length),
    bitsPerToken: total(nats) / total(captions.map(({ tokens }) => tokens)) / Math.LN2,
    prior: likelihood.prior,
    pictures: records.length,
    captions: captions.length,
    steps: asked,
  };
}

/** The bounds of captions [L] given their codes [S], of which each process computes those of some batches. */
async function natsOf(
  captioner: Captioner,
  ids: readonly Uint32Array[],
  codes: readonly Uint32Array[],
  {
    onBatch,
    collective,
    ...options
  }: { steps: number; seed: number; onBatch: HeldOutBoundOptions["onBatch"]; collective: Collective },
): Promise<Float64Array> {
  const each = captionedAtOnce(captioner);
  const { from, to } = shareOf(Math.ceil(ids.length / each), collective);
  const nats = new Float64Array(ids.length);
  const part = <T>(all: readonly T[]) => all.slice(from * each, to * each);
  await ownPart(collective, async () => {
    const own = await captioner.decoder.likelihood!.bound(part(ids), part(codes), {
      ...options,
      first: from * each,
      onBatch: (done) => onBatch?.(Math.min(ids.length, done * collective.size)),
    });
    nats.set(own, from * each);
    if (collective.size > 1) onBatch?.(ids.length);
  });
  await joinParts(collective, nats);
  return nats;
}

function total(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}

export interface SplitBound extends HeldOutBound {
  split: string;
}

/** The bound of each of the `splits` that has pictures, from at most `limit` of them, evenly spread; 0 = all. */
export async function splitBounds(
  captioner: Captioner,
  dataset: Dataset,
  splits: readonly string[],
  { limit = 0, onProgress, collective = single, ...options }: SplitBoundOptions = {},
): Promise<SplitBound[]> {
  const chosen = splits
    .map((split) => ({ split, records: recordsOf(dataset, split, limit) }))
    .filter(({ records }) => records.length > 0);
  const captionsOf = (records: readonly number[]) =>
    records.reduce((sum, record) => sum + dataset.records[record]!.captions.length, 0);
  const all = chosen.reduce((sum, { records }) => sum + captionsOf(records), 0);
  const bounds: SplitBound[] = [];
  let done = 0;
  for (const { split, records } of chosen) {
    const before = done;
    const codes = await encodeImages(captioner, dataset, imagesOf(dataset, records), {
      onProgress: () => onProgress?.(before, all),
      collective,
    });
    const onBatch = (captions: number) => onProgress?.(before + captions, all);
    bounds.push({
      split,
      ...(await heldOutBound(captioner, dataset, records, codes, { ...options, onBatch, collective })),
    });
    done += captionsOf(records);
  }
  return bounds;
}

/** The bounds of splits as a Markdown table. */
export function boundTable(bounds: readonly SplitBound[]): string {
  return [
    "| split | captions | bound, nats a caption | bits a token |",
    "| --- | --- | --- | --- |",
    ...bounds.map(({ split, captions, nats, standardError, bitsPerToken }) => {
      const error = Number.isNaN(standardError) ? "" : ` ± ${standardError.toFixed(2)}`;
      return `| ${split} | ${captions} | ${nats.toFixed(2)}${error} | ${bitsPerToken.toFixed(2)} |`;
    }),
  ].join("\n");
}
