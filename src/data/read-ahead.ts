/** Reads batches of pictures ahead of their use, so that training does not wait for the disk. */

import type { Dataset } from "./dataset.js";

/** Maximum bytes of batches read ahead. */
const BYTES = 64 * 2 ** 20;
const MOST = 4;

export class ReadAhead {
  readonly #dataset: Dataset;
  readonly #numbers: (batch: number) => ArrayLike<number>;
  readonly #count: () => number;
  readonly #ahead: number;
  readonly #reading = new Map<number, Promise<Uint8Array>>();
  #spare: Uint8Array[] = [];
  #given: Uint8Array | null = null;

  /**
   * `numbers` gives the pictures of batch n of `count`, in order: `size` of them, possibly fewer in the last batch. `count` is
   * called each time, because it may change.
   */
  constructor(
    dataset: Dataset,
    size: number,
    count: () => number,
    numbers: (batch: number) => ArrayLike<number>,
  ) {
    this.#dataset = dataset;
    this.#numbers = numbers;
    this.#count = count;
    const bytes = size * dataset.size ** 2 * 3;
    this.#ahead = Math.max(1, Math.min(MOST, Math.floor(BYTES / bytes)));
  }

  /** Pictures of batch `n`, [size or fewer, S, S, 3], valid until the next call. The following batches are read meanwhile. */
  async at(n: number): Promise<Uint8Array> {
    if (this.#given) this.#spare.push(this.#given);
    this.#given = null;
    for (const batch of this.#reading.keys()) {
      if (batch < n || batch > n + this.#ahead) this.#reading.delete(batch);
    }
    const wanted = this.#read(n);
    for (let batch = n + 1; batch <= n + this.#ahead && batch < this.#count(); batch++) this.#read(batch);
    const bytes = await wanted;
    this.#reading.delete(n);
    this.#given = bytes;
    return bytes;
  }

  #read(batch: number): Promise<Uint8Array> {
    let reading = this.#reading.get(batch);
    if (!reading) {
      const numbers = this.#numbers(batch);
      const bytes = numbers.length * this.#dataset.size ** 2 * 3;
      const target = this.#spare.at(-1)?.length === bytes ? this.#spare.pop()! : new Uint8Array(bytes);
      reading = this.#dataset.images.read(numbers, target).then(() => target);
      // A rejection is reported when the batch is requested.
      reading.catch(() => {});
      this.#reading.set(batch, reading);
    }
    return reading;
  }
}
