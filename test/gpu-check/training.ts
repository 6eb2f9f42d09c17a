/** Phase `training`: the first 200 steps of both stages of the quick preset; each loss is compared with the stored one. */

import type { Stage } from "../../dist/training/trainer.js";
import type { TrainedStage, TrainingData } from "./data.js";
import type { Outcome, RunPhase } from "./phase.js";
import { stepsWithin, storedLosses, trainQuick } from "./quick.js";
import { compareLosses, type StoredLosses, toleranceOf } from "./stored-losses.js";

const names = { vqvae: "VQ-VAE", decoder: "Decoder" } as const;

export const training: RunPhase = async (context) => {
  const gpu = await context.gpu();
  const stored = await storedLosses(context);
  const most = stored.stages.decoder.losses.length;
  const steps = await stepsWithin(context, gpu, Number.POSITIVE_INFINITY, most);
  const began = performance.now();
  const run = await trainQuick(context, gpu, { steps, from: 0.1 });
  const seconds = (performance.now() - began) / 1000;
  const losses = {
    vqvae: run.vqvae.map(({ losses }) => losses.total!),
    decoder: run.decoder.map(({ losses }) => losses.total!),
  };
  const judged = judge(losses, stored);
  return {
    ...judged,
    cut: steps < most ? [`${steps} of ${most} steps of each stage ran: there was no time for more.`] : [],
    facts: {
      ...judged.facts,
      "Steps of each stage": `${steps} in ${seconds.toFixed(1)} s`,
      "Stored on": stored.recorded,
    },
    tables: [],
  };
};

/** The losses of both stages against the stored ones. */
export function judge(
  losses: Readonly<Record<Stage, readonly number[]>>,
  stored: StoredLosses,
): Pick<Outcome, "problems" | "facts"> & { data: TrainingData } {
  const problems: string[] = [];
  const facts: Record<string, string> = {};
  const data = {} as Record<Stage, TrainedStage>;
  for (const stage of ["vqvae", "decoder"] as const) {
    const own = losses[stage];
    const of = stored.stages[stage];
    const tolerance = toleranceOf(of);
    const { firstWrong, share, differences } = compareLosses(own, of);
    if (firstWrong !== null) {
      const at = firstWrong - 1;
      problems.push(
        `${names[stage]}: the loss of step ${firstWrong} is ${own[at]!.toPrecision(6)}, stored is ${of.losses[at]!.toPrecision(6)}: ${percent(differences[at]!)} apart, where ${percent(tolerance[at]!)} are allowed.`,
      );
    }
    facts[`${names[stage]}: largest difference`] =
      `${percent(Math.max(...differences))}, ${percent(share)} of what is allowed at its step`;
    data[stage] = {
      losses: [...own],
      stored: of.losses.slice(0, own.length),
      tolerance: tolerance.slice(0, own.length),
      share,
    };
  }
  return { problems, facts, data: { recorded: stored.recorded, stages: data } };
}

const percent = (share: number): string => `${Number((100 * share).toPrecision(2))} %`;
