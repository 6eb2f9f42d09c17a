import { stepThresholds, transitionTable } from "../../dist/diffusion/coefficients.js";
import { fixWords, pSample } from "../../dist/diffusion/sample-step.js";
import { Schedule, schedulePresets } from "../../dist/diffusion/schedule.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { below, gumbel, happens, philox, seedWords } from "../../dist/engine/ops/philox.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../harness.js";
import { Process, softmax } from "../reference/diffusion.js";
import { chiSquareZ } from "../reference/statistics.js";

function histogram(values: ArrayLike<number>, cells: number): number[] {
  const counts = new Array<number>(cells).fill(0);
  for (let i = 0; i < values.length; i++) counts[values[i]!]!++;
  return counts;
}

/** p̃ cut to the smallest most probable prefix with mass r, renormalised; of equal ones the lowest index first. */
function truncated(p: Float64Array, r: number): Float64Array {
  const order = Array.from(p, (_, k) => k).sort((a, b) => p[b]! - p[a]! || a - b);
  const out = new Float64Array(p.length);
  let mass = 0;
  for (const k of order) {
    if (mass >= r) break;
    mass += p[k]!;
    out[k] = p[k]!;
  }
  return out.map((value) => value / mass);
}

/** Draws many times from one row of scores. */
async function draws(
  gpu: Gpu,
  scores: ArrayLike<number>,
  count: number,
  xt: number,
  steps: [number, number],
  schedule: Schedule,
  options = {},
) {
  const [t, u] = steps;
  const table = transitionTable(gpu, schedule, u === 0 ? [t, 0] : [t, u, 0]);
  const rng = new Rng(gpu, 17);
  const width = scores.length;
  const all = new Float32Array(count * width);
  for (let row = 0; row < count; row++) all.set(scores, row * width);
  const result = gpu.scope(() =>
    pSample(
      rng,
      fromArray(gpu, all, [count, width]),
      fromArray(gpu, new Uint32Array(count).fill(xt), [count], "u32"),
      table.thresholds,
      t,
      options,
    ),
  );
  const values = await result.read();
  result.dispose();
  table.dispose();
  rng.dispose();
  return values;
}

test("a step draws from the posterior mean, single steps and jumps, every preset", async (t, gpu) => {
  const tokens = 5;
  const logits = randomArray(11, tokens, 1.2);
  logits[2] = 2;
  for (const preset of schedulePresets) {
    const schedule = new Schedule({ tokens, steps: 20, ends: preset });
    const process = new Process(schedule);
    for (const steps of [
      [12, 11],
      [14, 5],
      [20, 9],
      [3, 0],
      [1, 0],
    ] as [number, number][]) {
      for (const xt of preset === "uniform" ? [2] : [2, tokens]) {
        const drawn = await draws(gpu, logits, 1500, xt, steps, schedule);
        const exact = process
          .posterior(softmax(logits), xt, steps[1], steps[0])
          .map((p) => (p < 1e-12 ? 0 : p));
        const counts = histogram(drawn, tokens + 1);
        t.ok(chiSquareZ(counts, exact) < 3.3, `${preset}, ${steps[0]} → ${steps[1]} from ${xt}: ${counts}`);
      }
    }
  }
});

test("a step has the same bits in TypeScript", async (t, gpu) => {
  // A step to 69 stays at x_t as a rule, the jump to 0 goes to the x_0 that was drawn.
  for (const [rows, width, u] of [
    [1, 2, 69],
    [7, 3, 69],
    [65, 17, 69],
    [65, 17, 0],
    [9, 301, 69],
    [9, 301, 0],
  ] as const) {
    const schedule = new Schedule({ tokens: width });
    const table = transitionTable(gpu, schedule, u === 0 ? [70, 0] : undefined);
    const rng = new Rng(gpu, 5n << 40n);
    const scores = Float32Array.from(randomArray(rows, rows * width, 2));
    const xt = Uint32Array.from({ length: rows }, (_, row) => (row % 2 ? width : row % width));
    const drawn = await pSample(
      rng,
      fromArray(gpu, scores, [rows, width]),
      fromArray(gpu, xt, [rows], "u32"),
      table.thresholds,
      70,
    ).read();
    const limits = stepThresholds(schedule, u, 70);
    const quads = Math.ceil(width / 4);
    const expected = Array.from(xt, (here, row) => {
      let best = Number.NEGATIVE_INFINITY;
      let x0 = 0;
      for (let k = 0; k < width; k++) {
        const words = philox([row * quads + Math.floor(k / 4), 0, 0, 0], seedWords(rng.seed));
        const value = Math.fround(scores[row * width + k]! + gumbel(words[k % 4]!));
        if (value > best) [best, x0] = [value, k];
      }
      const [decision, uniform] = philox([row, 0, 0, 1], seedWords(rng.seed));
      const [stay, start] =
        here === width
          ? [limits.masked_stay, limits.masked_x0]
          : here === x0
            ? [limits.same_stay, limits.same_x0]
            : [limits.other_stay, limits.other_x0];
      if (happens(decision, stay)) return here;
      return happens(decision, start) ? x0 : below(uniform, width);
    });
    t.same([...drawn], expected, `[${rows}, ${width}], 70 → ${u}`);
    table.dispose();
    rng.dispose();
  }
});

