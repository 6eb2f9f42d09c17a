/** Repeatable inputs, from a generator of the bench's own (splitmix32). */

/** @typedef {ReturnType<typeof randomSource>} Random */

/** @param {number} seed */
export function randomSource(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
  return {
    uniform,
    /**
     * Symmetric numbers of the given standard deviation, exact in float32. Uniform ones: kernels take as long, and
     * millions of them are drawn at once.
     * @param {number} count
     */
    floats(count, deviation = 1) {
      const width = Math.sqrt(12) * deviation;
      return Float32Array.from({ length: count }, () => (uniform() - 0.5) * width);
    },
    /**
     * Whole numbers in 0 … below - 1.
     * @param {number} count
     * @param {number} below
     */
    ids(count, below) {
      return Uint32Array.from({ length: count }, () => Math.floor(uniform() * below));
    },
  };
}
