/** Random choices of one scene: a sequence of integers that depends on (seed, stream, index) alone. */

import { random32 } from "../../metrics/random.js";

export class Draws {
  readonly #key: number;
  #drawn = 0;

  constructor(seed: number, stream: number, index: number) {
    this.#key = random32(seed, stream, index);
  }

  /** An integer in [0, count). */
  below(count: number): number {
    return Math.floor((random32(this.#key, 0x7363656e, this.#drawn++) / 2 ** 32) * count);
  }

  /** An integer in [first, last]. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** The list in a random order (Fisher–Yates). */
  shuffled<T>(list: readonly T[]): T[] {
    const order = [...list];
    for (let i = order.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }
}

/** A 32-bit number that depends on a text alone (FNV-1a, mixed). */
export function hashOf(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return random32(0x73706c69, 0, h >>> 0);
}