test("top-r keeps the smallest prefix that reaches r and renormalises", async (t, gpu) => {
  const tokens = 37;
  const schedule = new Schedule({ tokens });
  const logits = randomArray(2, tokens, 1.5).map(Math.fround);
  for (const [topR, temperature] of [
    [0.85, 1],
    [0.5, 1],
    [0.99, 1],
    [1e-6, 1],
    [0.7, 2.5],
    [0.7, 0.4],
  ] as const) {
    const exact = truncated(softmax(logits.map((x) => x / temperature)), topR);
    const counts = histogram(
      await draws(gpu, logits, 2000, tokens, [4, 0], schedule, { topR, temperature }),
      tokens,
    );
    t.ok(
      chiSquareZ(counts, exact) < 3.3,
      `r = ${topR}, temperature ${temperature}: ${exact.filter((p) => p > 0).length} tokens`,
    );
  }
  // Ties: 8 tokens of probability 0.1 at odd places, 20 of 0.01; r = 0.35 keeps the first four of the eight.
  const ties = Float64Array.from({ length: 28 }, (_, k) =>
    Math.fround(Math.log(k % 2 === 1 && k < 16 ? 0.1 : 0.01)),
  );
  const tied = histogram(
    await draws(gpu, ties, 1000, 28, [4, 0], new Schedule({ tokens: 28 }), { topR: 0.35 }),
    28,
  );
  t.same(
    tied.flatMap((count, k) => (count > 0 ? [k] : [])),
    [1, 3, 5, 7],
    "equal probabilities: the lowest indices",
  );
  t.ok(chiSquareZ(tied, truncated(softmax(ties), 0.35)) < 3.3, "and they are equally likely");
  const flat = histogram(
    await draws(gpu, new Float64Array(64), 800, 64, [4, 0], new Schedule({ tokens: 64 }), { topR: 0.25 }),
    64,
  );
  t.ok(
    flat.every((count, k) => count > 0 === k < 16),
    "a flat distribution of 64: the first 16",
  );
});

test("top-r draws the largest sum of score and noise among the kept tokens, to the token", async (t, gpu) => {
  const minusInfinity = Number.NEGATIVE_INFINITY;
  /** Scores of a row, whose tokens are all of the same probability, or hold single ones apart, or spread far. */
  const kinds: Record<string, (x: number, k: number) => number> = {
    normal: (x) => 2 * x,
    equal: () => 1,
    "few values": (x) => Math.round(x),
    "one token of all mass": (x, k) => (k === 0 ? 300 : x),
    "far apart": (x) => 90 * x,
    "mostly impossible": (x, k) => (k % 3 === 0 ? x : minusInfinity),
    impossible: () => minusInfinity,
  };
  for (const [kind, score] of Object.entries(kinds)) {
    for (const [rows, width] of [
      [5, 2],
      [3, 3],
      [7, 17],
      [33, 65],
      [17, 301],
    ] as const) {
      for (const [topR, temperature] of [
        [1e-6, 1],
        [0.25, 1],
        [0.5, 0.7],
        [0.86, 1.5],
        [0.999, 1],
      ] as const) {
        const table = transitionTable(gpu, new Schedule({ tokens: width }), [4, 0]);
        const rng = new Rng(gpu, 3n << 33n);
        const scores = Float32Array.from(randomArray(rows + width, rows * width), (x, i) =>
          score(x, i % width),
        );
        const drawn = await pSample(
          rng,
          fromArray(gpu, scores, [rows, width]),
          fromArray(gpu, new Uint32Array(rows).fill(width), [rows], "u32"),
          table.thresholds,
          4,
          { topR, temperature },
        ).read();
        const wrong = drawn.findIndex(
          (token, row) =>
            !keptDraws(scores.subarray(row * width, (row + 1) * width), row, rng.seed, {
              topR,
              temperature,
            }).has(token),
        );
        const name = `${kind}, [${rows}, ${width}], r = ${topR}, temperature ${temperature}`;
        t.equal(wrong, -1, `${name}${wrong < 0 ? "" : `: row ${wrong} draws ${drawn[wrong]}`}`);
        table.dispose();
        rng.dispose();
      }
    }
  }
});

