/** How many bytes dispatches move, as far as can be told from what they bind. */

/**
 * @typedef {import("./types.js").Gpu} Gpu
 * @typedef {import("../dist/debug.js").Dispatch} Dispatch
 * @typedef {import("../dist/debug.js").BoundRange} BoundRange
 * @typedef {Readonly<Record<string, unknown>>} Values
 */

/**
 * Bytes of one dispatch just recorded: every range that it binds once, and once more if its old content is read
 * before it is written. What a kernel reads again through its caches does not count; a range of which it uses a part
 * counts whole.
 * @param {Pick<Dispatch, "bindings"> & { pipeline: { kernel: { spec: Pick<import("../dist/debug.js").KernelSpec, "bindings"> } } }} dispatch
 * @param {Values} params
 * @param {Values} variant
 */
export function boundBytes({ bindings, pipeline }, params, variant) {
  const { spec } = pipeline.kernel;
  let bytes = 0;
  bindings.forEach((range, i) => {
    // A kernel whose choices leave a binding unused is given some other range there, which may hold a real one.
    if (bindings.some((other, j) => other.storage === range.storage && standsIn(range, i, other, j))) return;
    // A buffer counts its writes: at the first there is nothing in it to be read.
    const inPlace =
      spec.bindings[i].access === "read_write" && range.storage.version > 1 && !overwrites(params, variant);
    bytes += range.size * (inPlace ? 2 : 1);
  });
  return bytes;
}

/**
 * Whether `range` is the same as an earlier one or contains another.
 * @param {BoundRange} range
 * @param {number} i
 * @param {BoundRange} other
 * @param {number} j
 */
function standsIn(range, i, other, j) {
  const same = range.offset === other.offset && range.size === other.size;
  if (same) return j < i;
  return range.offset <= other.offset && range.offset + range.size >= other.offset + other.size;
}

/**
 * Kernels that can add to what is there say by uniforms or variants whether they do.
 * @param {Values} params
 * @param {Values} variant
 */
function overwrites(params, variant) {
  const choices = Object.entries({ ...params, ...variant }).filter(([name]) => /^accumulate/i.test(name));
  return choices.length > 0 && choices.every(([, value]) => !value);
}

/**
 * Bytes that the dispatches recorded by `body` move.
 * @param {Gpu} gpu
 * @param {() => void} body
 */
export function bytesMoved(gpu, body) {
  let bytes = 0;
  const before = gpu.observer;
  gpu.observer = {
    dispatch(dispatch, params, variant) {
      bytes += boundBytes(dispatch, params, variant);
    },
  };
  try {
    body();
  } finally {
    gpu.observer = before;
  }
  return bytes;
}
