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
  /** Steps that run by the clock, the first of which compiles; another one is timed by kernel where the device tells times. */
  readonly steps: number;
}

/** From a small one up to the paper's. Each tells how long the next will take. */
const sizes: readonly Size[] = [
  {
    name: "small",
    words: 1024,
    length: 8,
    set: [
      "data.imageSize=64",
      ...["blocks=1", "dim=64", "heads=2", "batch=4", "microBatches=2"].map(
        (setting) => `decoder.${setting}`,
      ),
    ],
    steps: 2,
  },
  {
    name: "medium",
    words: 5400,
    length: 24,
    set: ["decoder.blocks=2", "decoder.batch=16", "decoder.microBatches=2"],
    steps: 2,
  },
  { name: "full", words: 49408, length: 77, set: [], steps: 1 },
];

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
    if (i === sizes.length - 1 && gpu.software) {
      cut.push("The step of full size did not run: this adapter computes on the CPU.");
      break;
    }
    context.progress(i / sizes.length, `recording the step of ${size.name} size`);
    const made = trainingOf(gpu, { words: size.words, length: size.length, set: [...size.set] });
    const recorded = recordStep(gpu, made);
    // A small step on a GPU is mostly waiting, and tells nothing of the medium one.
    const tells = gpu.software || i > 1;
    const seconds = tells
      ? predicted(
          ran.at(-1),
          total(recorded.work, ({ flops }) => flops),
        )
      : 0;
    if (seconds * (size.steps + 1) > (context.until - performance.now()) / 1000) {
      cut.push(
        `The step of ${size.name} size did not run: it may take ${significant(seconds)} s, for which there was no time.`,
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
  return before ? (flops / before.summary.flops) * secondsOf(before.run) : 0;
}

/** Seconds of a step: by the device's own clock if it tells, else those of the last step. */
const secondsOf = ({ kernels, steps }: Run): number =>
  kernels ? kernels.reduce((sum, { microseconds }) => sum + microseconds, 0) / 1e6 : steps.at(-1)!.seconds;

function stepsOf(context: Context, gpu: Gpu, made: ReturnType<typeof trainingOf>, i: number): Promise<Run> {
  return runSteps(gpu, made, sizes[i]!.steps, (text) =>
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
  const seconds = secondsOf(run);
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
