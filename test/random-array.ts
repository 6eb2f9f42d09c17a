/** Numbers for tests and for the commands beside them, which take no test library. */

/** Repeatable numbers, roughly normal, from a small generator of the tests' own (splitmix32 and Box-Muller). */
export function randomArray(seed: number, length: number, scale = 1): Float64Array {
  let state = (seed * 0x9e3779b9) >>> 0;
  const uniform = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
  const values = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    values[i] = Math.fround(scale * radius * Math.cos(2 * Math.PI * uniform()));
  }
  return values;
}
