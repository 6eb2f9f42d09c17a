/** Fewer points for the same picture of a curve. */

/** Of the values from place `start` up to `end`, the places of the first, lowest, highest and last, each once and in order. */
export function extremesOf(values: ArrayLike<number>, start = 0, end = values.length): number[] {
  if (start >= end) return [];
  let [low, high] = [start, start];
  for (let i = start + 1; i < end; i++) {
    if (values[i]! < values[low]!) low = i;
    if (values[i]! > values[high]!) high = i;
  }
  const kept = [start];
  for (const place of [Math.min(low, high), Math.max(low, high), end - 1])
    if (place > kept.at(-1)!) kept.push(place);
  return kept;
}

/**
 * The places of points that show a curve in `columns` columns between x = `from` and `to`: of each column the first, the lowest,
 * the highest and the last point. `x` does not decrease. Of values that are not finite, which are a gap in the line, the first of
 * each gap stays. Points outside of the range are left out.
 */
export function thin(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  columns: number,
  from = Number.NEGATIVE_INFINITY,
  to = Number.POSITIVE_INFINITY,
): number[] {
  let first = 0;
  while (first < y.length && x[first]! < from) first++;
  let end = y.length;
  while (end > first && x[end - 1]! > to) end--;
  if (first === end) return [];
  const low = x[first]!;
  const spread = x[end - 1]! - low;
  const column = (i: number) =>
    spread > 0 ? Math.min(columns - 1, Math.floor(((x[i]! - low) / spread) * columns)) : 0;
  const kept: number[] = [];
  /** Where the present column began, and which it is. */
  let [start, present] = [first, column(first)];
  for (let i = first; i < end; i++) {
    if (!Number.isFinite(y[i]!)) {
      kept.push(...extremesOf(y, start, i));
      if (i === first || Number.isFinite(y[i - 1]!)) kept.push(i);
      start = i + 1;
      continue;
    }
    const own = column(i);
    if (own !== present) {
      kept.push(...extremesOf(y, start, i));
      [start, present] = [i, own];
    }
  }
  kept.push(...extremesOf(y, start, end));
  return kept;
}

/**
 * Moving average with exponential weights s^|i − j| on both sides, so that it does not lag behind; 0 ≤ s < 1 is `smoothing`. The
 * weights of a point add up to 1, at the ends too. Values that are not finite have no weight and stay NaN.
 */
export function movingAverage(values: ArrayLike<number>, smoothing: number): Float64Array {
  const count = values.length;
  const [sums, weights] = [new Float64Array(count), new Float64Array(count)];
  const pass = (start: number, end: number, direction: 1 | -1) => {
    let [sum, weight] = [0, 0];
    for (let i = start; i !== end; i += direction) {
      // The past of point i without itself.
      sums[i]! += sum;
      weights[i]! += weight;
      const value = values[i]!;
      sum *= smoothing;
      weight *= smoothing;
      if (Number.isFinite(value)) {
        sum += smoothing * value;
        weight += smoothing;
      }
    }
  };
  pass(0, count, 1);
  pass(count - 1, -1, -1);
  return sums.map((sum, i) => {
    const value = values[i]!;
    return Number.isFinite(value) ? (sum + value) / (weights[i]! + 1) : Number.NaN;
  });
}
