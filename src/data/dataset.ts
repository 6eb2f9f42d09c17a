import type { Attributes } from "../text/attributes.js";

/** One picture with its captions. */
export interface CaptionedImage {
  /** A unique, stable name: "noto/1F468-200D-1F33E" or a file name. */
  readonly id: string;
  /** Which picture of `Dataset.images` this is. */
  readonly image: number;
  /** Captions that name what is seen, the best one first; at least one. */
  readonly captions: readonly string[];
  /** Captions that are only bags of keywords; kept apart, possibly none. */
  readonly keywordCaptions: readonly string[];
  readonly split: string;
  /** Who drew it, for data sets that know: "noto". */
  readonly vendor?: string;
  /** Of a picture in an unseen style: the split to which the thing shown belongs in the trained styles. */
  readonly concept?: string;
  readonly attributes: Attributes;
}

/** Pictures of one size held in memory, with their captions and splits. */
export interface Dataset {
  readonly name: string;
  /** Side length of every picture, in pixels. */
  readonly size: number;
  /** All pictures: [n, size, size, 3], 8 bits a channel, rows from the top. */
  readonly images: Uint8Array;
  /** record i describes picture i. */
  readonly records: readonly CaptionedImage[];
  /** Split name → record numbers in ascending order. */
  readonly splits: Readonly<Record<string, readonly number[]>>;
}

/**
 * Collects the record numbers of every split, in the order in which splits first occur. The result has no prototype: a
 * split that nobody has is undefined, whatever it is called.
 */
export function splitsOf(records: readonly { split: string }[]): Record<string, number[]> {
  const splits: Record<string, number[]> = Object.create(null);
  for (const [i, { split }] of records.entries()) {
    splits[split] ??= [];
    splits[split].push(i);
  }
  return splits;
}

/** The bytes of picture `image`, [size, size, 3]: a view, not a copy. */
export function pixels(dataset: Dataset, image: number): Uint8Array {
  const bytes = dataset.size * dataset.size * 3;
  return dataset.images.subarray(image * bytes, (image + 1) * bytes);
}

/** The data set with only the first `subset` of its training records; 0 = all. */
export function withSubset(dataset: Dataset, subset: number): Dataset {
  const { train } = dataset.splits;
  if (subset === 0 || !train) return dataset;
  const splits = Object.assign(Object.create(null), dataset.splits, { train: train.slice(0, subset) });
  return { ...dataset, splits };
}
