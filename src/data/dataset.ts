import type { Attributes } from "../text/attributes.js";

/** One picture with its captions. */
export interface CaptionedImage {
  /** A unique, stable name: "noto/1F468-200D-1F33E" or a file name. */
  readonly id: string;
  /** Index of the picture in `Dataset.images`. */
  readonly image: number;
  /** Captions that name what the picture shows, the best one first; at least one. */
  readonly captions: readonly string[];
  /** Captions that are only bags of keywords; kept apart, possibly none. */
  readonly keywordCaptions: readonly string[];
  readonly split: string;
  /** Who drew it, for data sets that record this: "noto". */
  readonly vendor?: string;
  /** For a picture in an unseen style: the split of the same concept in the trained styles. */
  readonly concept?: string;
  readonly attributes: Attributes;
}

/** Pictures of one size by number: 8 bits per channel, rows from the top. They may lie on disk or not be decoded yet. */
export interface Images {
  readonly count: number;
  /**
   * Writes some pictures, [size, size, 3] each, into `target` one after the other. Throws a `UserError` for one that cannot be
   * read.
   */
  read(numbers: ArrayLike<number>, target: Uint8Array): Promise<void>;
  /** An identifier of the content of picture `number`, the same for the same file; null if its file has not been read. */
  content(number: number): string | null;
  /** The file of a picture, for uses at its full size. Absent where there are only pixels. */
  file?(number: number): Promise<Uint8Array>;
  /** Closes open files. */
  close(): Promise<void>;
}

/** Pictures in memory, one after the other. */
export class MemoryImages implements Images {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly #each: number;

  /** `bytes`: [n, size, size, 3]. */
  constructor(bytes: Uint8Array, size: number) {
    this.bytes = bytes;
    this.#each = size * size * 3;
    this.count = bytes.length / this.#each;
  }

  async read(numbers: ArrayLike<number>, target: Uint8Array): Promise<void> {
    const each = this.#each;
    for (let i = 0; i < numbers.length; i++) {
      target.set(this.bytes.subarray(numbers[i]! * each, (numbers[i]! + 1) * each), i * each);
    }
  }

  content(): null {
    return null;
  }

  async close(): Promise<void> {}
}

/** Some of `pictures`: picture i is number `numbers[i]` there. */
export function selectImages(pictures: Images, numbers: readonly number[]): Images {
  return {
    count: numbers.length,
    read: (wanted, target) =>
      pictures.read(
        Array.from(wanted, (number) => numbers[number]!),
        target,
      ),
    content: (number) => pictures.content(numbers[number]!),
    ...(pictures.file ? { file: (number) => pictures.file!(numbers[number]!) } : {}),
    close: () => pictures.close(),
  };
}

/** What the places of pictures show, for data that know it. */
export interface Shown {
  /** Kinds of things. */
  readonly things: number;
  /** For some pictures, what the places of a grid of side × side show, [n, side²]: the number of the thing, or `things` for the ground. */
  at(images: ArrayLike<number>, side: number): Uint32Array;
}

/** What the words of captions are about, for data that know it: things, numbered from 0 within each picture. */
export interface Referents {
  /** For some pictures, the number of the thing at each place of a grid of side × side, [n, side²]; `none` for the ground. */
  at(images: ArrayLike<number>, side: number, none: number): Uint32Array;
  /** The words of caption `number` of a picture that are about one thing alone. */
  words(image: number, number: number): Referring[];
}

/** A word of a caption: its characters [start, end), and the number of the thing that it is about. */
export interface Referring {
  readonly start: number;
  readonly end: number;
  readonly thing: number;
}

/** Captioned pictures of one size, with their splits. */
export interface Dataset {
  readonly name: string;
  /** Side length of every picture, in pixels. */
  readonly size: number;
  readonly images: Images;
  /** Record i describes picture `image` of `images`. */
  readonly records: readonly CaptionedImage[];
  /** Split name → record numbers in ascending order. */
  readonly splits: Readonly<Record<string, readonly number[]>>;
  /** Absent: the data know nothing of places. */
  readonly shown?: Shown;
  /** Absent: the data do not know what words are about. */
  readonly referents?: Referents;
}

/**
 * Collects the record numbers of every split, in the order in which splits first occur. The result has no prototype: any name
 * that is not a split is undefined.
 */
export function splitsOf(records: readonly { split: string }[]): Record<string, number[]> {
  const splits: Record<string, number[]> = Object.create(null);
  for (const [i, { split }] of records.entries()) {
    splits[split] ??= [];
    splits[split].push(i);
  }
  return splits;
}

/** The bytes of some pictures, [n, size, size, 3]. */
export async function readImages(dataset: Dataset, images: ArrayLike<number>): Promise<Uint8Array> {
  const bytes = new Uint8Array(images.length * dataset.size ** 2 * 3);
  await dataset.images.read(images, bytes);
  return bytes;
}

/** The picture numbers of some records. */
export function imagesOf(dataset: Dataset, records: readonly number[]): number[] {
  return records.map((record) => dataset.records[record]!.image);
}

/** All records that are in a split. */
export function recordsInSplits(dataset: Dataset): number[] {
  return [...new Set(Object.values(dataset.splits).flat())].sort((a, b) => a - b);
}

/** The data set with only the first `subset` of its training records; 0 = all. */
export function withSubset(dataset: Dataset, subset: number): Dataset {
  const { train } = dataset.splits;
  if (subset === 0 || !train) return dataset;
  const splits = Object.assign(Object.create(null), dataset.splits, { train: train.slice(0, subset) });
  return { ...dataset, splits };
}
