import t from "tap";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToFloat16,
} from "../../../dist/engine/tensor/float16.js";

const ALL = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

t.test("every float16 survives the way to float32 and back", async (t) => {
  const back = float32ToFloat16(float16ToFloat32(ALL));
  let wrong = 0;
  for (let bits = 0; bits < 65536; bits++) {
    const isNan = (bits & 0x7fff) > 0x7c00;
    if (isNan ? (back[bits]! & 0x7fff) <= 0x7c00 : back[bits] !== bits) wrong++;
  }
  t.equal(wrong, 0);
});

t.test("values against the definition of binary16", async (t) => {
  const known: [number, number][] = [
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
  ];
  for (const [bits, value] of known) {
    t.ok(Object.is(float16ToFloat32(Uint16Array.of(bits))[0], value), `0x${bits.toString(16)} is ${value}`);
    t.equal(float32ToFloat16(Float32Array.of(value))[0], bits, `${value} is 0x${bits.toString(16)}`);
  }
  t.ok(Number.isNaN(float16ToFloat32(float32ToFloat16(Float32Array.of(Number.NaN)))[0]));
});

t.test("rounds to the nearest, ties to even, over the whole range", async (t) => {
  // Between every two neighbouring finite float16 a < b: the middle goes to the even one, a hair beside it to its side.
  const values = float16ToFloat32(ALL);
  let wrong = 0;
  for (let bits = 0; bits < 0x7bff; bits++) {
    const a = values[bits]!;
    const b = values[bits + 1]!;
    const middle = Math.fround((a + b) / 2);
    const hair = Math.max(middle * 2 ** -23, 2 ** -149);
    const got = float32ToFloat16(Float32Array.of(middle, middle - hair, middle + hair, -middle));
    const even = bits % 2 === 0 ? bits : bits + 1;
    if (got[0] !== even || got[1] !== bits || got[2] !== bits + 1 || got[3] !== (even | 0x8000)) wrong++;
  }
  t.equal(wrong, 0);
  const edge = float32ToFloat16(Float32Array.of(65519.996, 65520, 1e38, -70000, 2 ** -25, 2 ** -25 * 1.0001));
  t.same([...edge], [0x7bff, 0x7c00, 0x7c00, 0xfc00, 0, 1], "beyond the largest and below the smallest");
});

t.test("the documented error bounds hold", async (t) => {
  let state = 12345;
  const values = Float32Array.from({ length: 20000 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) * 2 ** ((state % 46) - 30);
  });
  const rounded = float16ToFloat32(float32ToFloat16(values));
  let relative = 0;
  let absolute = 0;
  for (let i = 0; i < values.length; i++) {
    const error = Math.abs(rounded[i]! - values[i]!);
    if (Math.abs(values[i]!) >= 2 ** -14) relative = Math.max(relative, error / Math.abs(values[i]!));
    else absolute = Math.max(absolute, error);
  }
  t.ok(relative <= 2 ** -11 && relative > 2 ** -12, `relative ${relative}`);
  t.ok(absolute <= 2 ** -25 && absolute > 2 ** -27, `absolute ${absolute}`);
});

t.test("bfloat16 is the upper half of a float32", async (t) => {
  const values = bfloat16ToFloat32(Uint16Array.of(0x3f80, 0xc040, 0x4049, 0x7f80));
  t.same([...values], [1, -3, 3.140625, Number.POSITIVE_INFINITY]);
});
