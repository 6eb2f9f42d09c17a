import { stepThresholds, transitionTable } from "../../dist/diffusion/coefficients.js";
import { qSample, samplePrior, sampleTimesteps } from "../../dist/diffusion/forward.js";
import { maskCondition } from "../../dist/diffusion/masking.js";
import { Schedule, schedulePresets } from "../../dist/diffusion/schedule.js";
import { below, happens, philox, probabilityThreshold, seedWords } from "../../dist/engine/ops/philox.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { drawRestartRows } from "../../dist/models/vqvae/codebook.js";
import { test } from "../harness.js";
import { Process } from "../reference/diffusion.js";
import { chiSquareZ } from "../reference/statistics.js";

const words = (rng: Rng, index: number, stream: number, kind = 0) =>
  philox([index, stream, rng.step, kind], seedWords(rng.seed));

function histogram(values: ArrayLike<number>, cells: number): number[] {
  const counts = new Array<number>(cells).fill(0);
  for (let i = 0; i < values.length; i++) counts[values[i]!]!++;
  return counts;
}

test("q-sample draws from the row of the cumulative matrix", async (t, gpu) => {
  const tokens = 5;
  const perStep = 20_000;
  for (const preset of schedulePresets) {
    const schedule = new Schedule({ tokens, steps: 20, ends: preset });
    const process = new Process(schedule);
    const table = transitionTable(gpu, schedule);
    const rng = new Rng(gpu, 3);
    const times = [1, 7, 20];
    const x0 = fromArray(gpu, new Array(3 * perStep).fill(2), [3, perStep], "u32");
    const xt = await qSample(rng, table, x0, fromArray(gpu, times, [3], "u32")).read();
    times.forEach((time, i) => {
      const counts = histogram(xt.subarray(i * perStep, (i + 1) * perStep), tokens + 1);
      // At t = 1 so little happens that its cells are pooled; products of matrices leave 1e-17 where 0 is meant.
      const exact = process.forward(2, time).map((p) => (p < 1e-12 ? 0 : p));
      t.ok(chiSquareZ(counts, exact) < 3.3, `${preset}, t = ${time}: ${counts}`);
    });
    const prior = histogram(await samplePrior(rng, table, [perStep]).read(), tokens + 1);
    const gamma = schedule.gammaBar[20]!;
    t.ok(
      chiSquareZ(prior, [...new Array(tokens).fill((1 - gamma) / tokens), gamma]) < 3.3,
      `${preset}: prior ${prior}`,
    );
    table.dispose();
    rng.dispose();
  }
});

test("q-sample, time steps and condition masks have the same bits in TypeScript", async (t, gpu) => {
  const schedule = new Schedule({ tokens: 1741 });
  const table = transitionTable(gpu, schedule);
  const rng = new Rng(gpu, 99);
  rng.setStep(12);
  const times = sampleTimesteps(rng, table, 130);
  const t130 = await times.read();
  t.same(
    [...t130],
    Array.from(t130, (_, b) => 1 + below(words(rng, b, 0)[0], 100)),
    "time steps",
  );
  const x0 = Uint32Array.from({ length: 130 * 17 }, (_, i) => (i * 31) % 1741);
  const xt = await qSample(rng, table, fromArray(gpu, x0, [130, 17], "u32"), times).read();
  const expected = Array.from(x0, (token, i) => {
    const time = t130[Math.floor(i / 17)]!;
    const [mask, uniform] = stepThresholds(schedule, time - 1, time);
    const [decision, choice] = words(rng, i, 1);
    if (happens(decision, mask!)) return 1741;
    return happens(decision, uniform!) ? below(choice, 1741) : token;
  });
  t.same([...xt], expected, "x_t");
  const y = Uint32Array.from({ length: 50 * 64 }, (_, i) => i % 512);
  const masked = await maskCondition(rng, fromArray(gpu, y, [50, 64], "u32"), {
    conditionRate: 0.4,
    maskRate: 0.3,
    maskId: 512,
  }).read();
  const wanted = Array.from(y, (code, i) => {
    const chosen = happens(words(rng, Math.floor(i / 64), 2, 1)[0], probabilityThreshold(0.4));
    return chosen && happens(words(rng, i, 2)[0], probabilityThreshold(0.3)) ? 512 : code;
  });
  t.same([...masked], wanted, "masked condition");
  table.dispose();
  rng.dispose();
});

test("time steps are uniform over 1 … T", async (t, gpu) => {
  const table = transitionTable(gpu, new Schedule({ tokens: 3, steps: 7 }));
  const rng = new Rng(gpu, 5);
  const counts = histogram(await sampleTimesteps(rng, table, 20_000).read(), 8);
  t.equal(counts[0], 0, "never 0");
  t.ok(chiSquareZ(counts.slice(1), new Array(7).fill(1 / 7)) < 3.3, `uniform: ${counts}`);
  table.dispose();
  rng.dispose();
});

/** Row of rank `rank` in the permutation of shaders/diffusion/forward.wgsl. */
function permuted(rng: Rng, stream: number, rank: number, rows: number): number {
  const half = Math.ceil(Math.log2(rows) / 2);
  const low = 2 ** half - 1;
  let x = rank;
  do {
    for (let round = 0; round < 10; round++) {
      const right = x & low;
      x = (right << half) | ((x >> half) ^ (words(rng, right, stream, 2 + round)[0] & low));
    }
  } while (x >= rows);
  return x;
}

