/** The merging of byte-pair encoding, in O(n log n): a word of a million letters takes a second, not a day. */

/** A symbol of the word, linked to its neighbours by index; −1 at the ends. */
interface Place {
  id: number;
  before: number;
  after: number;
}

/** Pairs by the id of what they merge to, then by their place: ids below 2²¹, places below 2³². */
const PLACES = 2 ** 32;

/**
 * Merges neighbouring ids until no pair is left that `merged` knows: always the pair with the smallest result, of equal ones the
 * first. `merged` returns the id that a pair becomes, in the order of the merges; undefined: the pair stays.
 */
export function mergePairs(
  ids: readonly number[],
  merged: (left: number, right: number) => number | undefined,
): number[] {
  const places: Place[] = ids.map((id, i) => ({ id, before: i - 1, after: i + 1 < ids.length ? i + 1 : -1 }));
  const queue = new SmallestFirst();
  const consider = (at: number) => {
    const after = places[at]?.after ?? -1;
    const result = after < 0 ? undefined : merged(places[at]!.id, places[after]!.id);
    if (result !== undefined) queue.push(result * PLACES + at);
  };
  for (let i = 0; i < places.length; i++) consider(i);
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const at = next % PLACES;
    const left = places[at]!;
    const right = left.id < 0 || left.after < 0 ? null : places[left.after]!;
    // Either symbol may have been merged since; the pair that is there now has been considered on its own.
    const result = Math.floor(next / PLACES);
    if (right === null || merged(left.id, right.id) !== result) continue;
    left.id = result;
    right.id = -1;
    left.after = right.after;
    if (left.after >= 0) places[left.after]!.before = at;
    consider(left.before);
    consider(at);
  }
  return places.filter(({ id }) => id >= 0).map(({ id }) => id);
}

/** A binary heap of numbers. */
class SmallestFirst {
  private readonly heap: number[] = [];

  push(value: number): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(value);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]! <= value) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = value;
  }

  pop(): number | undefined {
    const { heap } = this;
    const top = heap[0];
    const value = heap.pop();
    if (value === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= value) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = value;
    return top;
  }
}
