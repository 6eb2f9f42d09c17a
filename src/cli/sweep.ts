/** `evaluate.js --sweep`: runs a guidance sweep from a loaded captioner to the files in its folder. */

import { isScenes } from "../data/scenes/dataset.js";
import { TRUTH_NAMES } from "../data/scenes/truth-scores.js";
import { recordsOf } from "../evaluation/pictures.js";
import { LineStore } from "../evaluation/sweep/line-store.js";
import { distinct } from "../evaluation/sweep/points.js";
import {
  clipReferenceFree,
  judgeReferenceFree,
  likelihoodReferenceFree,
  type ReferenceFree,
} from "../evaluation/sweep/reference-free.js";
import { byReferences, type SweepMetric } from "../evaluation/sweep/scores.js";
import { selectionSplits, splitView } from "../evaluation/sweep/split-view.js";
import { type SplitScores, Sweep } from "../evaluation/sweep/sweep.js";
import { sceneColumns } from "../evaluation/table/scene-columns.js";
import { captionMetrics } from "../metrics/caption-metrics.js";
import { wordsTokenizer } from "../metrics/caption-tokenizer.js";
import { McDiffusion } from "../models/mc-diffusion/mc-diffusion.js";
import { samplingSettingsOf } from "../models/sampling-settings.js";
import { UserError } from "../platform/errors.js";
import { lockFolder } from "../platform/lock.js";
import { nodePlatform as platform } from "../platform/node.js";
import { featureOptions } from "./clip-scores.js";
import { weightsRecord } from "./evaluation-record.js";
import { samplingOf } from "./options.js";
import { startProgress } from "./progress.js";
import { type Ranks, together } from "./ranks.js";
import { openScoredModel } from "./scored-model.js";
import { choiceText, writeChoice, writeCurves, writeSweep } from "./sweep-files.js";
import { type SweepInput, type SweepPlan, type SweepRequest, sweepSplits } from "./sweep-options.js";
import { say, tell } from "./terminal.js";
import { readWordNet } from "./wordnet.js";

/** Opens the device, the model and the data, and runs a sweep. Several processes share its settings; rank 0 scores and writes. */
export async function sweepModel(
  { collective, description }: Ranks,
  plan: SweepPlan,
  request: SweepRequest,
): Promise<void> {
  const { sampling, limit } = request;
  const {
    gpu: _,
    close,
    ...model
  } = await openScoredModel(
    { ...request, collective, common: { sweep: plan, seeds: request.seeds } },
    (dataset) => sweepSplits(dataset, request.splits),
    (dataset, splits) => splits.flatMap((split) => recordsOf(dataset, split, limit)),
    // Throws for another kind.
    (captioner) => McDiffusion.of(captioner.decoder),
  );
  if (description && !request.quiet) tell(`ranks:   ${description}`);
  await runSweep(plan, {
    ...request,
    ...model,
    collective,
    sampling: samplingOf(sampling),
    weights: await weightsRecord(request.weights),
  });
  await close();
}

/** Runs a sweep and writes its folder. Prints the choice, its scores on the test splits, and where the files are. */
async function runSweep(plan: SweepPlan, input: SweepInput): Promise<void> {
  const { captioner, dataset, sampling, weights, limit, draws, quiet, collective } = input;
  const folder = input.out ?? `runs/sweep-${weights.sha256.slice(0, 8)}`;
  const { files, hash } = platform;
  const metrics = new Map<string, SweepMetric>([
    ...byReferences(captionMetrics({ tokenizer: wordsTokenizer, wordNet: await readWordNet() })),
    ...(isScenes(dataset) ? sceneColumns(dataset, TRUTH_NAMES) : []).map(
      (column) => [column.name, column] as const,
    ),
  ]);
  if (!metrics.has(plan.choose))
    throw new UserError(`--choose ${plan.choose} is of scenes; these are pictures of ${dataset.name}`, 2);
  const opened = await together(collective, async () => {
    if (collective.rank > 0) return null;
    await files.makeDirectory(folder);
    const unlock = await lockFolder(folder);
    return { unlock, store: await LineStore.open(files, `${folder}/captions.jsonl`) };
  });
  const settings = samplingSettingsOf(captioner.config, sampling);
  const free = await referenceFreeOf(plan, input);
  const [, ...tests] = input.splits;
  if (!quiet) {
    tell(`captions are kept in ${folder}: if the sweep is stopped, the same command goes on`);
    if (2 * settings.steps > captioner.decoder.steps)
      tell(
        `careful: twice ${settings.steps} steps are more than the model's ${captioner.decoder.steps}, so no unguided sampling has as many network passes as guided sampling; choose fewer --steps`,
      );
  }
  const progress = startProgress({ label: "sweep", total: 1, unit: "network passes", quiet: quiet ?? false });
  const sweep = new Sweep(
    { captioner, weights: weights.sha256, sampling, free, store: opened?.store ?? null, hash, collective },
    {
      ...{ grid: plan.grid, metrics, choose: plan.choose, limit, draws },
      base: { ...settings, most: captioner.decoder.steps },
      ...{ seed: settings.seed, testSeeds: input.seeds },
    },
    (done, total, what) => {
      progress.setTotal(total);
      progress.update(done, what);
    },
  );
  try {
    const counted = tests.map((split) => dataset.splits[split]!.length);
    const pictures = counted.reduce((sum, count) => sum + (limit === 0 ? count : Math.min(limit, count)), 0);
    const selection = await sweep.select(splitView(dataset, selectionSplits), pictures);
    if (opened) await writeChoice(folder, plan.choose, selection);
    const drawn: SplitScores[] = plan.curves === "validation" ? [selection.validation] : [];
    const chosen = distinct(selection.choices.map(({ point }) => point));
    const results: SplitScores[] = [];
    const unguided: SplitScores[] = [];
    for (const split of tests) {
      results.push(await sweep.test(dataset, split, chosen));
      unguided.push(await sweep.curves(dataset, split, sweep.unguided));
      if (plan.curves === "test") drawn.push(await sweep.curves(dataset, split, sweep.points));
    }
    progress.stop();
    if (!opened) return;
    const written = {
      ...{ plan, input, metrics, free, settings, selection },
      tests: results,
      unguided,
      drawn,
    };
    await writeCurves(folder, written);
    await writeSweep(folder, written);
    say(choiceText(written));
    tell(`tables, figures and captions are in ${folder}`);
  } finally {
    progress.stop();
    opened?.unlock();
  }
}

async function referenceFreeOf(
  { referenceFree }: SweepPlan,
  { captioner, dataset, clip, judge, collective }: SweepInput,
): Promise<ReferenceFree> {
  const keeps = collective.rank === 0;
  const wanted = referenceFree ?? (clip ? "clip" : judge ? "judge" : "likelihood");
  if (clip && wanted === "clip")
    return clipReferenceFree(clip, await featureOptions(clip, dataset, { keeps }));
  if (judge && wanted === "judge")
    return judgeReferenceFree(judge, await featureOptions(judge, dataset, { keeps }));
  if (referenceFree === "clip")
    throw new UserError("--reference-free clip: there is no CLIP in the folder that --clip names", 2);
  return likelihoodReferenceFree(captioner);
}
