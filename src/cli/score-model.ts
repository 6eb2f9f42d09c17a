/** `node dist/evaluate.js`: the scores of one model, its bound and its CLIPScore. Node only. */

import type { Captioner } from "../captioner/captioner.js";
import { isScenes } from "../data/scenes/dataset.js";
import { clipTable } from "../evaluation/clip-evaluation.js";
import { captionSplits, evaluate, neededRecords } from "../evaluation/evaluation.js";
import { boundTable, splitBounds } from "../evaluation/held-out-bound.js";
import { TRUTH_LEGEND, truthTable } from "../evaluation/scene-truth.js";
import { modelTable } from "../evaluation/table/table-text.js";
import { differencesTable, scoresTable, tableLegend } from "../evaluation/tables.js";
import { DRAWS } from "../metrics/bootstrap.js";
import { UserError } from "../platform/errors.js";
import { nodePlatform as platform } from "../platform/node.js";
import { scoreByClip } from "./clip-scores.js";
import { type ModelOptions, scoredSplits } from "./compared-models.js";
import { datasetRecord, originRecord, weightsRecord } from "./evaluation-record.js";
import { tableRecord } from "./model-table.js";
import { samplingOf } from "./options.js";
import { withLateProgress } from "./progress.js";
import type { Ranks } from "./ranks.js";
import { SamplingMeter, speedText } from "./sampling-speed.js";
import { openScoredModel } from "./scored-model.js";
import { say, tell } from "./terminal.js";

/** The options of the command: those of several models, for one. */
export interface ScoreOptions extends Omit<ModelOptions, "weights"> {
  readonly weights: string;
  readonly draws?: number | undefined;
  /** Steps t of the bound; 0: none. */
  readonly bound: number;
  /** Whether the user named `bound`: a model without one is then an error. */
  readonly isBoundAsked: boolean;
  readonly clip?: string | undefined;
  readonly json?: string | undefined;
  /** Captions of each picture in the JSON. */
  readonly captions?: boolean | undefined;
  readonly adapter?: string | undefined;
  readonly tuning?: string | undefined;
}

/** Scores a model, prints the tables and writes the JSON. Several processes share the pictures; rank 0 scores and writes. */
export async function scoreModel({ collective, description }: Ranks, options: ScoreOptions): Promise<void> {
  const { weights, data, limit, seeds, compare, baselines, neighbours, bound, sampling, quiet } = options;
  const { json, captions } = options;
  const isFirst = collective.rank === 0;
  const hasBound = (captioner: Captioner) => bound > 0 && captioner.decoder.likelihood !== undefined;
  const { precision, adapter, tuning } = options;
  const model = await openScoredModel(
    {
      ...{ weights, data, sampling, precision, adapter, tuning, quiet, collective },
      // CLIP scores on rank 0.
      clip: isFirst ? options.clip : undefined,
      common: { seeds, compare, bound },
    },
    (dataset) => scoredSplits(dataset, options.splits),
    (dataset, splits) => neededRecords(dataset, { splits, limit, baselines, neighbours }),
    (captioner) => {
      if (options.isBoundAsked && bound > 0 && !hasBound(captioner))
        throw new UserError(
          `--bound: a ${captioner.config.model} decoder has no bound on the likelihood of captions`,
          2,
        );
    },
  );
  const { gpu, captioner, clip, dataset, splits } = model;
  if (description && !quiet) tell(`ranks:   ${description}`);
  // Several devices have no common speed.
  const meter = collective.size === 1 ? new SamplingMeter(gpu) : null;
  const asked = {
    ...samplingOf(sampling),
    ...{ splits, limit, seeds, baselines, neighbours, collective },
    ...(compare ? { compare } : {}),
    ...(meter ? { measure: meter.measure } : {}),
  };
  if (!isFirst) {
    await captionSplits(captioner, dataset, asked);
    if (hasBound(captioner))
      await splitBounds(captioner, dataset, splits, { limit, steps: bound, seed: sampling.seed, collective });
    return model.close();
  }
  const evaluation = await withLateProgress({ label: "scores", unit: "pictures", quiet }, (onProgress) =>
    evaluate(captioner, dataset, { ...asked, draws: options.draws ?? DRAWS, onProgress }),
  );
  const tables = [scoresTable(evaluation), differencesTable(evaluation), tableLegend(evaluation)];
  say(tables.filter((part) => part !== null).join("\n\n"));
  const truth = isScenes(dataset) ? await truthTable(dataset, evaluation) : null;
  if (truth) say(`\n${modelTable(truth)}\n\n${TRUTH_LEGEND}`);
  const speed = meter?.speed();
  if (speed && !quiet) tell(speedText(speed));
  const bounds = !hasBound(captioner)
    ? []
    : await withLateProgress({ label: "bound", unit: "captions", quiet }, (onProgress) =>
        splitBounds(captioner, dataset, splits, {
          ...{ limit, steps: bound, onProgress, seed: sampling.seed, collective },
        }),
      );
  if (bounds.length > 0) say(`\n${boundTable(bounds)}`);
  const clipScores =
    clip === null
      ? []
      : await withLateProgress({ label: "CLIPScore", unit: "pictures and texts", quiet }, (onProgress) =>
          scoreByClip(clip, dataset, evaluation, onProgress),
        );
  if (clipScores.length > 0) say(`\n${clipTable(clipScores)}`);
  if (json !== undefined) {
    const { seed: _, ...plain } = sampling;
    const record = {
      format: "mc-diffusion-evaluation-1",
      ...(await originRecord(gpu.description)),
      weights: await weightsRecord(weights),
      precision: captioner.config.decoder.precision,
      dataset: datasetRecord(dataset),
      ...{ limit, neighbours },
      sampling: { ...captioner.config.sampling, ...plain },
      ...(compare ? { compared: compare } : {}),
      ...(speed ? { speed } : {}),
      ...evaluation,
      splits: evaluation.splits.map(({ captions: said, ...scores }) => ({
        ...scores,
        ...(captions ? { captions: said } : {}),
      })),
      ...(bounds.length > 0 ? { bounds } : {}),
      ...(truth ? { truth: tableRecord(truth, null) } : {}),
      ...(clip ? { clip: { sha256: clip.sha256, splits: clipScores } } : {}),
    };
    await platform.files.write(json, `${JSON.stringify(record, null, 1)}\n`);
  }
  await model.close();
}
