import { randomBelow } from "../metrics/random.js";
import { UserError } from "../platform/errors.js";
import type { CaptionedImage, Dataset } from "./dataset.js";

const CAPTION_STREAM = 0x63617074;
const SHUFFLE_STREAM = 0x73687566;

/** A permutation of 0 … count − 1 that depends on (seed, epoch) only (Fisher–Yates). */
export function shuffled(count: number, seed: number, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = randomBelow(i + 1, seed, SHUFFLE_STREAM + epoch, i);
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
  return order;
}

/** One batch of training pictures, each with one of its captions. */
export interface Batch {
  /** Picture numbers in `Dataset.images`, length `batchSize`. */
  readonly images: Uint32Array;
  /** For each of them, the number of the caption drawn (uniformly). */
  readonly captionNumbers: Uint32Array;
  /** Those captions. */
  readonly captions: string[];
}

/**
 * The batches of a training run. Batch n is a pure function of (seed, n): the split's records, shuffled again for every epoch,
 * form one endless sequence, and batch n is its n-th piece. A batch may therefore straddle two epochs, and every picture is seen
 * equally often.
 */
export class Batches {
  readonly batchSize: number;
  readonly #dataset: Dataset;
  readonly #records: readonly number[];
  readonly #seed: number;
  readonly #orders = new Map<number, Uint32Array>();

  /** Throws a `UserError` if the data set has no such split or the split is empty. */
  constructor(dataset: Dataset, options: { split: string; batchSize: number; seed: number }) {
    const records = dataset.splits[options.split] ?? [];
    if (records.length === 0) {
      const known = Object.keys(dataset.splits).join(", ") || "none";
      throw new UserError(
        `data set ${dataset.name} has no pictures in split "${options.split}"; its splits are: ${known}`,
      );
    }
    this.#dataset = dataset;
    this.#records = records;
    this.#seed = options.seed;
    this.batchSize = options.batchSize;
  }

  /** Pictures in the split: the length of an epoch. */
  get count(): number {
    return this.#records.length;
  }

  /** Steps in an epoch; not always an integer. */
  get stepsPerEpoch(): number {
    return this.#records.length / this.batchSize;
  }

  /** The pictures of batch number `step`, counted from 0; no caption is read. */
  imagesAt(step: number): Uint32Array {
    return Uint32Array.from(
      { length: this.batchSize },
      (_, i) => this.#recordAt(step * this.batchSize + i).image,
    );
  }

  /** Batch number `step`, counted from 0. */
  at(step: number): Batch {
    const images = new Uint32Array(this.batchSize);
    const captionNumbers = new Uint32Array(this.batchSize);
    const captions: string[] = [];
    for (let i = 0; i < this.batchSize; i++) {
      const position = step * this.batchSize + i;
      const record = this.#recordAt(position);
      const choice = randomBelow(record.captions.length, this.#seed, CAPTION_STREAM, position);
      images[i] = record.image;
      captionNumbers[i] = choice;
      captions.push(record.captions[choice]!);
    }
    return { images, captionNumbers, captions };
  }

  /** The record at a place of the endless sequence. */
  #recordAt(position: number): CaptionedImage {
    const order = this.#order(Math.floor(position / this.count));
    return this.#dataset.records[this.#records[order[position % this.count]!]!]!;
  }

  #order(epoch: number): Uint32Array {
    let order = this.#orders.get(epoch);
    if (order === undefined) {
      // Keeps at most two epochs: those that one batch can straddle.
      for (const old of this.#orders.keys()) if (old !== epoch - 1) this.#orders.delete(old);
      order = shuffled(this.count, this.#seed, epoch);
      this.#orders.set(epoch, order);
    }
    return order;
  }
}
