import { transitionTable } from "../../dist/diffusion/coefficients.js";
import { posteriorLogProbs } from "../../dist/diffusion/posterior.js";
import { Schedule, schedulePresets } from "../../dist/diffusion/schedule.js";
import {
  cumulativeMatrices,
  multiply,
  posterior,
  posteriorDense,
  transitionMatrix,
} from "../../dist/diffusion/transition-matrix.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../harness.js";
import { softmax } from "../reference/diffusion.js";

const exp = (values: ArrayLike<number>) => Float64Array.from(values, Math.exp);

test("dense posterior of an arbitrary process, and of the closed form's", async (t, gpu) => {
  const states = 7;
  // A band-diagonal process in which the last state is an ordinary one.
  const step = (strength: number) => {
    const values = new Float64Array(states * states);
    for (let i = 0; i < states; i++) {
      const weights = Array.from({ length: states }, (_, j) => strength ** Math.abs(i - j) * (1 + 0.1 * j));
      const total = weights.reduce((a, b) => a + b, 0);
      for (let j = 0; j < states; j++) values[i * states + j] = weights[j]! / total;
    }
    return { size: states, values };
  };
  const [first, second] = [step(0.3), step(0.5)];
  const bar = multiply(first, second);
  const upload = (matrix: { values: Float64Array }) => fromArray(gpu, matrix.values, [states, states]);
  const p = softmax(randomArray(3, states, 2));
  const rows = Array.from({ length: states }, () => [...p].map(Math.log)).flat();
  const out = await posteriorDense(
    fromArray(gpu, rows, [states, states]),
    fromArray(
      gpu,
      Array.from({ length: states }, (_, i) => i),
      [states],
      "u32",
    ),
    { toT: upload(second), barU: upload(first), barT: upload(bar) },
  ).read();
  for (let xt = 0; xt < states; xt++) {
    const got = exp(out.subarray(xt * states, (xt + 1) * states));
    t.near(got, posterior(p, xt, second, first, bar), { abs: 1e-6, rel: 1e-5 }, `band-diagonal, x_t = ${xt}`);
  }
  for (const preset of schedulePresets) {
    const tokens = 6;
    const schedule = new Schedule({ tokens, steps: 10, ends: preset });
    const bars = cumulativeMatrices(schedule);
    const matrices = {
      toT: upload(transitionMatrix(schedule.jump(3, 8), tokens)),
      barU: upload(bars[3]!),
      barT: upload(bars[8]!),
    };
    const table = transitionTable(gpu, schedule, [10, 8, 3, 0]);
    const here = preset === "uniform" ? [0, 1, 2] : [0, 1, tokens];
    const log = fromArray(
      gpu,
      Array.from({ length: 3 }, (_, i) => [...softmax(randomArray(i, tokens, 2))].map(Math.log)).flat(),
      [3, tokens],
    );
    const xt = fromArray(gpu, here, [3], "u32");
    const dense = await posteriorDense(log, xt, matrices).read();
    const closed = await posteriorLogProbs(
      log,
      xt,
      fromArray(gpu, [8], [1], "u32"),
      table.coefficients,
    ).read();
    t.near(exp(dense), exp(closed), { abs: 1e-6, rel: 1e-4 }, `${preset}: dense and closed form agree`);
    table.dispose();
  }
});
