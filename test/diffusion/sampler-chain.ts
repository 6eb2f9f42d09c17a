/** The samplers beside ancestral sampling against their exact chains over all captions, in float64. */

import "../../dist/samplers.js";
import { transitionTable } from "../../dist/diffusion/coefficients.js";
import { sample } from "../../dist/diffusion/sampler.js";
import { samplers } from "../../dist/diffusion/samplers.js";
import { Schedule, type SchedulePreset } from "../../dist/diffusion/schedule.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import type { Check } from "../harness.js";
import { Process, softmax } from "../reference/diffusion.js";
import { chiSquareZ } from "../reference/statistics.js";
import { tableNetwork } from "./table-network.js";

export const [tokens, length, steps, temperature] = [3, 3, 10, 0.6];

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

/**
 * Draws captions with a sampler and compares them with its chain; if `distinct`, also with that of ancestral sampling, which so many
 * draws must rule out.
 */
export async function checkChain(
  t: Check,
  gpu: Gpu,
  name: string,
  { preset, visited, distinct = true }: { preset: SchedulePreset; visited: number; distinct?: boolean },
): Promise<void> {
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
}
