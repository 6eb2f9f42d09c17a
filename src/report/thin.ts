/** Fewer points for the same picture of a curve. */

/** Of a group of values, the places of the first, the lowest, the highest and the last, each once and in order. */
export function extremesOf(values: ArrayLike<number>): number[] {
  if (values.length === 0) return [];
  let [low, high] = [0, 0];
  for (let i = 1; i < values.length; i++) {
    if (values[i]! < values[low]!) low = i;
    if (values[i]! > values[high]!) high = i;
  }
  return [...new Set([0, low, high, values.length - 1])].sort((a, b) => a - b);
}

/**
 * The places of points that show a curve in `columns` columns between x = `from` and `to`: of each column the first, the lowest,
 * the highest and the last point. `x` does not decrease. A value that is not finite stays where it follows a finite one: it is
 * the gap in the line. Points outside of the range are left out.
 */
export function thin(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  columns: number,
  from = Number.NEGATIVE_INFINITY,
  to = Number.POSITIVE_INFINITY,
): number[] {
  const count = y.length;
  let first = 0;
  while (first < count && x[first]! < from) first++;
  let end = first;
  while (end < count && x[end]! <= to) end++;
  const [low, high] = [x[first] ?? 0, x[end - 1] ?? 0];
  const column = (i: number) =>
    high > low ? Math.min(columns - 1, Math.floor(((x[i]! - low) / (high - low)) * columns)) : 0;
  const kept: number[] = [];
  let group: number[] = [];
  const flush = () => {
    for (const place of extremesOf(group.map((i) => y[i]!))) kept.push(group[place]!);
    group = [];
  };
  let isGap = false;
  for (let i = first; i < end; i++) {
    if (!Number.isFinite(y[i]!)) {
      flush();
      if (!isGap) kept.push(i);
      isGap = true;
      continue;
    }
    isGap = false;
    if (group.length > 0 && column(i) !== column(group[0]!)) flush();
    group.push(i);
  }
  flush();
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
