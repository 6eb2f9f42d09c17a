import { transitionTable } from "../../dist/diffusion/coefficients.js";
import { Schedule, schedulePresets } from "../../dist/diffusion/schedule.js";
import { cumulativeMatrices, multiply, transitionMatrix } from "../../dist/diffusion/transition-matrix.js";
import { test } from "../harness.js";
import { Process } from "../reference/diffusion.js";

test("steps, cumulative products and jumps against multiplied matrices", (t) => {
  for (const ends of schedulePresets) {
    for (const [tokens, steps] of [
      [2, 2],
      [3, 17],
      [5, 100],
    ] as const) {
      const schedule = new Schedule({ tokens, steps, ends });
      const bars = cumulativeMatrices(schedule);
      for (let time = 1; time <= steps; time++) {
        const matrix = transitionMatrix(schedule.step(time), tokens);
        const sums = Array.from({ length: tokens + 1 }, (_, i) =>
          matrix.values.subarray(i * (tokens + 1), (i + 1) * (tokens + 1)).reduce((a, b) => a + b, 0),
        );
        if (time % 9 > 1 && time !== steps) continue;
        t.near(sums, new Array(tokens + 1).fill(1), { abs: 1e-12 }, `${ends}: rows of Q_${time} sum to one`);
        const direct = transitionMatrix(schedule.cumulative(time), tokens);
        t.near(
          bars[time]!.values,
          direct.values,
          { abs: 1e-12 },
          `${ends}: Q̄_${time} is the product of its steps`,
        );
        const from = Math.floor(time / 3);
        const jump = transitionMatrix(schedule.jump(from, time), tokens);
        t.near(
          multiply(bars[from]!, jump).values,
          bars[time]!.values,
          { abs: 1e-12 },
          `${ends}: jump ${from} → ${time}`,
        );
        t.near(
          multiply(jump, bars[from]!).values,
          bars[time]!.values,
          { abs: 1e-12 },
          `${ends}: the matrices commute`,
        );
      }
      t.ok(
        matrixIsRowConvention(transitionMatrix(schedule.step(steps), tokens).values, tokens),
        `${ends}: [MASK] row is one-hot`,
      );
    }
  }
});

function matrixIsRowConvention(values: Float64Array, tokens: number): boolean {
  const last = values.subarray(tokens * (tokens + 1));
  return last.every((value, j) => value === (j === tokens ? 1 : 0));
}

test("composing single posterior steps with the exact p̃ equals the jump", (t) => {
  const tokens = 4;
  for (const ends of schedulePresets) {
    const schedule = new Schedule({ tokens, steps: 12, ends });
    const process = new Process(schedule);
    const data = [0.5, 0.25, 0.2, 0.05];
    // p̃(x_0 | x_t) of the data distribution by Bayes' rule.
    const exact = (xt: number, time: number) => {
      const joint = data.map((p, k) => p * process.forward(k, time)[xt]!);
      const total = joint.reduce((a, b) => a + b, 0);
      return joint.map((p) => p / total);
    };
    const xt = ends === "uniform" ? 1 : tokens;
    let state = new Float64Array(tokens + 1);
    state[xt] = 1;
    for (let time = 9; time > 3; time--) {
      const next = new Float64Array(tokens + 1);
      state.forEach((mass, i) => {
        if (mass < 1e-15) return;
        process.posterior(exact(i, time), i, time - 1, time).forEach((p, j) => {
          next[j]! += mass * p;
        });
      });
      state = next;
    }
    t.near(
      state,
      process.posterior(exact(xt, 9), xt, 3, 9),
      { abs: 1e-12 },
      `${ends}: six steps from 9 are the jump 9 → 3`,
    );
  }
});

test("the presets are what they are called", (t) => {
  const of = (ends: (typeof schedulePresets)[number]) => new Schedule({ tokens: 100, ends });
  t.near(
    [of("vq-diffusion-paper").gammaBar[100]!, of("vq-diffusion-paper").uniformBar[100]!],
    [0.9, 0.1],
    { abs: 1e-4 },
    "paper: 0.9 and 0.1",
  );
  t.near(
    of("vq-diffusion-code").uniformBar.subarray(1),
    new Array(100).fill(1e-6),
    { abs: 1e-12 },
    "code: a constant 1e-6",
  );
  t.ok(
    of("absorbing").betaBar.every((beta) => beta === 0),
    "absorbing: β is exactly 0",
  );
  t.equal(of("absorbing").jump(3, 50).beta, 0, "and in jumps");
  t.ok(
    of("uniform").gammaBar.every((gamma) => gamma === 0),
    "uniform: γ is exactly 0",
  );
  t.equal(new Schedule({ tokens: 2 }).name, "vq-diffusion-paper", "the default replaces tokens");
});

