/** Convolutions over the code grid: against float64, what they reach, how large they begin. */

import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { mul } from "../../../dist/engine/ops/elementwise.js";
import { sum } from "../../../dist/engine/ops/reduce.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { ConvBlock } from "../../../dist/models/mc-diffusion/condition-convs.js";
import { ConditionEncoder } from "../../../dist/models/mc-diffusion/condition-encoder.js";
import { Decoder } from "../../../dist/models/mc-diffusion/decoder.js";
import type { DecoderShape } from "../../../dist/models/mc-diffusion/decoder-shape.js";
import { float16Test, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/decoder.js";

const shape: DecoderShape = {
  vocabulary: 7,
  length: 5,
  codes: 6,
  side: 9,
  timesteps: 10,
  dim: 12,
  heads: 3,
  blocks: 1,
  mlpRatio: 1.5,
  conditionConvs: 2,
  conditionBlocks: 0,
  summaryTokens: 0,
  dropout: 0,
  codeDim: null,
  filler: "learned",
};

for (const [side, dim, conditionConvs] of [
  [1, 8, 1],
  [3, 15, 2],
  [4, 24, 1],
  [5, 10, 3],
] as const) {
  test(`${conditionConvs} convolutions of ${side} × ${side} × ${dim} against float64`, async (t, gpu) => {
    const pictures = 2;
    const size = { side, dim, heads: 1, mlpRatio: 1, conditionConvs, conditionBlocks: 0, summaryTokens: 0 };
    const encoder = new ConditionEncoder(gpu, size);
    const dims = [pictures, side * side, dim];
    const count = pictures * side * side * dim;
    const weights = new Map([["x", randomArray(1, count)]]);
    encoder.parameters().forEach(({ name, tensor }, i) => {
      const spread = tensor.rank > 1 ? 1 / Math.sqrt(tensor.size / tensor.shape.at(-1)!) : 0.5;
      const values = randomArray(10 + i, tensor.size, spread);
      weights.set(`conditionEncoder.${name}`, values);
      tensor.write(values);
    });
    const factors = randomArray(2, count);
    const x = fromArray(gpu, weights.get("x")!, dims).requireGrad();
    const dy = fromArray(gpu, factors, dims);
    const y = gpu.scope(() => {
      const output = encoder.forward(x);
      backward(sum(mul(output, dy)));
      return output.detach();
    });
    const forward = (changed: reference.Weights) =>
      reference.encodeCondition(changed, { ...size, codes: 6 }, changed.get("x")!);
    t.near(await y.read(), forward(weights), { abs: 1e-5, rel: 1e-5 }, "forward");

    const loss = (changed: reference.Weights) =>
      forward(changed).reduce((total, value, i) => total + value * factors[i]!, 0);
    const leaves = [{ name: "x", tensor: x }, ...encoder.parameters()];
    for (const { name, tensor } of leaves) {
      const key = name === "x" ? name : `conditionEncoder.${name}`;
      const gradient = await tensor.grad!.read();
      const values = weights.get(key)!;
      // At most 40 elements of each, evenly spread.
      const step = Math.max(1, Math.floor(values.length / 40));
      const chosen = Array.from({ length: Math.ceil(values.length / step) }, (_, i) => i * step);
      const differences = chosen.map((at) => {
        const moved = (by: number) => {
          const changed = values.slice();
          changed[at]! += by;
          return loss(new Map([...weights, [key, changed]]));
        };
        return (moved(1e-5) - moved(-1e-5)) / 2e-5;
      });
      t.near(
        chosen.map((at) => gradient[at]!),
        differences,
        { abs: 2e-5, rel: 1e-4 },
        `gradient of ${name}`,
      );
    }
    encoder.dispose();
    for (const tensor of [x, dy, y]) tensor.dispose();
  });
}

/** A background of code 0 with a patch of four others, whose first corner is at this place. */
function patchAt(row: number, column: number): number[] {
  const codes = new Array<number>(shape.side ** 2).fill(0);
  [1, 2, 3, 4].forEach((code, i) => {
    codes[(row + (i >> 1)) * shape.side + column + (i & 1)] = code;
  });
  return codes;
}

/** The condition of grids of codes [side², d] each, from a decoder whose places have no vectors. */
async function conditions(gpu: Gpu, grids: readonly number[][], changes: Partial<DecoderShape> = {}) {
  const decoder = new Decoder(gpu, { ...shape, ...changes });
  decoder.initialise(4);
  for (const { name, tensor } of decoder.parameters())
    if (/codeRows|codeColumns/.test(name)) tensor.write(new Float32Array(tensor.size));
  const codes = fromArray(gpu, grids.flat(), [grids.length, shape.side ** 2], "u32");
  const seen = gpu.scope(() => noGrad(() => decoder.prepare(codes, { keyValues: false }).condition!));
  const values = await seen.read();
  for (const tensor of [codes, seen]) tensor.dispose();
  decoder.dispose();
  const each = values.length / grids.length;
  return grids.map((_, i) => values.subarray(i * each, (i + 1) * each));
}

const places = Array.from({ length: shape.side ** 2 }, (_, i) => [
  Math.floor(i / shape.side),
  i % shape.side,
]);
const rowOf = (values: Float32Array, row: number, column: number) =>
  values.subarray((row * shape.side + column) * shape.dim, (row * shape.side + column + 1) * shape.dim);

test("a moved patch moves the condition, away from the borders", async (t, gpu) => {
  const reach = shape.conditionConvs!;
  const inside = (at: number) => at >= reach && at < shape.side - reach;
  const still = { row: 3, column: 4 };
  for (const [down, right] of [
    [1, 0],
    [0, -1],
    [1, -1],
  ] as const) {
    const [before, after] = (await conditions(gpu, [
      patchAt(still.row, still.column),
      patchAt(still.row + down, still.column + right),
    ])) as [Float32Array, Float32Array];
    let [compared, changed] = [0, 0];
    const [from, to]: number[][] = [[], []];
    for (const [row, column] of places as [number, number][]) {
      if (![row, column, row + down, column + right].every(inside)) continue;
      compared++;
      const there = rowOf(after, row + down, column + right);
      from!.push(...there);
      to!.push(...rowOf(before, row, column));
      if (rowOf(after, row, column).some((x, c) => Math.abs(x - rowOf(before, row, column)[c]!) > 0.01))
        changed++;
    }
    t.near(from!, to!, { abs: 1e-5 }, `by ${down}, ${right}: the same vectors one place further`);
    t.ok(compared >= 16 && changed > compared / 2, `${changed} of ${compared} places changed`);
  }
});

test("convolutions reach as many places as there are of them, and no further", async (t, gpu) => {
  for (const conditionConvs of [1, 2, 3]) {
    const hidden = patchAt(3, 3);
    hidden[4 * shape.side + 4] = shape.codes;
    const [known, masked] = (await conditions(gpu, [patchAt(3, 3), hidden], { conditionConvs })) as [
      Float32Array,
      Float32Array,
    ];
    const differs = (row: number, column: number) =>
      rowOf(known, row, column).some((x, c) => x !== rowOf(masked, row, column)[c]);
    const wrong = (places as [number, number][]).filter(
      ([row, column]) =>
        differs(row, column) !== Math.max(Math.abs(row - 4), Math.abs(column - 4)) <= conditionConvs,
    );
    t.same(wrong, [], `${conditionConvs}: a hidden code changes the square around it and nothing else`);
  }
});

test("many convolutions add as much to the condition as one", async (t, gpu) => {
  const dims = [1, shape.side ** 2, 64];
  const values = randomArray(3, 64 * shape.side ** 2);
  const x = fromArray(gpu, values, dims);
  for (const conditionConvs of [1, 4, 16]) {
    const convs = Array.from(
      { length: conditionConvs },
      () => new ConvBlock(gpu, { ...shape, dim: 64, conditionConvs }),
    );
    for (const [i, conv] of convs.entries()) conv.initialise(20 + i);
    const y = gpu.scope(() => noGrad(() => convs.reduce((stream, conv) => conv.forward(stream), x)));
    const added = (await y.read()).map((value, i) => value - values[i]!);
    const size = Math.sqrt(added.reduce((total, value) => total + value * value, 0) / added.length);
    t.ok(size > 0.4 && size < 0.9, `${conditionConvs}: ${size.toFixed(2)}`);
    y.dispose();
    for (const conv of convs) conv.dispose();
  }
  x.dispose();
});

test("a decoder without convolutions has the parameters of before", (t, gpu) => {
  const names = (changes: Partial<DecoderShape>) => {
    const decoder = new Decoder(gpu, { ...shape, ...changes });
    const all = decoder.parameters().map(({ name }) => name);
    decoder.dispose();
    return all;
  };
  const { conditionConvs: _, ...before } = shape;
  const plain = new Decoder(gpu, before);
  t.same(
    names({ conditionConvs: 0 }),
    plain.parameters().map(({ name }) => name),
    "0 is the default",
  );
  plain.dispose();
  t.same(
    names({ conditionConvs: 0 }).filter((name) => name.startsWith("conditionEncoder")),
    [],
    "nothing of the encoder",
  );
  const parts = ["norm.weight", "norm.bias", "conv.weight", "conv.bias", "output.weight", "output.bias"];
  t.same(
    names({ conditionConvs: 2 })
      .filter((name) => name.startsWith("conditionEncoder."))
      .sort(),
    [
      ...[0, 1].flatMap((i) => parts.map((part) => `conditionEncoder.conv${i}.${part}`)),
      ...["conditionEncoder.norm.weight", "conditionEncoder.norm.bias"],
    ].sort(),
    "two blocks and a last norm",
  );
});

test("the work of convolutions is shared by the captions of a picture", (t, gpu) => {
  const work = (conditionConvs: number, captions: number) => {
    const decoder = new Decoder(gpu, { ...shape, conditionConvs });
    const count = decoder.multiplyAdds(captions);
    decoder.dispose();
    return count;
  };
  // 81 places, 9 taps and one matrix of 12 × 6.
  t.near([work(3, 1) - work(0, 1)], [3 * 81 * 10 * 72], { rel: 1e-9 }, "three");
  t.near([work(3, 4) - work(0, 4)], [(3 * 81 * 10 * 72) / 4], { rel: 1e-9 }, "for four captions");
});

float16Test("convolutions stay float32 in a decoder with float16", (t, gpu) => {
  const decoder = new Decoder(gpu, { ...shape, precision: "f16" });
  const types = decoder
    .parameters()
    .filter(({ name }) => name.startsWith("conditionEncoder."))
    .map(({ tensor }) => tensor.dtype);
  t.same([...new Set(types)], ["f32"], "all of its weights");
  decoder.dispose();
});
