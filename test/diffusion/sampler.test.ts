/** The whole sampler with a perfect network: it has to give back the distribution of the data. */

import { transitionTable } from "../../dist/diffusion/coefficients.js";
import { guidedCondition } from "../../dist/diffusion/guidance.js";
import { sample } from "../../dist/diffusion/sampler.js";
import { Schedule, type SchedulePreset } from "../../dist/diffusion/schedule.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { kernel } from "../../dist/engine/gpu/kernel.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { empty, fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import { test } from "../harness.js";
import { Process } from "../reference/diffusion.js";
import { chiSquareZ } from "../reference/statistics.js";

const tokens = 3;
const states = (tokens + 1) ** 2;
/** A strongly correlated distribution over two tokens. */
const data = [0.3, 0.02, 0.03, 0.01, 0.25, 0.04, 0.05, 0.1, 0.2];

/** [position][k] of p̃(x_0^position = k | both tokens of x_t), by Bayes' rule. */
function denoise(process: Process, a: number, b: number, t: number): number[][] {
  const joint = data.map(
    (p, s) => p * process.forward(Math.floor(s / tokens), t)[a]! * process.forward(s % tokens, t)[b]!,
  );
  const total = joint.reduce((x, y) => x + y, 0);
  const pick = (of: (s: number) => number) =>
    Array.from({ length: tokens }, (_, k) =>
      joint.reduce((sum, p, s) => (of(s) === k ? sum + p / total : sum), 0),
    );
  return total > 0
    ? [pick((s) => Math.floor(s / tokens)), pick((s) => s % tokens)]
    : [
        [1, 0, 0],
        [1, 0, 0],
      ];
}

const lookup = kernel<
  { xt: "u32"; t: "u32"; rows: "f32"; logits: "f32" },
  { count: number },
  Record<never, never>,
  Record<never, never>
>(
  `struct Params { count: u32 }
  @group(0) @binding(0) var<uniform> params: Params;
  @group(0) @binding(1) var<storage, read> xt: array<u32>;
  @group(0) @binding(2) var<storage, read> t: array<u32>;
  @group(0) @binding(3) var<storage, read> rows: array<f32>;
  @group(0) @binding(4) var<storage, read_write> logits: array<f32>;
  @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.count) { return; }
    let state = (t[id.x] * ${tokens + 1}u + xt[2u * id.x]) * ${tokens + 1}u + xt[2u * id.x + 1u];
    for (var i = 0u; i < ${2 * tokens}u; i++) { logits[id.x * ${2 * tokens}u + i] = rows[state * ${2 * tokens}u + i]; }
  }`,
  {
    name: "test.lookup",
    file: "test/diffusion/sampler.test.ts",
    entryPoint: "main",
    bindings: [
      { name: "xt", binding: 1, access: "read", dtype: "u32" },
      { name: "t", binding: 2, access: "read", dtype: "u32" },
      { name: "rows", binding: 3, access: "read", dtype: "f32" },
      { name: "logits", binding: 4, access: "read_write", dtype: "f32" },
    ],
    uniform: { size: 16, members: [{ name: "count", offset: 0, type: "u32", width: 1 }] },
    workgroupSize: [64],
    tunables: {},
    variants: {},
  },
);

/** The perfect network as a table: one row of log p̃ for every step and pair of tokens. */
function network(gpu: Gpu, process: Process) {
  const { steps } = process.schedule;
  const rows = new Float32Array((steps + 1) * states * 2 * tokens);
  for (let t = 1; t <= steps; t++) {
    for (let s = 0; s < states; s++) {
      const p = denoise(process, Math.floor(s / (tokens + 1)), s % (tokens + 1), t).flat();
      rows.set(
        p.map((value) => Math.log(Math.max(value, 1e-30))),
        (t * states + s) * 2 * tokens,
      );
    }
  }
  const table = fromArray(gpu, rows, [rows.length]);
  return (xt: Tensor<"u32">, t: Tensor<"u32">): Tensor => {
    const batch = xt.shape[0]!;
    const logits = empty(gpu, [batch, 2, tokens]);
    gpu.run(lookup, { xt, t, rows: table, logits }, { count: batch }, { groups: [Math.ceil(batch / 64)] });
    return logits;
  };
}

/** The exact distribution of what the sampler returns: its chain over pairs of tokens, in float64. */
function chain(process: Process, visits: readonly number[]): Float64Array {
  const { steps, gammaBar } = process.schedule;
  const gamma = gammaBar[steps]!;
  const prior = [...new Array(tokens).fill((1 - gamma) / tokens), gamma];
  let current = Float64Array.from({ length: states }, (_, s) => prior[Math.floor(s / 4)]! * prior[s % 4]!);
  for (let i = 0; i + 1 < visits.length; i++) {
    const next = new Float64Array(states);
    current.forEach((mass, s) => {
      if (mass === 0) return;
      const pair = [Math.floor(s / 4), s % 4] as const;
      const p = denoise(process, pair[0], pair[1], visits[i]!);
      const [first, second] = p.map((own, position) =>
        process.posterior(own, pair[position]!, visits[i + 1]!, visits[i]!),
      );
      for (let j = 0; j < states; j++) next[j]! += mass * first![Math.floor(j / 4)]! * second![j % 4]!;
    });
    current = next;
  }
  return current;
}

for (const [preset, steps, visits, distance] of [
  ["vq-diffusion-paper", 100, 100, 0.02],
  ["vq-diffusion-paper", 100, 25, 0.06],
  ["vq-diffusion-code", 100, 25, 0.04],
  ["absorbing", 30, 30, 0.04],
  ["uniform", 30, 30, 0.04],
] as [SchedulePreset, number, number, number][]) {
  test(`a perfect network gives the data back: ${preset}, ${visits} of ${steps} steps`, async (t, gpu) => {
    const process = new Process(new Schedule({ tokens, steps, ends: preset }));
    const { schedule } = process;
    const table = transitionTable(gpu, schedule, schedule.visit(visits));
    const batch = 300;
    const result = await sample({ table, predict: network(gpu, process), batch, length: 2, seed: 4 });
    const counts = new Array<number>(states).fill(0);
    const drawn = await result.read();
    for (let b = 0; b < batch; b++) counts[drawn[2 * b]! * 4 + drawn[2 * b + 1]!]!++;
    const exact = chain(process, table.visits);
    const z = chiSquareZ(
      counts,
      exact.map((p) => (p < 1e-12 ? 0 : p)),
    );
    t.ok(z < 3.3, `the draws follow the exact chain (z = ${z.toFixed(2)}): ${counts}`);
    // Positions are drawn independently within a step, so the chain itself is off by about one step's worth.
    let off = 0;
    for (let s = 0; s < states; s++) {
      const [a, b] = [Math.floor(s / 4), s % 4];
      off += Math.abs(exact[s]! - (a < tokens && b < tokens ? data[a * tokens + b]! : 0)) / 2;
    }
    t.ok(off < distance, `the chain is the data within ${distance} in total variation (${off.toFixed(4)})`);
    result.dispose();
    table.dispose();
  });
}

test("infilling, guidance and the callback", async (t, gpu) => {
  const process = new Process(new Schedule({ tokens, steps: 20 }));
  const table = transitionTable(gpu, process.schedule);
  const net = network(gpu, process);
  const batch = 200;
  const at = fromArray(
    gpu,
    Uint32Array.from({ length: 2 * batch }, (_, i) => (i % 2 === 0 ? 1 : 0)),
    [batch, 2],
    "u32",
  );
  const words = fromArray(gpu, new Uint32Array(2 * batch).fill(1), [batch, 2], "u32");
  const filled = await sample({ table, predict: net, batch, length: 2, fixed: { at, words }, seed: 1 });
  const drawn = await filled.read();
  t.ok(
    drawn.every((token, i) => i % 2 === 1 || token === 1),
    "given words stay",
  );
  const agreeing = drawn.filter((token, i) => i % 2 === 1 && token === 1).length / batch;
  t.ok(agreeing > 0.7, `the other word follows the given one (${agreeing})`);

  const condition = fromArray(gpu, new Uint32Array(2 * 70).fill(5), [2, 70], "u32");
  const seen: number[][] = [];
  const conditions = new Set<unknown>();
  const visited: number[] = [];
  const predict = (xt: Tensor<"u32">, times: Tensor<"u32">, given: Tensor<"u32"> | null) => {
    seen.push([xt.shape[0]!, times.shape[0]!, given!.shape[0]!]);
    conditions.add(given);
    return net(xt, times);
  };
  const guidance = { method: "mcs", scale: 2, maskId: 9 } as const;
  const options = { table, predict, batch: 2, length: 2, condition, seed: 3 };
  const guided = await sample({
    ...options,
    guidance,
    onStep: async ({ u, tokens: xt }) => {
      visited.push(u);
      const halves = await xt.read();
      if (u > 0 && String(halves.slice(0, 4)) !== String(halves.slice(4)))
        t.ok(false, `the halves differ at ${u}`);
    },
  });
  t.same([...guided.shape], [2, 2], "one result a sample");
  t.ok(
    seen.every((row) => row.every((n) => n === 4)),
    "both branches in one batch of 2B",
  );
  t.equal(conditions.size, 1, "masked once for all steps");
  t.same(
    visited,
    Array.from({ length: 20 }, (_, i) => 19 - i),
    "every step reported",
  );
  conditions.clear();
  const redrawn = await sample({ ...options, guidance: { ...guidance, redraw: true } });
  t.equal(conditions.size, 20, "or redrawn at every step");
  seen.length = 0;
  const one = await sample({ ...options, guidance: { ...guidance, scale: 1 } });
  t.ok(
    seen.every((row) => row[0] === 2),
    "scale 1 needs no second branch",
  );
  const plain = await sample({ ...options, guidance: null });
  t.same([...(await one.read())], [...(await plain.read())], "and is the full model");
  for (const tensor of [filled, guided, redrawn, one, plain]) tensor.dispose();
  const late = transitionTable(gpu, process.schedule, [10, 5, 0]);
  await t.throwsMessage(
    sample({ ...options, table: late }),
    /starts at step 20, but the first step to visit is 10/,
    "a late start",
  );
  await t.throwsMessage(
    sample({ ...options, condition: null, guidance }),
    /needs a condition/,
    "guidance without a condition",
  );
  table.dispose();
  late.dispose();
});

test("hidden positions: the whole condition first, then the one without them", async (t, gpu) => {
  const rng = new Rng(gpu, 1);
  const y = fromArray(gpu, [1, 2, 3, 4, 5, 6], [2, 3], "u32");
  const both = guidedCondition(rng, y, { method: "mcs", scale: 2, maskId: 9, hidden: [0, 1, 0] });
  t.same([...both.shape], [4, 3], "two conditions a picture");
  t.same(
    [...(await both.read())],
    [1, 2, 3, 4, 5, 6, 1, 9, 3, 4, 9, 6],
    "the second with the masked position",
  );
  for (const owned of [rng, y, both]) owned.dispose();
});

test("sampling gives its memory back", async (t, gpu) => {
  const process = new Process(new Schedule({ tokens, steps: 20 }));
  const table = transitionTable(gpu, process.schedule);
  const net = network(gpu, process);
  const condition = fromArray(gpu, new Uint32Array(8).fill(1), [2, 4], "u32");
  const before = gpu.memory.liveBytes;
  const guidance = { method: "cfg", scale: 2, maskId: 3, redraw: true } as const;
  (await sample({ table, predict: net, batch: 2, length: 2, condition, guidance })).dispose();
  t.equal(gpu.memory.liveBytes, before, "live bytes as before");
  table.dispose();
});
