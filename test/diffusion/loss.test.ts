import { transitionTable } from "../../dist/diffusion/coefficients.js";
import { klLoss } from "../../dist/diffusion/loss.js";
import { Schedule, type SchedulePreset, schedulePresets } from "../../dist/diffusion/schedule.js";
import { backward } from "../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../harness.js";
import { explicitKl, Process, softmax } from "../reference/diffusion.js";

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
      for (const adaptive of [false, true]) {
        await checkOp(t, gpu, adaptive ? "loss, adaptive" : "loss", {
          inputs: [{ shape: [rows, tokens], data: randomArray(3, rows * tokens, 2) }],
          gpu: (logits) =>
            klLoss({ ...inputs, logits }, { lambda, adaptive, weights: gpuWeights, maskWeight: [1, 0.5] })
              .loss,
          reference: (values) => {
            let sum = 0;
            for (let row = 0; row < rows; row++) {
              const own = values.subarray(row * tokens, (row + 1) * tokens);
              const masked = xt[row] === tokens;
              const frozen = preset === "absorbing" && !masked;
              const time = times[Math.floor(row / perStep)]!;
              const kl = frozen ? 0 : process.kl(own, x0[row]!, xt[row]!, time);
              const nll = -Math.log(softmax(own)[x0[row]!]!);
              const factor = adaptive ? 2 - (time - 1) / steps : 1;
              sum += (weights[row]! * ((masked ? 1 : 0.5) * kl + lambda * factor * nll)) / rows;
            }
            return Float64Array.of(sum);
          },
          tolerance: { forward: { abs: 2e-6, rel: 2e-5 }, gradient: { abs: 2e-6, rel: 1e-4 } },
        });
      }
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

/** [MASK], x_0 itself and another token, as far as the process can produce them. */
function noisedKinds(preset: SchedulePreset, tokens: number, start: number): number[] {
  const other = (start + 3) % tokens;
  if (preset === "uniform") return [other, start];
  return preset === "absorbing" ? [tokens, start] : [tokens, start, other];
}

for (const [tokens, runs] of [
  [7, [[100, 99, 60, 20, 2, 1, 0], null]],
  [65, [[100, 60, 20, 1, 0], null]],
  [1741, [[100, 60, 1, 0], null]],
  [4096, [null]],
] as [number, (number[] | null)[]][]) {
  test(`KL loss, M = ${tokens}, every schedule, steps and jumps, against sums over all matrix entries`, async (t, gpu) => {
    for (const ends of schedulePresets) {
      for (const visits of runs) {
        const schedule = new Schedule({ tokens, ends });
        const table = transitionTable(gpu, schedule, visits ?? undefined);
        const times = visits?.slice(0, -1) ?? (tokens > 2000 ? [2, 100] : [1, 2, 50, 100]);
        const before = (time: number) => visits?.[visits.indexOf(time) + 1] ?? time - 1;
        const start = tokens - 2;
        const kinds = noisedKinds(ends, tokens, start);
        const rows = times.flatMap((time) => kinds.map((xt) => ({ time, xt })));
        const logits = randomArray(31 + tokens, rows.length * tokens, 3);
        const leaf = fromArray(gpu, logits, [rows.length, tokens]).requireGrad();
        const ids = (values: number[]) => fromArray(gpu, values, [values.length], "u32");
        const targets = {
          x0: ids(rows.map(() => start)),
          xt: ids(rows.map(({ xt }) => xt)),
          t: ids(times),
        };
        const { loss, terms } = klLoss({ ...targets, logits: leaf, coefficients: table.coefficients });
        backward(loss);
        const expected = rows.map(({ time, xt }, row) => {
          const own = logits.subarray(row * tokens, (row + 1) * tokens);
          return explicitKl(schedule, own, start, xt, before(time), time);
        });
        const title = `${ends}${visits ? `, visiting ${visits.join(" ")}` : ""}`;
        t.near(
          (await terms.read()).slice(0, rows.length),
          expected.map(({ kl }) => kl),
          { abs: 1e-5, rel: 5e-5 },
          `${title}: KL`,
        );
        const gradient = (await leaf.grad!.read()).map((x) => x * rows.length);
        const exact = expected.flatMap(({ gradient }) => Array.from(gradient));
        t.near(gradient, exact, { abs: 2e-6, rel: 5e-4 }, `${title}: gradient`);
        for (const tensor of [...Object.values(targets), leaf.grad!, leaf, loss, terms]) tensor.dispose();
        table.dispose();
      }
    }
  });
}
