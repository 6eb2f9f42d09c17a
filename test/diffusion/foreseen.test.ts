/** What is known of a run of ancestral sampling without the network, against runs with two networks. */

import { transitionTable } from "../../dist/diffusion/coefficients.js";
import { foreseeSteps } from "../../dist/diffusion/foreseen.js";
import { samplePrior } from "../../dist/diffusion/forward.js";
import { denoise } from "../../dist/diffusion/sampler.js";
import { Schedule, schedulePresets } from "../../dist/diffusion/schedule.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { test } from "../harness.js";
import { randomArray } from "../random-array.js";

const [batch, length, tokens, timesteps] = [40, 7, 11, 50];
const rows = batch * length;

/** x_t of every visited step, x_T first, with a network that says the same of each x_t. */
async function chain(gpu: Gpu, schedule: Schedule, visits: readonly number[], seed: number, network: number) {
  const table = transitionTable(gpu, schedule, visits);
  const logits = fromArray(gpu, randomArray(network, rows * tokens, 4), [batch, length, tokens]).keep();
  const rng = new Rng(gpu, seed);
  const states = [await samplePrior(rng, table, [batch, length]).read()];
  for (const { tokens: xu } of denoise({ table, predict: () => logits, batch, length, seed, topR: 0.9 }))
    states.push(await xu.read());
  logits.dispose();
  rng.dispose();
  table.dispose();
  return states;
}

for (const ends of schedulePresets) {
  test(`foreseen steps, ${ends}: all else stays, and redrawn tokens do not depend on the network`, async (t, gpu) => {
    const schedule = new Schedule({ tokens, steps: timesteps, ends });
    const visits = schedule.visit(12);
    for (const seed of [4, 2 ** 40 + 9]) {
      const foreseen = foreseeSteps(schedule, visits, seed, rows);
      const [one, other] = [
        await chain(gpu, schedule, visits, seed, 1),
        await chain(gpu, schedule, visits, seed, 2),
      ];
      let [moved, kept, agreed, differed] = [0, 0, 0, 0];
      for (const [i, { scored, redrawn }] of foreseen.entries()) {
        const listed = new Set([...scored, ...redrawn]);
        for (let row = 0; row < rows; row++) {
          if (listed.has(row)) continue;
          if (one[i]![row] === one[i + 1]![row] && other[i]![row] === other[i + 1]![row]) kept++;
          else moved++;
        }
        for (const row of redrawn) if (one[i + 1]![row] === other[i + 1]![row]) agreed++;
        for (const row of scored) if (one[i + 1]![row] !== other[i + 1]![row]) differed++;
      }
      const all = (kind: "scored" | "redrawn") => foreseen.reduce((sum, step) => sum + step[kind].length, 0);
      t.equal(moved, 0, `${kept} tokens stay that are not listed, none moves`);
      t.equal(agreed, all("redrawn"), "redrawn tokens are the same with another network");
      t.ok(differed > all("scored") / 4, `of ${all("scored")} scored tokens ${differed} differ`);
      if (ends === "absorbing") t.equal(all("scored"), rows, "absorbing: each position is drawn once");
      t.ok(all("scored") < 0.7 * rows * foreseen.length, "and the list is not everything");
    }
  });
}
