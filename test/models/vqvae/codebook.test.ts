import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { add, mul } from "../../../dist/engine/ops/elementwise.js";
import { sum } from "../../../dist/engine/ops/reduce.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import {
  batchSums,
  type CodebookState,
  initialiseCodes,
  nearestCodes,
  quantizeStraightThrough,
  restartCodes,
  updateCodebook,
} from "../../../dist/models/vqvae/codebook.js";
import { randomArray, test } from "../../harness.js";
import { ReferenceCodebook, referenceNearest } from "../../reference/codebook.js";

/** A device that claims fewer features or smaller subgroups than `gpu` has. */
function limited(gpu: Gpu, features: string[], subgroupMinSize: number): Gpu {
  const device = new Proxy(gpu.device, {
    get(target, name) {
      if (name === "features") return new Set(features);
      if (name === "adapterInfo") return { subgroupMinSize };
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return Gpu.from(device, { software: true });
}

const searches: [number, number, number][] = [
  [1, 1, 4],
  [3, 17, 4],
  [65, 65, 8],
  [17, 33, 3],
  [9, 130, 17],
  [200, 512, 64],
  [5, 1000, 16],
];

for (const [rows, codeCount, width] of searches) {
  test(`nearest of ${codeCount} codes for ${rows} vectors of ${width}`, async (t, gpu) => {
    const z = Float32Array.from(randomArray(1, rows * width));
    const e = Float32Array.from(randomArray(2, codeCount * width));
    const expected = referenceNearest(z, e, width);
    const devices: [string, Gpu][] = [["default", gpu]];
    if (rows < 100) {
      devices.push(["portable", limited(gpu, [], 0)]);
      if (gpu.has("subgroups")) devices.push(["lanes of 4", limited(gpu, ["subgroups"], 4)]);
    }
    for (const [name, device] of devices) {
      const [vectors, codes] = [
        fromArray(device, z, [rows, width]),
        fromArray(device, e, [codeCount, width]),
      ];
      const { ids, distance } = nearestCodes(vectors, codes);
      const found = await ids.read();
      // Float32 may decide between codes that are equally near to within its precision.
      const wrong = expected.ids.filter((id, n) => found[n] !== id && expected.margin[n]! > 1e-4 * width);
      t.same(wrong, [], `${name}: ids`);
      const direct = Float64Array.from(found, (id, n) => {
        let total = 0;
        for (let d = 0; d < width; d++) total += (z[n * width + d]! - e[id * width + d]!) ** 2;
        return total;
      });
      t.near(await distance.read(), direct, { rel: 1e-5, abs: 1e-6 }, `${name}: distances of these ids`);
      for (const tensor of [vectors, codes, ids, distance]) tensor.dispose();
    }
  });
}

test("ties go to the lowest code, across lanes and ranges", async (t, gpu) => {
  const width = 4;
  const codeCount = 200;
  const rows = 13;
  // Every code is one of 7 vectors, so each has nearly 30 equals; code k equals code k + 7.
  const distinct = randomArray(3, 7 * width);
  const e = Float64Array.from({ length: codeCount * width }, (_, i) => distinct[i % (7 * width)]!);
  const z = Float64Array.from({ length: rows * width }, (_, i) => distinct[i % (7 * width)]! + 0.01);
  for (const [name, device] of [
    ["default", gpu],
    ["portable", limited(gpu, [], 0)],
  ] as [string, Gpu][]) {
    const [vectors, codes] = [fromArray(device, z, [rows, width]), fromArray(device, e, [codeCount, width])];
    const { ids, distance } = nearestCodes(vectors, codes);
    t.same(
      [...(await ids.read())],
      Array.from({ length: rows }, (_, n) => n % 7),
      `${name}: lowest of equals`,
    );
    for (const tensor of [vectors, codes, ids, distance]) tensor.dispose();
  }
});

function codebook(gpu: Gpu, codes: Float64Array, width: number): CodebookState {
  const count = codes.length / width;
  return {
    codes: fromArray(gpu, codes, [count, width]),
    sums: fromArray(gpu, codes, [count, width]),
    counts: fromArray(gpu, new Float64Array(count).fill(1), [count]),
    idle: fromArray(gpu, new Float64Array(count), [count]),
  };
}

function free(state: CodebookState): void {
  for (const tensor of Object.values(state)) tensor.dispose();
}

// The last case has more rows and columns than a workgroup looks at in one go.
for (const [rows, width, tolerance] of [
  [37, 3, 1e-5],
  [37, 8, 1e-5],
  [4500, 300, 1e-4],
] as const) {
  test(`running update over several batches of ${rows}, width ${width}`, async (t, gpu) => {
    const [codeCount, decay, epsilon] = [11, 0.9, 1e-5];
    const start = randomArray(4, codeCount * width);
    const state = codebook(gpu, start, width);
    const reference = new ReferenceCodebook(start, width);
    for (let step = 0; step < 5; step++) {
      const z = randomArray(10 + step, rows * width);
      const picks = Uint32Array.from(randomArray(20 + step, rows), (v) =>
        Math.min(9, Math.floor(Math.abs(v) * 4)),
      );
      const vectors = fromArray(gpu, z, [rows, width]);
      const ids = fromArray(gpu, picks, [rows], "u32");
      const usage = updateCodebook(state, batchSums(vectors, ids, codeCount), rows, { decay, epsilon });
      const expected = reference.update(z, picks, decay, epsilon);
      t.near(
        await usage.read(),
        expected,
        { rel: 1e-5 },
        `step ${step}: total, perplexity, used codes, vectors`,
      );
      for (const tensor of [vectors, ids, usage]) tensor.dispose();
    }
    const near = { abs: tolerance, rel: tolerance };
    t.near(await state.counts.read(), reference.counts, near, "running counts");
    t.near(await state.sums.read(), reference.sums, near, "running sums");
    t.near(await state.codes.read(), reference.codes, near, "codes");
    t.near(await state.idle.read(), reference.idle, {}, "updates since the last use");
    free(state);
  });
}

test("idle codes restart from picked vectors, others stay", async (t, gpu) => {
  const width = 4;
  const state = codebook(gpu, randomArray(5, 5 * width), width);
  const before = await state.codes.read();
  state.idle.write([0, 3, 2, 9, 1]);
  const z = fromArray(gpu, randomArray(6, 6 * width), [6, width]);
  const picks = fromArray(gpu, [0, 5, 1, 8, 2], [5], "u32");
  restartCodes(state, z, picks, 3);
  const rows = await z.read();
  const expected = Float32Array.from(before);
  expected.set(rows.subarray(5 * width, 6 * width), width);
  expected.set(rows.subarray(2 * width, 3 * width), 3 * width);
  t.same(await state.codes.read(), expected, "codes 1 and 3 are vectors 5 and 8 modulo 6");
  t.same([...(await state.idle.read())], [0, 0, 2, 0, 1], "idle counters");
  state.counts.write([4, 4, 4, 4, 4]);
  initialiseCodes(state, z, picks);
  t.same([...(await state.counts.read())], [1, 1, 1, 1, 1], "initialising restarts all");
  t.same((await state.codes.read()).subarray(0, width), rows.subarray(0, width), "code 0 is vector 0");
  for (const tensor of [z, picks]) tensor.dispose();
  free(state);
});

test("the straight-through gradient is that of the output plus the commitment term", async (t, gpu) => {
  const [rows, width, codeCount, beta] = [7, 5, 9, 0.3];
  const z = randomArray(7, rows * width);
  const e = randomArray(8, codeCount * width);
  const r = randomArray(9, rows * width);
  const leaf = fromArray(gpu, z, [rows, width]).requireGrad();
  const codes = fromArray(gpu, e, [codeCount, width]);
  const weights = fromArray(gpu, r, [rows, width]);
  const result = gpu.scope(() => {
    const { quantized, ids, commitmentLoss } = quantizeStraightThrough(leaf, codes, beta);
    backward(add(sum(mul(quantized, weights)), commitmentLoss));
    return { quantized: quantized.detach(), ids, loss: commitmentLoss.detach() };
  });
  const { ids, distance } = referenceNearest(z, e, width);
  t.same([...(await result.ids.read())], ids, "ids");
  const nearest = Float64Array.from(z, (_, i) => e[ids[Math.floor(i / width)]! * width + (i % width)]!);
  t.near(await result.quantized.read(), nearest, { abs: 1e-6 }, "quantized vectors are codes");
  const loss = (beta * distance.reduce((a, b) => a + b, 0)) / z.length;
  t.near([await result.loss.item()], [loss], { rel: 1e-5 }, "commitment loss");
  const gradient = z.map((value, i) => r[i]! + (beta * 2 * (value - nearest[i]!)) / z.length);
  t.near(await leaf.grad!.read(), gradient, { abs: 1e-6, rel: 1e-5 }, "gradient");
  leaf.grad!.dispose();
  for (const tensor of [leaf, codes, weights, result.quantized, result.ids, result.loss]) tensor.dispose();
});

test("the codebook says what does not fit", async (t, gpu) => {
  const z = fromArray(gpu, randomArray(1, 12), [3, 4]);
  const codes = fromArray(gpu, randomArray(1, 15), [3, 5]);
  await t.throwsMessage(
    () => nearestCodes(z, codes),
    /z \[3, 4\] and codes \[3, 5\]: widths differ/,
    "widths",
  );
  z.dispose();
  codes.dispose();
});
