/** The samplers beside ancestral sampling: each step against the exact chain over all captions, in float64. */

import "../../dist/samplers.js";
import { transitionTable } from "../../dist/diffusion/coefficients.js";
import { sample } from "../../dist/diffusion/sampler.js";
import { samplers } from "../../dist/diffusion/samplers.js";
import { Schedule, type SchedulePreset } from "../../dist/diffusion/schedule.js";
import { unmask } from "../../dist/diffusion/unmask.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../harness.js";
import { Process, softmax } from "../reference/diffusion.js";
import { chiSquareZ } from "../reference/statistics.js";
import { tableNetwork } from "./table-network.js";

const [tokens, length, steps, temperature] = [3, 3, 10, 0.6];

/** Adds to `next` a distribution over the tokens of each position, independently. */
function spread(next: Float64Array, mass: number, positions: readonly ArrayLike<number>[]): void {
  const walk = (i: number, s: number, p: number): void => {
    if (p === 0) return;
    if (i === length) next[s]! += p;
    else for (let k = 0; k <= tokens; k++) walk(i + 1, s * (tokens + 1) + k, p * (positions[i]![k] ?? 0));
  };
  walk(0, 0, mass);
}

/** Ordered choices of `count` of the `masked` positions with their probabilities, for purity; the best ones for the others. */
function choices(
  name: string,
  masked: readonly number[],
  p: readonly Float64Array[],
  count: number,
): [readonly number[], number][] {
  const best = p.map((row) => [...row].sort((a, b) => b - a));
  if (name !== "purity") {
    const key = (i: number) => (name === "confidence" ? best[i]![0]! : best[i]![0]! - best[i]![1]!);
    return [[[...masked].sort((a, b) => key(b) - key(a)).slice(0, count), 1]];
  }
  if (count === 0) return [[[], 1]];
  const total = masked.reduce((sum, i) => sum + best[i]![0]!, 0);
  return masked.flatMap((i) => {
    const others = masked.filter((j) => j !== i);
    return choices(name, others, p, count - 1).map(([rest, q]): [number[], number] => [
      [i, ...rest],
      (q * best[i]![0]!) / total,
    ]);
  });
}

/** What a sampler returns: the distribution over captions. */
function chain(
  name: string,
  process: Process,
  visits: readonly number[],
  net: ReturnType<typeof tableNetwork>,
  remask: number,
): Float64Array {
  const { gammaBar, steps: T } = process.schedule;
  const prior = Float64Array.from({ length: tokens + 1 }, (_, k) =>
    k === tokens ? gammaBar[T]! : (1 - gammaBar[T]!) / tokens,
  );
  let current = new Float64Array(net.states);
  if (name === "remask")
    spread(
      current,
      1,
      Array.from({ length }, () => prior),
    );
  else current[net.stateOf(new Array(length).fill(tokens))] = 1;
  for (let n = 0; n + 1 < visits.length; n++) {
    const [t, u] = [visits[n]!, visits[n + 1]!];
    const next = new Float64Array(net.states);
    current.forEach((mass, s) => {
      if (mass === 0) return;
      const xt = net.tokensOf(s);
      const logits = net.logits(t, s);
      const words = logits.map((row) => softmax(row.map((x) => x / temperature)));
      if (name === "remask") {
        const sigma = u === 0 ? 0 : remask;
        const positions = words.map((p, i) => {
          const onward = process.posterior(p, xt[i]!, u, t);
          // x_0 ~ p̃; an unmasked token of a process that cannot replace is x_0.
          const clean = process.posterior(p, xt[i]!, 0, t);
          return onward.map((value, j) => {
            let again = 0;
            for (let k = 0; k < tokens; k++) again += clean[k]! * process.forward(k, u)[j]!;
            return (1 - sigma) * value + sigma * again;
          });
        });
        spread(next, mass, positions);
        return;
      }
      const masked = xt.flatMap((id, i) => (id === tokens ? [i] : []));
      const keep = Math.floor((length * gammaBar[u]!) / gammaBar[T]!);
      const count = Math.max(0, masked.length - keep);
      for (const [chosen, q] of choices(name, masked, logits.map(softmax), count)) {
        const positions = xt.map((id, i) => {
          if (chosen.includes(i)) return words[i]!;
          return Float64Array.from({ length: tokens + 1 }, (_, k) => (k === id ? 1 : 0));
        });
        spread(next, mass * q, positions);
      }
    });
    current = next;
  }
  return current;
}