test("codes that are due for a restart get different rows", async (t, gpu) => {
  const rng = new Rng(gpu, 21);
  for (const [codes, rows] of [
    [512, 512],
    [300, 300],
    [130, 1000],
    [70, 33],
    [9, 2],
    [5, 1],
  ] as const) {
    // Two of three are due, so more of them than rows in the last three cases.
    const idle = Float32Array.from({ length: codes }, (_, k) => (k % 3 === 1 ? 4 : 5 + (k % 7)));
    rng.setStep(3);
    const drawn = await drawRestartRows(rng, fromArray(gpu, idle, [codes]), rows, 5).read();
    const due = Array.from(idle.keys()).filter((k) => idle[k]! >= 5);
    const name = `${due.length} of ${codes} codes, ${rows} rows`;
    const expected = new Array<number>(codes).fill(0);
    due.forEach((code, rank) => {
      expected[code] = permuted(rng, 0, rank % rows, rows);
    });
    t.same([...drawn], expected, `${name}: the same rows in TypeScript`);
    const times = histogram(
      due.map((code) => drawn[code]!),
      rows,
    );
    const [least, most] = [Math.floor(due.length / rows), Math.ceil(due.length / rows)];
    t.ok(
      times.every((n) => n >= least && n <= most),
      `${name}: each row ${least} or ${most} times`,
    );
  }
  rng.dispose();
});

test("rows of restarts are uniform, and so are pairs of them", async (t, gpu) => {
  const rng = new Rng(gpu, 22);
  const [rows, draws] = [7, 3000];
  const idle = fromArray(gpu, [1, 1, 1], [3]);
  const drawing: Promise<Uint32Array>[] = [];
  for (let stream = 0; stream < draws; stream++) {
    const tensor = drawRestartRows(rng, idle, rows, 1);
    drawing.push(tensor.read());
    tensor.dispose();
  }
  const drawn = await Promise.all(drawing);
  for (const code of [0, 1, 2]) {
    const counts = histogram(
      drawn.map((row) => row[code]!),
      rows,
    );
    t.ok(chiSquareZ(counts, new Array(rows).fill(1 / rows)) < 3.3, `code ${code}: ${counts}`);
  }
  const pairs = histogram(
    drawn.map(([first, , third]) => first! * rows + third!),
    rows * rows,
  );
  const exact = pairs.map((_, i) => (i % rows === Math.floor(i / rows) ? 0 : 1 / (rows * (rows - 1))));
  t.ok(chiSquareZ(pairs, exact) < 3.3, "the first and the third code: all pairs of different rows alike");
  idle.dispose();
  rng.dispose();
});

test("condition masking is Algorithm 1: some samples, some of their positions", async (t, gpu) => {
  const [samples, positions] = [2000, 64];
  const y = fromArray(gpu, new Uint32Array(samples * positions).fill(7), [samples, positions], "u32");
  const rng = new Rng(gpu, 8);
  const lost = (values: Uint32Array) =>
    Array.from(
      { length: samples },
      (_, b) => values.subarray(b * positions, (b + 1) * positions).filter((code) => code === 9).length,
    );
  const some = lost(await maskCondition(rng, y, { conditionRate: 0.1, maskRate: 0.25, maskId: 9 }).read());
  const touched = some.filter((count) => count > 0);
  t.near([touched.length / samples], [0.1], { abs: 0.027 }, "a tenth of the samples (4 standard deviations)");
  t.near(
    [touched.reduce((a, b) => a + b, 0) / touched.length / positions],
    [0.25],
    { abs: 0.02 },
    "a quarter of their positions",
  );
  const whole = lost(await maskCondition(rng, y, { conditionRate: 0.5, maskRate: 1, maskId: 9 }).read());
  t.ok(
    whole.every((count) => count === 0 || count === positions),
    "P_mask = 1 drops whole conditions",
  );
  const dropped = lost(
    await maskCondition(rng, y, { conditionRate: 0.5, maskRate: 0.25, dropRate: 0.2, maskId: 9 }).read(),
  );
  t.near(
    [dropped.filter((count) => count === positions).length / samples],
    [0.2],
    { abs: 0.036 },
    "P_drop drops a fifth of the whole conditions (4 standard deviations)",
  );
  t.near(
    [dropped.filter((count) => count > 0 && count < positions).length / samples],
    [0.4],
    { abs: 0.044 },
    "and leaves P_cond of the others to P_mask",
  );
  const never = lost(await maskCondition(rng, y, { conditionRate: 0, maskRate: 1, maskId: 9 }).read());
  t.ok(
    never.every((count) => count === 0),
    "P_cond = 0 drops nothing",
  );
  const pair = await maskCondition(rng, y, { conditionRate: 1, maskRate: 1, maskId: 9 }, true).read();
  t.ok(
    pair.every((code, i) => code === (i < y.size ? 7 : 9)),
    "a pair: full, then masked",
  );
  await t.throwsMessage(
    () => maskCondition(rng, y, { conditionRate: 2, maskRate: 0, maskId: 9 }),
    /P_cond is 2/,
    "a bad rate",
  );
  rng.dispose();
});
