/** Views of a storage: where their elements lie, and their copy in row-major order. */

/** Elements from the first to behind the last that a view reaches, counted from its offset; 0 if it is empty. */
export function reach(shape: readonly number[], stride: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((last, size, axis) => last + (size - 1) * stride[axis]!, 0) + 1;
}

/** Whether the elements of a view lie in row-major order without gaps. The stride of an axis of length 1 does not matter. */
export function isContiguous(shape: readonly number[], stride: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && stride[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/**
 * The elements of a view in row-major order. `bytes` begin at the view's first element; elements have `elementBytes` (1, 2, 4 or 8)
 * bytes, which are copied as they are.
 */
export function gather(
  bytes: Uint8Array,
  shape: readonly number[],
  stride: readonly number[],
  elementBytes: number,
): Uint8Array {
  const elements = shape.reduce((product, size) => product * size, 1);
  const out = new Uint8Array(elements * elementBytes);
  if (elements === 0) return out;
  const copy = copier(bytes, out, elementBytes);
  const axes = shape.length;
  const inner = axes === 0 ? 1 : shape[axes - 1]!;
  const innerStride = axes === 0 ? 0 : stride[axes - 1]!;
  const index = new Array<number>(Math.max(0, axes - 1)).fill(0);
  let from = 0;
  for (let to = 0; to < elements; ) {
    for (let i = 0; i < inner; i++) copy(from + i * innerStride, to++);
    // Count the outer axes on, the last one fastest.
    for (let axis = axes - 2; axis >= 0; axis--) {
      from += stride[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= stride[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/** Copies element `from` of `bytes` to element `to` of `out`, as integers: a NaN keeps its bits. */
function copier(
  bytes: Uint8Array,
  out: Uint8Array,
  elementBytes: number,
): (from: number, to: number) => void {
  const words = elementBytes === 8 ? 2 : 1;
  const Word = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[elementBytes / words]!;
  const length = bytes.length / (elementBytes / words);
  const source = new Word(bytes.buffer as ArrayBuffer, bytes.byteOffset, length);
  const target = new Word(out.buffer as ArrayBuffer, 0, out.length / (elementBytes / words));
  if (words === 1) {
    return (from, to) => {
      target[to] = source[from]!;
    };
  }
  return (from, to) => {
    target[2 * to] = source[2 * from]!;
    target[2 * to + 1] = source[2 * from + 1]!;
  };
}

/** Fills `target` from `position`, in bytes from the first element of a view. */
export type ReadView = (target: Uint8Array, position: number) => Promise<void>;

/** Bytes that are read at once of a view that is not contiguous: a large one is not in memory twice. */
const AT_ONCE = 2 ** 24;

/** Reads the elements of a view in row-major order, `atOnce` bytes at a time where they lie apart. */
export async function readView(
  read: ReadView,
  shape: readonly number[],
  stride: readonly number[],
  elementBytes: number,
  atOnce = AT_ONCE,
): Promise<Uint8Array> {
  const extent = reach(shape, stride) * elementBytes;
  const contiguous = isContiguous(shape, stride);
  const axis = longestAxis(shape, stride);
  if (contiguous || extent <= atOnce || axis < 0) {
    const stored = new Uint8Array(extent);
    if (extent > 0) await read(stored, 0);
    return contiguous ? stored : gather(stored, shape, stride, elementBytes);
  }
  const step = stride[axis]! * elementBytes;
  const places = Math.max(1, Math.floor(atOnce / step));
  const size = shape[axis]!;
  const outer = shape.slice(0, axis).reduce((product, length) => product * length, 1);
  const inner = shape.slice(axis + 1).reduce((product, length) => product * length, elementBytes);
  const out = new Uint8Array(outer * size * inner);
  for (let begin = 0; begin < size; begin += places) {
    const count = Math.min(places, size - begin);
    const part = shape.with(axis, count);
    const readPart: ReadView = (target, position) => read(target, begin * step + position);
    // A single place may still be long along other axes.
    const limit = count === 1 ? atOnce : Number.POSITIVE_INFINITY;
    const piece = await readView(readPart, part, stride, elementBytes, limit);
    const row = count * inner;
    for (let i = 0; i < outer; i++)
      out.set(piece.subarray(i * row, (i + 1) * row), (i * size + begin) * inner);
  }
  return out;
}

/** The axis along which a view reaches farthest; −1 if it does not reach beyond its first element. */
function longestAxis(shape: readonly number[], stride: readonly number[]): number {
  let [longest, span] = [-1, 0];
  for (const [axis, size] of shape.entries()) {
    if ((size - 1) * stride[axis]! > span) [longest, span] = [axis, (size - 1) * stride[axis]!];
  }
  return longest;
}
