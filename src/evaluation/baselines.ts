/** The parts of the baselines: pictures shown to the wrong caption, and the search for the nearest training picture. */

import { shuffled } from "../data/batches.js";

/** Side length at which pictures are compared: averaging tolerates a shift by a pixel. */
const comparedSide = 16;

/** Some rows of [n, width], by number. */
export function gatherRows<T extends Uint32Array | Float32Array>(
  rows: T,
  width: number,
  numbers: readonly number[],
): T {
  const gathered = new (rows.constructor as new (length: number) => T)(numbers.length * width);
  for (const [i, number] of numbers.entries()) {
    gathered.set(rows.subarray(number * width, (number + 1) * width), i * width);
  }
  return gathered;
}

/** The factor by which pictures of a side length are averaged down, to no less than `comparedSide` if they are that large. */
export function shrinkFactor(size: number): number {
  let factor = Math.max(1, Math.floor(size / comparedSide));
  while (size % factor !== 0) factor--;
  return factor;
}

/** Rows searched before yielding to other tasks. */
const rowsATurn = 32;

/**
 * Runs `find` on some rows at a time, so that signals and the page are served in between. `onTurn` is called then and may throw.
 */
export async function inParts<A extends Float32Array | Uint32Array>(
  find: (queries: A, stored: A, width: number) => Uint32Array,
  queries: A,
  stored: A,
  width: number,
  onTurn: () => void,
): Promise<Uint32Array> {
  const found = new Uint32Array(queries.length / width);
  for (let first = 0; first < found.length; first += rowsATurn) {
    const part = queries.subarray(first * width, (first + rowsATurn) * width) as A;
    found.set(find(part, stored, width), first);
    await new Promise((resolve) => setTimeout(resolve));
    onTurn();
  }
  return found;
}

/**
 * Assigns each of n pictures another one: a shift by one within a random order, so that none keeps its own and each is shown
 * once.
 */
export function otherPictures(count: number): number[] {
  const order = shuffled(count, 1, 0);
  const others = new Array<number>(count);
  order.forEach((picture, i) => {
    others[picture] = order[(i + 1) % count]!;
  });
  return others;
}