/** x_0 as float64 draws it; several where rounding to float32 decides whether a token is kept, or which sum is larger. */
function keptDraws(
  scores: Float32Array,
  row: number,
  seed: bigint,
  { topR, temperature }: { topR: number; temperature: number },
): Set<number> {
  const quads = Math.ceil(scores.length / 4);
  const top = Math.max(...scores);
  const mass = Array.from(scores, (x) => (x === top ? 1 : Math.exp((x - top) / temperature)));
  const total = mass.reduce((sum, m) => sum + m);
  const sums = Array.from(scores, (x, k) => {
    const words = philox([row * quads + Math.floor(k / 4), 0, 0, 0], seedWords(seed));
    return x / temperature + gumbel(words[k % 4]!);
  });
  const possible: number[] = [];
  let best = Number.NEGATIVE_INFINITY;
  let before = 0;
  for (const k of [...mass.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b)) {
    if (before === 0 || before / total < topR - 1e-5) best = Math.max(best, sums[k]!);
    if (before === 0 || before / total < topR + 1e-5) possible.push(k);
    before += mass[k]!;
  }
  return new Set(possible.filter((k) => sums[k]! >= best - 1e-6 * Math.max(1, Math.abs(best))));
}

test("top-r over a large vocabulary with scores of both signs", async (t, gpu) => {
  const [rows, tokens] = [5, 1741];
  const schedule = new Schedule({ tokens });
  const table = transitionTable(gpu, schedule, [100, 0]);
  const rng = new Rng(gpu, 1);
  const logits = randomArray(6, rows * tokens, 4);
  const kept = Array.from({ length: rows }, (_, row) =>
    truncated(softmax(logits.subarray(row * tokens, (row + 1) * tokens)), 0.86),
  );
  const scores = fromArray(gpu, logits, [rows, tokens]);
  const xt = fromArray(gpu, new Array(rows).fill(tokens), [rows], "u32");
  for (let i = 0; i < 40; i++) {
    const drawn = pSample(rng, scores, xt, table.thresholds, 100, { topR: 0.86 });
    const outside = (await drawn.read()).findIndex((k, row) => kept[row]![k] === 0);
    drawn.dispose();
    if (outside >= 0) t.ok(false, `draw ${i}, row ${outside}: a token outside the prefix`);
  }
  t.ok(true, "200 draws inside the prefix");
  table.dispose();
  rng.dispose();
});

test("greedy, fixed words, copies, and refused options", async (t, gpu) => {
  const [rows, tokens] = [6, 11];
  const table = transitionTable(gpu, new Schedule({ tokens, ends: "vq-diffusion-code" }), [100, 0]);
  const rng = new Rng(gpu, 1);
  const logits = randomArray(8, rows * tokens, 2);
  const scores = fromArray(gpu, logits, [2, 3, tokens]);
  const xt = fromArray(gpu, new Array(rows).fill(tokens), [2, 3], "u32");
  const best = Array.from({ length: rows }, (_, row) => {
    const own = logits.subarray(row * tokens, (row + 1) * tokens);
    return own.indexOf(Math.max(...own));
  });
  const greedy = await pSample(rng, scores, xt, table.thresholds, 100, { greedy: true }).read();
  t.same([...greedy], best, "greedy takes the most probable token");
  const fixed = {
    at: fromArray(gpu, [0, 1, 0, 0, 5, 0], [2, 3], "u32"),
    words: fromArray(gpu, [9, 8, 7, 6, 5, 4], [2, 3], "u32"),
  };
  const held = pSample(rng, scores, xt, table.thresholds, 100, { greedy: true, fixed, copies: 2 });
  const expected = best.map((k, i) => (i === 1 ? 8 : i === 4 ? 5 : k));
  t.same([...held.shape], [4, 3], "two copies along the first axis");
  t.same([...(await held.read())], [...expected, ...expected], "fixed words stay");
  t.same([...(await fixWords(xt, fixed, 2).read())].slice(5), [11, 11, 8, 11, 11, 5, 11], "fixWords");
  const bad = (options: object) => () => pSample(rng, scores, xt, table.thresholds, 100, options);
  await t.throwsMessage(bad({ temperature: 0 }), /temperature is 0/, "temperature 0");
  await t.throwsMessage(bad({ topR: 0 }), /Top-r is 0/, "top-r 0");
  await t.throwsMessage(
    bad({ fixed: { at: xt, words: fromArray(gpu, [1], [1], "u32") } }),
    /fixed words/,
    "too few fixed words",
  );
  table.dispose();
  rng.dispose();
});
