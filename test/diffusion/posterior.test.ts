import { transitionTable } from "../../dist/diffusion/coefficients.js";
import {
  posteriorLogProbs,
  qPosterior,
  reverseLogProbs,
  reverseProbabilities,
} from "../../dist/diffusion/posterior.js";
import { Schedule, schedulePresets } from "../../dist/diffusion/schedule.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../harness.js";
import { Process, softmax } from "../reference/diffusion.js";

const exp = (values: ArrayLike<number>) => Float64Array.from(values, Math.exp);

for (const preset of schedulePresets) {
  test(`posterior products, ${preset}: explicit matrices, sums, jumps, u = 0`, async (t, gpu) => {
    for (const [tokens, steps] of [
      [2, 2],
      [5, 10],
      [65, 100],
    ] as const) {
      const schedule = new Schedule({ tokens, steps, ends: preset });
      const process = new Process(schedule);
      for (const visits of [schedule.visit(steps), schedule.visit(Math.ceil(steps / 4)), [steps, 0]]) {
        const table = transitionTable(gpu, schedule, visits);
        const times = visits.slice(0, -1).filter((_, i, all) => i % 7 === 0 || i === all.length - 1);
        const states = preset === "uniform" ? [0, tokens - 1] : [0, tokens - 1, tokens];
        const rows = times.length * states.length;
        const logits = randomArray(tokens + steps, rows * tokens, 3);
        const p = Array.from({ length: rows }, (_, row) =>
          softmax(logits.subarray(row * tokens, (row + 1) * tokens)),
        );
        const out = await posteriorLogProbs(
          fromArray(
            gpu,
            p.flatMap((row) => [...row].map(Math.log)),
            [times.length, states.length, tokens],
          ),
          fromArray(
            gpu,
            times.flatMap(() => states),
            [times.length, states.length],
            "u32",
          ),
          fromArray(gpu, times, [times.length], "u32"),
          table.coefficients,
        ).read();
        let worstSum = 0;
        for (let row = 0; row < rows; row++) {
          const time = times[Math.floor(row / states.length)]!;
          const xt = states[row % states.length]!;
          const next = visits[visits.indexOf(time) + 1]!;
          const got = exp(out.subarray(row * (tokens + 1), (row + 1) * (tokens + 1)));
          const expected = process.posterior(p[row]!, xt, next, time);
          t.near(got, expected, { abs: 1e-6, rel: 3e-5 }, `M = ${tokens}, ${time} → ${next} from ${xt}`);
          worstSum = Math.max(worstSum, Math.abs(got.reduce((a, b) => a + b, 0) - 1));
          if (next === 0 && !(preset === "absorbing" && xt < tokens)) {
            t.near(got, [...p[row]!, 0], { abs: 1e-6, rel: 1e-5 }, `u = 0 gives p̃ itself, from ${xt}`);
          }
          if (preset === "absorbing" && xt < tokens) t.equal(got[xt], 1, "β = 0: an unmasked token stays");
        }
        t.ok(worstSum < 1e-5, `sums to one by itself (${worstSum})`);
        table.dispose();
      }
    }
  });
}

test("the [MASK] component does not depend on the network; logs reach far down", async (t, gpu) => {
  const tokens = 300;
  const schedule = new Schedule({ tokens });
  const table = transitionTable(gpu, schedule);
  const certain = Float32Array.from({ length: tokens }, (_, k) => (k === 9 ? 0 : -200));
  const flat = new Float32Array(tokens).fill(-Math.log(tokens));
  const out = await posteriorLogProbs(
    fromArray(gpu, [...certain, ...flat], [2, tokens]),
    fromArray(gpu, [tokens, tokens], [2], "u32"),
    fromArray(gpu, [60], [1], "u32"),
    table.coefficients,
  ).read();
  const mask = Math.log(schedule.gammaBar[59]! / schedule.gammaBar[60]!);
  t.near([out[tokens]!, out[2 * tokens + 1]!], [mask, mask], { abs: 1e-5 }, "log γ̄_u / γ̄_t");
  t.ok(out.every(Number.isFinite), "finite everywhere");
  table.dispose();
});

test("the closed form in float64 agrees with explicit matrices", (t) => {
  for (const ends of schedulePresets) {
    const tokens = 6;
    const process = new Process(new Schedule({ tokens, steps: 12, ends }));
    const p = softmax(randomArray(9, tokens, 2));
    for (const [u, time] of [
      [0, 1],
      [0, 7],
      [5, 6],
      [2, 12],
    ] as const) {
      for (const xt of ends === "uniform" ? [3] : [3, tokens]) {
        const closed = reverseProbabilities(process.schedule, p, xt, u, time);
        t.near(
          closed,
          process.posterior(p, xt, u, time),
          { abs: 1e-10 },
          `${ends}: ${time} → ${u} from ${xt}`,
        );
        const sum = new Float64Array(tokens + 1);
        p.forEach((mass, x0) => {
          const onehot = Float64Array.from({ length: tokens }, (_, k) => (k === x0 ? 1 : 0));
          if (process.forward(x0, time)[xt]! < 1e-12) return;
          const truth = qPosterior(process.schedule, x0, xt, u, time);
          const exact = process.posterior(onehot, xt, u, time);
          t.near(truth, exact, { abs: 1e-10 }, `${ends}: q(x_${u} | x_${time} = ${xt}, x_0 = ${x0})`);
          truth.forEach((q, j) => {
            sum[j]! += mass * q;
          });
        });
        if (process.schedule.betaBar[time]! > 0 || xt === tokens)
          t.near(closed, sum, { abs: 1e-10 }, "p_θ is their mean under p̃");
      }
    }
  }
});

test("posterior products over thousands of tokens", async (t, gpu) => {
  const tokens = 5003;
  for (const ends of schedulePresets) {
    const schedule = new Schedule({ tokens, ends });
    const table = transitionTable(gpu, schedule, schedule.visit(25));
    const p = softmax(randomArray(21, tokens, 4));
    const here = ends === "uniform" ? 17 : tokens;
    const out = await reverseLogProbs(
      table,
      fromArray(gpu, [...p, ...p].map(Math.log), [1, 2, tokens]),
      fromArray(gpu, [17, here], [1, 2], "u32"),
      fromArray(gpu, [52], [1], "u32"),
    ).read();
    const expected = [17, here].flatMap((xt) => [...reverseProbabilities(schedule, p, xt, 48, 52)]);
    t.near(exp(out), expected, { abs: 1e-9, rel: 1e-4 }, `${ends}, M = ${tokens}`);
    table.dispose();
  }
});
