/** Initial values are those of their formula, to the bit, although most are computed by a faster series. */

import t from "tap";
import { constant, fanIn, normal } from "../../../dist/engine/nn/initialisers.js";

const golden = 0x9e3779b9;

function hash(name: string): number {
  let state = 0x811c9dc5;
  for (const letter of name) state = Math.imul(state ^ letter.codePointAt(0)!, 0x01000193);
  return state;
}

/** σ · (√(−2 ln(1 − u)) · cos 2πv) by `Math` alone, u and v from splitmix32. */
function byFormula(deviation: number, length: number, seed: number, name: string): Float32Array {
  let state = (hash(name) + Math.imul(seed, golden)) >>> 0;
  const uniform = () => {
    state = (state + golden) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
  return Float32Array.from(
    { length },
    () => deviation * (Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())),
  );
}

const bits = (values: Float32Array) => new Uint32Array(values.buffer);

t.test("normal numbers are the formula's to the bit", async (t) => {
  const cases: [deviation: number, seed: number, name: string][] = [
    [1, 1, "weight"],
    [1 / Math.sqrt(512), 2 ** 48, "decoder.block0.attention.query.weight"],
    [1e-3, 0, ""],
    [3e-39, 7, "below the smallest normal float32"],
  ];
  // About two in a thousand lie where the series leaves the choice to the formula.
  const shape = [7, 42_859];
  for (const [deviation, seed, name] of cases) {
    const made = bits(normal(deviation)(shape, seed, name));
    const expected = bits(byFormula(deviation, made.length, seed, name));
    t.equal(made.length, 300_013);
    t.equal(
      made.findIndex((value, i) => value !== expected[i]),
      -1,
      `deviation ${deviation}, seed ${seed}, "${name}"`,
    );
  }
});

t.test("the uniform number 0, at which the radius is 0", async (t) => {
  // The first word is 0 where the state is: the golden ratio's inverse modulo 2³² leads back to the seed.
  let inverse = golden;
  for (let i = 0; i < 5; i++) inverse = Math.imul(inverse, 2 - Math.imul(golden, inverse));
  t.equal(Math.imul(golden, inverse), 1);
  const seed = (Math.imul(-hash("zero"), inverse) - 1) >>> 0;
  const expected = byFormula(1, 2, seed, "zero");
  t.equal(Math.abs(expected[0]!), 0);
  t.same(bits(normal(1)([2], seed, "zero")), bits(expected), "with its sign");
});

t.test("constants, and fan-in by all axes but the last", async (t) => {
  t.same([...constant(0.5)([2, 2], 1, "x")], [0.5, 0.5, 0.5, 0.5]);
  t.same(fanIn(3)([2, 8, 5], 1, "x"), normal(3 / 4)([2, 8, 5], 1, "x"));
});
