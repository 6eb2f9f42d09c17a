/** A data set as two files, ready for training: for pages, which cannot render or decode thousands of pictures each time. */

import { UserError } from "../platform/errors.js";
import { parseJsonRecord } from "../platform/json.js";
import type { Files, Platform } from "../platform/platform.js";
import {
  type CaptionedImage,
  type Dataset,
  imagesOf,
  MemoryImages,
  readImages,
  recordsInSplits,
  splitsOf,
} from "./dataset.js";

const FORMAT = "mc-diffusion-dataset-1";
const INDEX = "dataset.json";
const IMAGES = "images.u8";

/**
 * Writes `folder/dataset.json` (the records) and `folder/images.u8` (their pixels). Records that are in no split are left out,
 * with their pictures.
 */
export async function writeDataset(
  { files, hash }: Pick<Platform, "files" | "hash">,
  folder: string,
  dataset: Dataset,
): Promise<void> {
  const kept = recordsInSplits(dataset);
  const images = await readImages(dataset, imagesOf(dataset, kept));
  const records = kept.map((number, image) => ({ ...dataset.records[number]!, image }));
  const { name, size } = dataset;
  const index = { format: FORMAT, name, size, sha256: await hash("sha-256", images), records };
  await files.makeDirectory(folder);
  await files.write(`${folder}/${IMAGES}`, images);
  await files.write(`${folder}/${INDEX}`, JSON.stringify(index));
}

/** Reads a data set that `writeDataset` wrote. Throws a `UserError` that names the file if it is damaged or of another format. */
export async function readDataset(
  { files, hash }: { files: Pick<Files, "read" | "readText">; hash: Platform["hash"] },
  folder: string,
): Promise<Dataset> {
  const path = `${folder}/${INDEX}`;
  const { format, name, size, sha256, records } = parseJsonRecord(await files.readText(path), path);
  if (format !== FORMAT)
    throw new UserError(`${path} has format ${JSON.stringify(format)}, this version reads "${FORMAT}"`);
  if (typeof name !== "string" || typeof size !== "number" || !Array.isArray(records))
    throw new UserError(`${path} lacks name, size or records`);
  const images = await files.read(`${folder}/${IMAGES}`);
  if (images.length !== records.length * size ** 2 * 3 || (await hash("sha-256", images)) !== sha256)
    throw new UserError(`${folder}/${IMAGES} is damaged: it is not what ${INDEX} describes`);
  const list = records as unknown as readonly CaptionedImage[];
  return { name, size, images: new MemoryImages(images, size), records: list, splits: splitsOf(list) };
}
