/** The held-out pictures that a run measures and shows during training. */

import type { Config } from "../config/config.js";
import { type Dataset, imagesOf, readImages, recordsInSplits } from "../data/dataset.js";
import { recordsOf, testSplits } from "../evaluation/pictures.js";
import { UserError } from "../platform/errors.js";
import type { RgbImage } from "../platform/platform.js";
import { type CaptionedImage, reconstructionSheet } from "../report/sheet.js";
import type { StageContext } from "./trainer.js";

/** Number of held-out pictures that are measured and shown during training. */
const heldOutCount = 96;
/** Pictures per sheet of samples. */
export const shown = 24;

/**
 * Records to measure and show during training. They come from the split `validation` alone, because anything chosen by these
 * measures has seen them. Throws a `UserError` if there are none, or no training pictures.
 */
export function heldOutRecords(dataset: Dataset): number[] {
  const records = measured(dataset);
  if (records.length === 0)
    throw new UserError(`data set ${dataset.name} has no pictures in split "validation" to measure on`);
  if (!dataset.splits.train?.length) throw new UserError(`data set ${dataset.name} has no training pictures`);
  return records;
}

function measured(dataset: Dataset): number[] {
  return recordsOf(dataset, "validation", heldOutCount);
}

/**
 * The records whose pictures a run uses, including the final scores. Without `data.subset` these are all, so that an unreadable
 * picture is found at the start, wherever it is.
 */
export function usedRecords(dataset: Dataset, { data, log }: Config): number[] {
  if (data.subset === 0) return recordsInSplits(dataset);
  const scored = testSplits(dataset).flatMap((split) => recordsOf(dataset, split, log.scored));
  return [...new Set([...(dataset.splits.train ?? []), ...measured(dataset), ...scored])];
}

export function rgb(size: number, data: Uint8Array): RgbImage {
  return { width: size, height: size, data };
}

/** Bytes [n, size, size, 3] of at most `count` held-out pictures. */
export function heldOutImages(
  { dataset, heldOut }: StageContext,
  count = heldOut.length,
): Promise<Uint8Array> {
  return readImages(dataset, imagesOf(dataset, heldOut.slice(0, count)));
}

/** Held-out pictures above their reconstructions. */
export async function reconstructions(context: StageContext): Promise<RgbImage> {
  const { captioner, dataset } = context;
  const { size } = dataset;
  const bytes = size * size * 3;
  const originals = await heldOutImages(context, shown);
  const decoded = await captioner.reconstructAll(await captioner.encodeAll(originals));
  const split = (all: Uint8Array) =>
    Array.from({ length: all.length / bytes }, (_, i) => rgb(size, all.subarray(i * bytes, (i + 1) * bytes)));
  return reconstructionSheet(split(originals), split(decoded), { columns: 12 });
}

/** Held-out pictures with the model's captions. */
export async function captionedSamples(
  context: StageContext,
  count = shown,
  onBatch?: () => void,
): Promise<CaptionedImage[]> {
  const { captioner, dataset, heldOut } = context;
  const records = heldOut.slice(0, count).map((record) => dataset.records[record]!);
  const images = await heldOutImages(context, count);
  const bytes = dataset.size ** 2 * 3;
  const captions = await captioner.captionAll(images, { onBatch });
  return records.map(({ captions: references }, i) => ({
    image: rgb(dataset.size, images.subarray(i * bytes, (i + 1) * bytes)),
    caption: captions[i]!.text,
    references,
  }));
}
