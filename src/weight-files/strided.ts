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