test("probabilities run in a straight line from those of step 1 to those of step T", (t) => {
  const ends = { alphaFirst: 0.9, alphaLast: 0.1, gammaFirst: 0.05, gammaLast: 0.65 };
  const schedule = new Schedule({ tokens: 4, steps: 5, ends });
  t.near(schedule.alphaBar, [1, 0.9, 0.7, 0.5, 0.3, 0.1], { abs: 1e-15 }, "kept");
  t.near(schedule.gammaBar, [0, 0.05, 0.2, 0.35, 0.5, 0.65], { abs: 1e-15 }, "masked");
  t.near(schedule.uniformBar, [0, 0.05, 0.1, 0.15, 0.2, 0.25], { abs: 1e-15 }, "redrawn");
  t.near(
    schedule.betaBar,
    [0, 0.0125, 0.025, 0.0375, 0.05, 0.0625],
    { abs: 1e-15 },
    "redrawn as each of 4 tokens",
  );
});

test("prior term of the bound", (t) => {
  for (const ends of schedulePresets) {
    const schedule = new Schedule({ tokens: 4, steps: 5, ends });
    const q = new Process(schedule).forward(1, 5);
    const gamma = schedule.gammaBar[5]!;
    const prior = [...new Array(4).fill((1 - gamma) / 4), gamma];
    const expected = prior.reduce((sum, p, j) => sum + (q[j]! > 1e-15 ? q[j]! * Math.log(q[j]! / p) : 0), 0);
    t.near([schedule.priorKl()], [expected], { abs: 1e-10 }, `${ends}: ${expected}`);
  }
});

test("impossible schedules are refused with the reason", async (t, gpu) => {
  const ends = { alphaFirst: 0.99, alphaLast: 0.01, gammaFirst: 0.01, gammaLast: 0.99 };
  const make =
    (changes: Partial<typeof ends>, steps = 10) =>
    () =>
      new Schedule({ tokens: 5, steps, ends: { ...ends, ...changes } });
  await t.throwsMessage(make({}, 1), /at least 2 steps, not 1/, "T = 1");
  await t.throwsMessage(() => new Schedule({ tokens: 1 }), /at least 2 tokens/, "M = 1");
  await t.throwsMessage(make({ alphaLast: 0 }), /must stay above 0/, "ᾱ reaches 0");
  await t.throwsMessage(make({ alphaLast: 1 }), /exceed 1 together|rises/, "ᾱ rises");
  await t.throwsMessage(
    make({ gammaFirst: 0.5, gammaLast: 0.4, alphaFirst: 0.4 }),
    /\[MASK\] falls/,
    "γ̄ falls",
  );
  await t.throwsMessage(make({ gammaLast: 1.2 }), /exceed 1 together/, "more than 1 in all");
  await t.throwsMessage(
    make({ alphaFirst: 0.5, alphaLast: 0.5, gammaLast: 0.5 }),
    /negative probability|nothing has been lost/,
    "β < 0",
  );
  await t.throwsMessage(
    // @ts-expect-error: not a preset
    () => new Schedule({ tokens: 5, ends: "cosine" }),
    /no schedule "cosine"; choose one of vq-diffusion-paper/,
    "an unknown preset",
  );
  const schedule = new Schedule({ tokens: 5, steps: 10 });
  await t.throwsMessage(() => schedule.jump(4, 3), /no jump from step 4 to step 3/, "backwards");
  await t.throwsMessage(() => schedule.visit(11), /from 1 to 10/, "more steps than there are");
  await t.throwsMessage(
    () => transitionTable(gpu, schedule, [10, 5]),
    /falling to 0/,
    "a list that does not end at 0",
  );
  t.same(schedule.visit(4), [10, 8, 5, 3, 0], "even visits");
});