for (const [name, preset, visited, distinct = true] of [
  ["confidence", "vq-diffusion-paper", 10],
  ["confidence", "absorbing", 2],
  ["margin", "absorbing", 10],
  ["purity", "absorbing", 10],
  ["purity", "vq-diffusion-paper", 2],
  // Where words are replaced anyway, the last steps of ancestral sampling forget about as much.
  ["remask", "vq-diffusion-paper", 5, false],
  ["remask", "absorbing", 10],
  ["remask", "uniform", 4, false],
] as [string, SchedulePreset, number, boolean?][]) {
  test(`${name} follows its exact chain: ${preset}, ${visited} steps`, async (t, gpu) => {
    const process = new Process(new Schedule({ tokens, steps, ends: preset }));
    const table = transitionTable(gpu, process.schedule, process.schedule.visit(visited));
    const net = tableNetwork(gpu, tokens, length, steps, 21);
    const sampler = samplers.get(name);
    const remask = 0.8;
    const run = sampler.begin!({ gpu, table, open: length, remask });
    const batch = 2000;
    const masks = new Uint32Array(batch * length).fill(tokens);
    const start = sampler.masked ? fromArray(gpu, masks, [batch, length], "u32") : null;
    const options = { predict: net.predict, batch, length, temperature, seed: 5, step: run.step };
    const result = await sample({ table, ...options, start });
    const drawn = await result.read();
    const counts = new Array<number>(net.states).fill(0);
    for (let b = 0; b < batch; b++) counts[net.stateOf([...drawn.subarray(b * length, (b + 1) * length)])]!++;
    const exact = chain(name, process, table.visits, net, remask);
    const total = exact.reduce((a, b) => a + b, 0);
    t.ok(Math.abs(total - 1) < 1e-12, "the chain is a distribution");
    const z = chiSquareZ(
      counts,
      exact.map((p) => (p < 1e-12 ? 0 : p)),
    );
    t.ok(z < 3.3, `draws follow it (z = ${z.toFixed(2)})`);
    // Of a chain that were another one, so many draws would show it.
    const plain = chain("remask", process, table.visits, net, 0);
    const other = chiSquareZ(
      counts,
      plain.map((p) => (p < 1e-12 ? 0 : p)),
    );
    if (distinct) t.ok(other > 4, `and not ancestral sampling's (z = ${other.toFixed(2)})`);
    for (const owned of [result, table, net, run, ...(start ? [start] : [])]) owned.dispose();
  });
}

test("a step that takes words back draws from its mixture", async (t, gpu) => {
  const scores = [0.3, -0.4, 1.1];
  const p = softmax(scores);
  const count = 3000;
  for (const preset of ["vq-diffusion-paper", "absorbing", "uniform"] as const) {
    const process = new Process(new Schedule({ tokens, steps, ends: preset }));
    const table = transitionTable(gpu, process.schedule);
    const [from, to, remask] = [7, 6, 0.4];
    const run = samplers.get("remask").begin!({ gpu, table, open: 1, remask });
    const rng = new Rng(gpu, 2);
    for (const xt of preset === "uniform" ? [0] : [0, tokens]) {
      rng.setPosition(40);
      const drawn = gpu.scope(() =>
        run.step({
          ...{ rng, table, t: from, u: to, stream: 50, settings: {} },
          scores: fromArray(gpu, new Array(count).fill(scores).flat(), [count, 1, tokens]),
          xt: fromArray(gpu, new Uint32Array(count).fill(xt), [count, 1], "u32"),
        }),
      );
      const counts = new Array<number>(tokens + 1).fill(0);
      for (const id of await drawn.read()) counts[id]!++;
      const onward = process.posterior(p, xt, to, from);
      const clean = process.posterior(p, xt, 0, from);
      const mixture = (sigma: number) =>
        onward.map((value, j) => {
          let again = 0;
          for (let k = 0; k < tokens; k++) again += clean[k]! * process.forward(k, to)[j]!;
          const mixed = (1 - sigma) * value + sigma * again;
          return mixed < 1e-12 ? 0 : mixed;
        });
      const z = chiSquareZ(counts, mixture(remask));
      t.ok(z < 3.3, `${preset} from ${xt}: ${counts} (z = ${z.toFixed(2)})`);
      if (xt < tokens) t.ok(chiSquareZ(counts, mixture(0)) > 4, "unlike ancestral sampling");
      drawn.dispose();
    }
    for (const owned of [table, run, rng]) owned.dispose();
  }
});

