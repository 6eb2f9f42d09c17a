/** The bytes of a buffer that a view covers, and a test whether two views overlap. */

/** Bytes at `offset` + Σ index·stride; strides of 0 repeat. */
export interface Region {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** A region of `bytes` contiguous bytes. */
export function stretch(offset: number, bytes: number): Region {
  return { offset, shape: [bytes], strides: [1] };
}

/** Bytes from the first to the last byte of a region, both included. */
export function extent({ shape, strides }: Region): number {
  return shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis]!, 1);
}

/**
 * Returns the first and the last index along each of the steps, which ascend: the offset is written in the mixed radix of the
 * steps. A range that exceeds the extent of a step counts as all of it, and so does its share of the step above.
 */
function intervals({ offset, shape, strides }: Region, steps: readonly number[]): [number, number][] {
  let carry = 0;
  return steps.map((step, i) => {
    const next = steps[i + 1] ?? Number.POSITIVE_INFINITY;
    const first = Math.floor((offset % next) / step);
    const last = shape.reduce((sum, n, axis) => sum + (strides[axis] === step ? n - 1 : 0), first + carry);
    const room = next / step;
    carry = Math.floor(last / room);
    return carry > 0 ? [0, room - 1] : [first, last];
  });
}

/**
 * Whether two regions of a buffer may share a byte; false is certain. The result is exact for views whose strides divide one
 * another, like those of one dense tensor, unless one of them runs over the end of a row of the other.
 */
export function overlaps(a: Region, b: Region): boolean {
  const steps = [...new Set([1, ...a.strides, ...b.strides])].filter(Boolean).sort((p, q) => p - q);
  if (steps.some((step, i) => i > 0 && step % steps[i - 1]! !== 0)) {
    return a.offset < b.offset + extent(b) && b.offset < a.offset + extent(a);
  }
  const others = intervals(b, steps);
  return intervals(a, steps).every(([first, last], i) => first <= others[i]![1] && others[i]![0] <= last);
}
