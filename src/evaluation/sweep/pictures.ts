/** The pictures of a split as a sweep uses them: codes, references, and a hash by which kept captions are found again. */

import type { Captioner } from "../../captioner/captioner.js";
import { type Dataset, imagesOf } from "../../data/dataset.js";
import { type Collective, single } from "../../platform/collective.js";
import type { Platform } from "../../platform/platform.js";
import { encodeImages, recordsOf } from "../pictures.js";

export interface SplitPictures {
  readonly dataset: Dataset;
  readonly split: string;
  /** Their record numbers in `dataset`. */
  readonly records: readonly number[];
  /** Their pictures. */
  readonly images: readonly number[];
  /** [n · S] */
  readonly codes: Uint32Array;
  readonly references: readonly (readonly string[])[];
  /** The references of the whole split, from which document frequencies come. */
  readonly corpus: readonly (readonly string[])[];
  /** Of the names and codes of the pictures. */
  readonly hash: string;
}

/** At most `limit` pictures of a split, evenly spread over it; 0 = all. The processes of `collective` encode them together. */
export async function splitPictures(
  captioner: Captioner,
  dataset: Dataset,
  split: string,
  limit: number,
  hash: Platform["hash"],
  collective: Collective = single,
): Promise<SplitPictures> {
  const records = recordsOf(dataset, split, limit);
  const images = imagesOf(dataset, records);
  const codes = await encodeImages(captioner, dataset, images, { collective });
  const captionsOf = (numbers: readonly number[]) =>
    numbers.map((record) => dataset.records[record]!.captions);
  const names = JSON.stringify(records.map((record) => dataset.records[record]!.id));
  const bytes = new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength);
  return {
    ...{ dataset, split, records, images, codes },
    references: captionsOf(records),
    corpus: captionsOf(dataset.splits[split]!),
    hash: await hash("sha-256", `${await hash("sha-256", names)} ${await hash("sha-256", bytes)}`),
  };
}