test("taking words back has the marginals of the forward process, whatever its share", (t) => {
  for (const preset of ["vq-diffusion-paper", "absorbing", "uniform"] as const) {
    const process = new Process(new Schedule({ tokens, steps, ends: preset }));
    for (const [from, to] of [
      [10, 9],
      [7, 3],
    ] as const) {
      for (const sigma of [0.2, 1]) {
        const x0 = 1;
        const clean = [0, 1, 0];
        const marginal = new Float64Array(tokens + 1);
        process.forward(x0, from).forEach((mass, xt) => {
          if (mass === 0) return;
          const onward = process.posterior(clean, xt, to, from);
          const again = process.forward(x0, to);
          for (let j = 0; j <= tokens; j++)
            marginal[j]! += mass * ((1 - sigma) * onward[j]! + sigma * again[j]!);
        });
        t.near(marginal, process.forward(x0, to), { abs: 1e-12 }, `${preset}, ${from} → ${to}, σ = ${sigma}`);
      }
    }
  }
});

test("unmask takes the best masked positions, of equal ones the first", async (t, gpu) => {
  for (const [batch, width, keep] of [
    [1, 1, 0],
    [7, 3, 1],
    [5, 12, 4],
    [3, 65, 70],
    [40, 9, 0],
  ] as const) {
    const maskId = 4;
    const rough = randomArray(batch, batch * width, 2);
    const keys = Float32Array.from(rough, (x) => Math.round(x));
    const xt = Uint32Array.from(rough, (x, i) => (i % 3 === 1 ? Math.floor(Math.abs(x)) % maskId : maskId));
    const words = Uint32Array.from(rough, (_, i) => i % maskId);
    const expected = Uint32Array.from(xt);
    for (let row = 0; row < batch; row++) {
      const masked = Array.from({ length: width }, (_, i) => row * width + i).filter((i) => xt[i] === maskId);
      masked.sort((a, b) => keys[b]! - keys[a]! || a - b);
      for (const i of masked.slice(0, Math.max(0, masked.length - keep))) expected[i] = words[i]!;
    }
    const of = (values: Uint32Array) => fromArray(gpu, values, [batch, width], "u32");
    const drawn = gpu.scope(() =>
      unmask(fromArray(gpu, keys, [batch, width]), of(words), of(xt), { keep, maskId, copies: 2 }),
    );
    t.same([...drawn.shape], [2 * batch, width], "two copies");
    t.same([...(await drawn.read())], [...expected, ...expected], `${batch}×${width}, ${keep} stay masked`);
    drawn.dispose();
  }
  await t.throwsMessage(
    () =>
      gpu.scope(() =>
        unmask(
          fromArray(gpu, [1, 2], [1, 2]),
          fromArray(gpu, [1], [1, 1], "u32"),
          fromArray(gpu, [1, 2], [1, 2], "u32"),
          { keep: 0, maskId: 4 },
        ),
      ),
    /do not fit \[B, L\]/,
    "too few words",
  );
});

test("best-first samplers say so where there is no [MASK]", async (t, gpu) => {
  const schedule = new Schedule({ tokens, steps, ends: "uniform" });
  const table = transitionTable(gpu, schedule);
  for (const name of ["confidence", "margin", "purity"])
    await t.throwsMessage(
      () => samplers.get(name).begin!({ gpu, table, open: 3, remask: 0 }),
      /needs a process with \[MASK\], and the schedule "uniform" has none/,
      name,
    );
  table.dispose();
});
