import { reverseProbabilities } from "../../dist/diffusion/posterior.js";
import { Schedule, type SchedulePreset, schedulePresets } from "../../dist/diffusion/schedule.js";
import { transitionTable } from "../../dist/diffusion/table.js";
import { klLoss } from "../../dist/ops/kl.js";
import { backward } from "../../dist/tensor/autograd.js";
import { fromArray } from "../../dist/tensor/tensor.js";
import { checkOp, randomArray, test } from "../harness.js";
import { Process, softmax } from "../reference/diffusion.js";

/** Rows that cover x_t = [MASK], x_t = x_0 and x_t a third token, for steps 1, 2, middle, T. */
function cases(preset: SchedulePreset, tokens: number, steps: number) {
  const times = [1, 2, Math.ceil(steps / 2), steps];
  const perStep = 3;
  const x0: number[] = [];
  const xt: number[] = [];
  times.forEach((_, i) => {
    const start = (i * 5 + 1) % tokens;
    x0.push(start, start, start);
    const other = preset === "absorbing" ? start : (start + 1) % tokens;
    xt.push(preset === "uniform" ? other : tokens, start, other);
  });
  return { times, perStep, x0, xt };
}

for (const preset of schedulePresets) {
  for (const [tokens, steps] of [
    [2, 2],
    [5, 7],
    [17, 100],
  ] as const) {
    test(`KL loss, ${preset}, M = ${tokens}, T = ${steps}, against explicit matrices`, async (t, gpu) => {
      const schedule = new Schedule({ tokens, steps, ends: preset });
      const process = new Process(schedule);
      const table = transitionTable(gpu, schedule);
      const { times, perStep, x0, xt } = cases(preset, tokens, steps);
      const rows = x0.length;
      const weights = randomArray(7, rows).map(Math.abs);
      const lambda = 0.3;
      const gpuX0 = fromArray(gpu, x0, [4, 3], "u32");
      const gpuXt = fromArray(gpu, xt, [4, 3], "u32");
      const gpuT = fromArray(gpu, times, [4], "u32");
      const gpuWeights = fromArray(gpu, weights, [rows]);
      const inputs = { x0: gpuX0, xt: gpuXt, t: gpuT, coefficients: table.coefficients };
      for (const scale of [0.7, 6]) {
        const logits = randomArray(tokens * 10 + steps, rows * tokens, scale);
        const rowTerms = (values: Float64Array, row: number) => {
          const own = values.subarray(row * tokens, (row + 1) * tokens);
          const time = times[Math.floor(row / perStep)]!;
          const nll = -Math.log(softmax(own)[x0[row]!]!);
          // An unmasked token of a process that cannot replace is x_0: its step costs nothing.
          const frozen = preset === "absorbing" && xt[row]! < tokens;
          const kl = frozen ? 0 : process.kl(own, x0[row]!, xt[row]!, time);
          return { kl, nll, auxiliary: lambda * (2 - (time - 1) / steps) * nll };
        };
        const { loss, terms } = klLoss(
          { ...inputs, logits: fromArray(gpu, logits, [4, 3, tokens]) },
          { lambda, adaptive: true, weights: gpuWeights },
        );
        const expected = Array.from({ length: rows }, (_, row) => rowTerms(logits, row));
        const got = await terms.read();
        t.near(
          got.slice(0, rows),
          expected.map((e) => e.kl),
          { abs: 3e-6, rel: 3e-5 },
          `KL per row, scale ${scale}`,
        );
        t.near(
          got.slice(rows, 2 * rows),
          expected.map((e) => e.nll),
          { abs: 1e-6, rel: 1e-5 },
          "auxiliary per row",
        );
        const mean = expected.reduce((sum, e, row) => sum + (weights[row]! * (e.kl + e.auxiliary)) / rows, 0);
        t.near(await loss.read(), [mean], { abs: 1e-6, rel: 2e-5 }, "mean loss");
        for (let i = 0; i < 3; i++) {
          if (times[i] !== 1) continue;
          const row = i * perStep;
          t.near([got[row]!], [expected[row]!.nll], { abs: 1e-6, rel: 1e-5 }, "t = 1 is the cross-entropy");
        }
      }
      await checkOp(t, gpu, "loss", {
        inputs: [{ shape: [rows, tokens], data: randomArray(3, rows * tokens, 2) }],
        gpu: (logits) =>
          klLoss({ ...inputs, logits }, { lambda, weights: gpuWeights, maskWeight: [1, 0.5] }).loss,
        reference: (values) => {
          let sum = 0;
          for (let row = 0; row < rows; row++) {
            const own = values.subarray(row * tokens, (row + 1) * tokens);
            const masked = xt[row] === tokens;
            const frozen = preset === "absorbing" && !masked;
            const kl = frozen ? 0 : process.kl(own, x0[row]!, xt[row]!, times[Math.floor(row / perStep)]!);
            sum +=
              (weights[row]! * ((masked ? 1 : 0.5) * kl - lambda * Math.log(softmax(own)[x0[row]!]!))) / rows;
          }
          return Float64Array.of(sum);
        },
        tolerance: { forward: { abs: 2e-6, rel: 2e-5 }, gradient: { abs: 2e-6, rel: 1e-4 } },
      });
      table.dispose();
    });
  }
}

