/** Phase `float16`: the tests of float16, and the quick preset's first steps in both precisions. */

import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { Context, Outcome, RunPhase } from "./phase.js";
import { stepsWithin, trainQuick } from "./quick.js";
import { countsOf, cutOf, nameOf, problemsOf, runTests } from "./tests.js";

const most = 20;
/** Share of the phase's time for the tests. */
const forTests = 0.5;
/** Largest relative difference of the first loss: what rounding to 11 bits does to one step. */
const tolerance = 5e-3;

export const float16: RunPhase = async (context) => {
  const gpu = await context.gpu();
  if (gpu.has("shader-f16")) return compared(context, gpu);
  const skipped = `${gpu.description} lacks the feature shader-f16.`;
  return { problems: [], cut: [], skipped, facts: {}, tables: [] };
};

async function compared(context: Context, gpu: Gpu): Promise<Outcome> {
  const middle = performance.now() + forTests * (context.until - performance.now());
  const run = await runTests(
    {
      ...context,
      over: () => performance.now() > middle,
      progress: (share, text) => context.progress(forTests * share, text),
    },
    (test) => /float16/i.test(nameOf(test)),
  );
  const counts = countsOf(run);
  const late = {
    ...context,
    progress: (share: number, text: string) => context.progress(forTests + (1 - forTests) * share, text),
  };
  const half = await context.gpu();
  const seconds = (context.until - performance.now()) / 2500;
  const steps = await stepsWithin(late, gpu, seconds, most, "decoder");
  const timed = async (device: typeof gpu, set: string[], from: number, what: string) => {
    // The first step compiles.
    await trainQuick(late, device, { steps: 1, only: "decoder", set, from, to: from + 0.05, what });
    const began = performance.now();
    const { decoder } = await trainQuick(late, device, {
      steps,
      only: "decoder",
      set,
      from: from + 0.05,
      to: from + 0.4,
      what,
    });
    return { ms: (performance.now() - began) / steps, losses: decoder.map(({ losses }) => losses.total!) };
  };
  const wide = await timed(gpu, [], 0.1, "float32: ");
  const narrow = await timed(half, ["decoder.precision=float16"], 0.55, "float16: ");
  const differences = narrow.losses.map((loss, i) => Math.abs(loss / wide.losses[i]! - 1));
  const problems = problemsOf(run);
  if (!differences.every(Number.isFinite)) problems.push("A loss in float16 is not finite.");
  else if (differences[0]! > tolerance)
    problems.push(
      `The first loss in float16 is ${narrow.losses[0]}, in float32 ${wide.losses[0]}: more than ${tolerance} apart, relative.`,
    );
  if (narrow.losses.every((loss, i) => loss === wide.losses[i]))
    problems.push("The losses in float16 are those in float32: nothing was stored in float16.");
  return {
    problems,
    cut: [
      ...cutOf(run),
      ...(steps < most ? [`${steps} of ${most} steps ran: there was no time for more.`] : []),
    ],
    facts: {
      Tests: `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`,
      "Largest difference of a loss": `${(100 * Math.max(...differences)).toPrecision(2)} % in ${steps} steps`,
      "A step of the decoder": `${wide.ms.toFixed(1)} ms in float32, ${narrow.ms.toFixed(1)} ms in float16`,
    },
    tables: [],
    data: { ...counts, steps, float32: wide, float16: narrow },
  };
}
