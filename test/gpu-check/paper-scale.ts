/** Phase `paper-scale`: a training step of the decoder at the paper's size, or at the largest of three sizes that time and memory allow. */

import { kernelColumns, kernelRows, type Run, runSteps } from "#bench/paper-run.js";
import { recordStep, summaryOf, total, trainingOf } from "#bench/paper-step.js";
import { bytes, significant } from "#bench/report.js";
import { OutOfMemoryError } from "../../dist/engine/gpu/errors.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { Context, Outcome, RunPhase } from "./phase.js";

interface Size {
  readonly name: string;
  readonly words: number;
  readonly length: number;
  readonly set: readonly string[];
}

/** From a small one up to the paper's. Each tells how long the next will take. */
const sizes: readonly Size[] = [
  {
    name: "small",
    words: 1024,
    length: 8,
    set: [
      "data.imageSize=64",
      "decoder.blocks=1",
      "decoder.dim=64",
      "decoder.heads=2",
      "decoder.batch=4",
      "decoder.microBatches=2",
    ],
  },
  {
    name: "two blocks",
    words: 5400,
    length: 24,
    set: ["decoder.blocks=2", "decoder.batch=16", "decoder.microBatches=2"],
  },
  { name: "the paper's", words: 49408, length: 77, set: [] },
];

/** Steps that run of each size: one that compiles, one that is timed, and where the device tells times one by kernel. */
const stepsOfEach = 2;

interface Ran {
  readonly size: Size;
  readonly summary: ReturnType<typeof summaryOf>;
  readonly run: Run;
}

export const paperScale: RunPhase = async (context) => {
  const ran: Ran[] = [];
  const cut: string[] = [];
  for (const [i, size] of sizes.entries()) {
    const gpu = await context.gpu();
    context.progress(i / sizes.length, `recording the step of ${size.name} size`);
    const made = trainingOf(gpu, { words: size.words, length: size.length, set: [...size.set] });
    const recorded = recordStep(gpu, made);
    const flops = total(recorded.work, (work) => work.flops);
    const seconds = predicted(ran.at(-1), flops);
    if (seconds * (stepsOfEach + 1) > (context.until - performance.now()) / 1000) {
      cut.push(
        `The step of ${size.name} size did not run: there was no time for it${Number.isFinite(seconds) ? `, it may take ${significant(seconds)} s` : ""}.`,
      );
      break;
    }
    try {
      ran.push({ size, summary: summaryOf(recorded, size), run: await stepsOf(context, gpu, made, i) });
    } catch (error) {
      if (!(error instanceof OutOfMemoryError) || ran.length === 0) throw error;
      cut.push(`The step of ${size.name} size did not run: ${error.message}.`);
      break;
    } finally {
      gpu.dispose();
    }
  }
  return outcomeOf(ran, cut);
};

/** Seconds of a step by the rate of the size before; larger ones are no less efficient. 0 for the first. */
function predicted(before: Ran | undefined, flops: number): number {
  return before ? (flops / before.summary.flops) * before.run.steps.at(-1)!.seconds : 0;
}

function stepsOf(context: Context, gpu: Gpu, made: ReturnType<typeof trainingOf>, i: number): Promise<Run> {
  return runSteps(gpu, made, stepsOfEach, (text) =>
    context.progress((i + 0.5) / sizes.length, `${sizes[i]!.name} size: ${text.trim()}`),
  );
}

function outcomeOf(ran: readonly Ran[], cut: string[]): Outcome {
  const wrong = ran.flatMap(({ size, run }) =>
    run.steps.flatMap(({ loss, gradNorm }, i) =>
      Number.isFinite(loss) && loss > 0 && Number.isFinite(gradNorm) && gradNorm > 0
        ? []
        : [`Step ${i + 1} of ${size.name} size has the loss ${loss} and the gradient norm ${gradNorm}.`],
    ),
  );
  const last = ran.at(-1)!;
  const { summary, run } = last;
  const seconds = run.steps.at(-1)!.seconds;
  return {
    problems: wrong,
    cut,
    facts: {
      Network: summary.network,
      Batch: summary.batch,
      "A step": `${significant(seconds)} s, ${significant(summary.flops / seconds / 1e9)} GFLOP/s`,
      "Memory on the device, counted": bytes(summary.memory),
    },
    tables: run.kernels
      ? [{ title: "One more step, by kernel", columns: kernelColumns, rows: kernelRows(run.kernels) }]
      : [],
    data: ran.map(({ size, summary, run }) => ({ size: size.name, ...summary, ...run })),
  };
}