test("KL loss where the network is certain, right or wrong, stays finite", async (t, gpu) => {
  const tokens = 1741;
  for (const preset of schedulePresets) {
    const table = transitionTable(gpu, new Schedule({ tokens, ends: preset }));
    const logits = new Float64Array(4 * tokens);
    for (const [row, k] of [3, 9, 3, 9].entries()) logits[row * tokens + k] = 80;
    const x0 = fromArray(gpu, [3, 3, 3, 3], [4], "u32");
    const masked = preset === "uniform" ? 5 : tokens;
    const xt = fromArray(gpu, [masked, masked, 3, 3], [4], "u32");
    for (const time of [1, 2, 50, 100]) {
      const leaf = fromArray(gpu, logits, [4, tokens]).requireGrad();
      const { loss, terms } = klLoss({
        logits: leaf,
        x0,
        xt,
        t: fromArray(gpu, [time], [1], "u32"),
        coefficients: table.coefficients,
      });
      backward(loss);
      const values = await terms.read();
      t.ok(values.every(Number.isFinite), `${preset}, t = ${time}: terms are finite`);
      t.ok(
        Math.abs(values[0]!) < 1e-5 && values[1]! > -1e-6,
        `${preset}, t = ${time}: certain and right costs nothing (${values[0]})`,
      );
      t.ok((await leaf.grad!.read()).every(Number.isFinite), `${preset}, t = ${time}: gradient is finite`);
    }
    table.dispose();
  }
});

test("KL loss: wrong shapes are named", async (t, gpu) => {
  const table = transitionTable(gpu, new Schedule({ tokens: 5, steps: 4 }));
  const u32 = (n: number) => fromArray(gpu, new Array(n).fill(1), [n], "u32");
  const logits = fromArray(gpu, new Array(30).fill(0), [6, 5]);
  const call = (x0: number, t: number) => () =>
    klLoss({ logits, x0: u32(x0), xt: u32(6), t: u32(t), coefficients: table.coefficients });
  await t.throwsMessage(call(5, 2), /klLoss.*6 rows, x0 \[5\]/, "x0 too short");
  await t.throwsMessage(call(6, 4), /klLoss.*6 rows.*t \[4\]/, "rows not divisible among t");
  table.dispose();
});

test("KL loss over thousands of tokens: value, and gradient by finite differences of the closed form", async (t, gpu) => {
  const tokens = 3001;
  const times = [2, 40, 100];
  for (const ends of schedulePresets) {
    const schedule = new Schedule({ tokens, ends });
    const table = transitionTable(gpu, schedule);
    const x0 = [5, 5, 5];
    const other = ends === "absorbing" ? 5 : 8;
    const xt = [ends === "uniform" ? 9 : tokens, 5, other];
    const rows = times.length * 3;
    const logits = randomArray(31, rows * tokens, 3);
    const kl = (values: Float64Array, row: number) => {
      const time = times[Math.floor(row / 3)]!;
      const onehot = new Float64Array(tokens);
      onehot[5] = 1;
      const q = reverseProbabilities(schedule, onehot, xt[row % 3]!, time - 1, time);
      const p = reverseProbabilities(schedule, softmax(values), xt[row % 3]!, time - 1, time);
      return q.reduce((sum, mass, j) => (mass > 0 ? sum + mass * Math.log(mass / p[j]!) : sum), 0);
    };
    const row = (i: number) => logits.subarray(i * tokens, (i + 1) * tokens);
    const leaf = fromArray(gpu, logits, [rows, tokens]).requireGrad();
    const tile = (values: number[]) =>
      fromArray(
        gpu,
        times.flatMap(() => values),
        [rows],
        "u32",
      );
    const { loss, terms } = klLoss({
      logits: leaf,
      x0: tile(x0),
      xt: tile(xt),
      t: fromArray(gpu, times, [3], "u32"),
      coefficients: table.coefficients,
    });
    backward(loss);
    const got = (await terms.read()).slice(0, rows);
    t.near(
      got,
      Array.from({ length: rows }, (_, i) => kl(row(i), i)),
      { abs: 1e-5, rel: 5e-5 },
      `${ends}: KL`,
    );
    const gradient = await leaf.grad!.read();
    for (const k of [0, 5, 8, 9, 3000]) {
      const exact = Array.from({ length: rows }, (_, i) => {
        const moved = (by: number) => {
          const values = row(i).slice();
          values[k]! += by;
          return kl(values, i);
        };
        return (moved(1e-4) - moved(-1e-4)) / 2e-4 / rows;
      });
      const own = Array.from({ length: rows }, (_, i) => gradient[i * tokens + k]!);
      t.near(own, exact, { abs: 1e-7, rel: 1e-3 }, `${ends}: gradient at token ${k}`);
    }
    table.dispose();
  }
});
