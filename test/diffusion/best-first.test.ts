/** Best-first samplers: confidence, and what all of them share. */

import "../../dist/samplers.js";
import { cleanThresholds, transitionTable } from "../../dist/diffusion/coefficients.js";
import { samplers } from "../../dist/diffusion/samplers.js";
import { Schedule, schedulePresets } from "../../dist/diffusion/schedule.js";
import { test } from "../harness.js";
import { checkChain, steps, tokens } from "./sampler-chain.js";

for (const [name, preset, visited] of [
  ["confidence", "vq-diffusion-paper", 10],
  ["confidence", "absorbing", 2],
] as const)
  test(`${name} follows its exact chain: ${preset}, ${visited} steps`, (t, gpu) =>
    checkChain(t, gpu, name, { preset, visited }));

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

test("with the thresholds of x_0 every step jumps to 0", async (t, gpu) => {
  for (const ends of schedulePresets) {
    const schedule = new Schedule({ tokens: 5, steps: 7, ends });
    const table = cleanThresholds(gpu, schedule);
    const values = await table.read();
    const width = values.length / 8;
    let wrong = values.subarray(0, width).some((word) => word !== 0) ? 1 : 0;
    for (let time = 1; time <= 7; time++) {
      const jump = transitionTable(gpu, schedule, [time, 0]);
      const expected = await jump.thresholds.read();
      for (let i = time * width; i < (time + 1) * width; i++) if (values[i] !== expected[i]) wrong++;
      jump.dispose();
    }
    t.equal(wrong, 0, ends);
    table.dispose();
  }
});
