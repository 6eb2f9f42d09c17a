/** What a captioner has to beat: the captions of the training picture that looks most alike. */

import { type Dataset, pixels } from "../data/dataset.js";

/** Pictures are compared at this side length: averaging over small squares forgives a shift by a pixel. */
const comparedSide = 16;

/** For each picture of `queries`, the picture among `candidates` (both numbers in the data set) with the least squared distance in RGB. */
export function nearestByPixels(
  dataset: Dataset,
  queries: readonly number[],
  candidates: readonly number[],
): number[] {
  const side = Math.min(comparedSide, dataset.size);
  const small = (picture: number) => averaged(pixels(dataset, picture), dataset.size, side);
  const smallCandidates = candidates.map(small);
  return queries.map((query) => {
    const wanted = small(query);
    return candidates[
      nearest(smallCandidates, (candidate, best) => squaredDistance(wanted, candidate, best))
    ]!;
  });
}

/** The same by the number of code positions [n, S] that differ. */
export function nearestByCodes(
  codes: ArrayLike<number>,
  positions: number,
  queries: readonly number[],
  candidates: readonly number[],
): number[] {
  return queries.map((query) => {
    const distance = (candidate: number) => {
      let different = 0;
      for (let i = 0; i < positions; i++) {
        if (codes[query * positions + i] !== codes[candidate * positions + i]) different++;
      }
      return different;
    };
    return candidates[nearest(candidates, distance)]!;
  });
}

/** Index of the item with the least distance; the first of equals. `distance` may stop once it exceeds the best so far. */
function nearest<T>(items: readonly T[], distance: (item: T, best: number) => number): number {
  let best = Number.POSITIVE_INFINITY;
  let at = 0;
  items.forEach((item, i) => {
    const d = distance(item, best);
    if (d < best) {
      best = d;
      at = i;
    }
  });
  return at;
}

function squaredDistance(a: Float32Array, b: Float32Array, limit: number): number {
  let sum = 0;
  for (let i = 0; i < a.length && sum < limit; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
}

/** Scales [size, size, 3] bytes down to [side, side, 3] means; `size` need not be a multiple of `side`. */
function averaged(image: Uint8Array, size: number, side: number): Float32Array {
  const sums = new Float32Array(side * side * 3);
  const counts = new Float32Array(side * side);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const cell = Math.floor((y * side) / size) * side + Math.floor((x * side) / size);
      counts[cell]!++;
      for (let c = 0; c < 3; c++) sums[cell * 3 + c]! += image[(y * size + x) * 3 + c]!;
    }
  }
  return sums.map((sum, i) => sum / counts[Math.floor(i / 3)]!);
}
