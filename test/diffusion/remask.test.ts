/** Ancestral sampling that takes words back. */

import "../../dist/samplers.js";
import { transitionTable } from "../../dist/diffusion/coefficients.js";
import { samplers } from "../../dist/diffusion/samplers.js";
import { Schedule } from "../../dist/diffusion/schedule.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { test } from "../harness.js";
import { Process, softmax } from "../reference/diffusion.js";
import { chiSquareZ } from "../reference/statistics.js";
import { checkChain, steps, tokens } from "./sampler-chain.js";

for (const [preset, visited, distinct] of [
  // Where words are replaced anyway, the last steps of ancestral sampling forget about as much.
  ["vq-diffusion-paper", 5, false],
  ["absorbing", 10, true],
  ["uniform", 4, false],
] as const)
  test(`remask follows its exact chain: ${preset}, ${visited} steps`, (t, gpu) =>
    checkChain(t, gpu, "remask", { preset, visited, distinct }));

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
