/** The pictures of an evaluation: which splits, which records of them, and their codes. */

import { imagesPerBatch } from "../captioner/batch.js";
import type { Captioner } from "../captioner/captioner.js";
import { type Dataset, readImages } from "../data/dataset.js";
import { type Collective, joinParts, ownPart, single } from "../platform/collective.js";

/** The splits scored by default: all but training and validation; validation if there is no other. */
export function testSplits(dataset: Pick<Dataset, "splits">): string[] {
  const heldOut = Object.keys(dataset.splits).filter((name) => name !== "train");
  const tests = heldOut.filter((name) => name !== "validation");
  return tests.length > 0 ? tests : heldOut;
}

/** At most `limit` of the records of a split, evenly spread over it; all if `limit` is 0. */
export function recordsOf(dataset: Dataset, split: string, limit: number): number[] {
  const all = dataset.splits[split] ?? [];
  if (limit === 0 || all.length <= limit) return [...all];
  return Array.from({ length: limit }, (_, i) => all[Math.floor((i * all.length) / limit)]!);
}

/**
 * The codes [n · S] of some pictures, with one batch in memory at a time. `onPictures` receives the bytes of each batch, which
 * starts at picture `first`. Of several processes each encodes every so manieth batch, of which alone its `onPictures` hears; all get
 * all codes.
 */
export async function encodeImages(
  captioner: Captioner,
  dataset: Dataset,
  images: readonly number[],
  options: {
    onProgress?: (done: number, total: number) => void;
    onPictures?: (bytes: Uint8Array, first: number) => void;
    collective?: Collective;
  } = {},
): Promise<Uint32Array> {
  const { collective = single } = options;
  const { rank, size } = collective;
  const codes = new Uint32Array(images.length * captioner.positions);
  await ownPart(collective, async () => {
    for (let first = rank * imagesPerBatch; first < images.length; first += size * imagesPerBatch) {
      const bytes = await readImages(dataset, images.slice(first, first + imagesPerBatch));
      options.onPictures?.(bytes, first);
      codes.set(await captioner.encodeAll(bytes), first * captioner.positions);
      const done = first + (size - rank) * imagesPerBatch;
      options.onProgress?.(Math.min(images.length, done), images.length);
    }
  });
  await joinParts(collective, codes);
  return codes;
}
