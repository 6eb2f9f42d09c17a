/** A model to score with its data: what the evaluation of one model and a sweep begin with. */

import { Captioner } from "../captioner/captioner.js";
import type { Precision } from "../captioner/files.js";
import type { Dataset } from "../data/dataset.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import type { Clip } from "../models/clip/clip.js";
import type { Judge } from "../models/judge/judge.js";
import type { Collective } from "../platform/collective.js";
import { nodePlatform as platform } from "../platform/node.js";
import { openClip } from "./clip-scores.js";
import { codeStoreFor } from "./code-store.js";
import { checkSplits } from "./compared-models.js";
import { dataHash, weightsRecord } from "./evaluation-record.js";
import { checkJudged, openJudge } from "./judge/score.js";
import { loadDataset } from "./load-dataset.js";
import { checkSteps, openComputingGpu, type SamplingFlags } from "./options.js";
import { checkSame, firstAlone, together } from "./ranks.js";
import { sourceOf } from "./weights-data.js";

/** Which model, on which device, with which data. */
export interface ScoredModelRequest {
  readonly weights: string;
  readonly data?: string | undefined;
  /** Folder of a CLIP. */
  readonly clip?: string | undefined;
  /** Folder of a judge. */
  readonly judge?: string | undefined;
  readonly sampling: SamplingFlags;
  readonly precision?: Precision | undefined;
  readonly adapter?: string | undefined;
  readonly tuning?: string | undefined;
  readonly quiet?: boolean | undefined;
  /** The processes that score together. */
  readonly collective: Collective;
  /** What else must be the same on all of them. */
  readonly common: Readonly<Record<string, unknown>>;
}

/** What `openScoredModel` opens. Whoever opened it closes it. */
export interface ScoredModel {
  readonly gpu: Gpu;
  readonly captioner: Captioner;
  readonly clip: Clip | null;
  readonly judge: Judge | null;
  readonly dataset: Dataset;
  readonly splits: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens the device, the captioner, CLIP and the data set: that of `data`, else the one that the model was trained on. `splitsOf`
 * names the splits to score, `recordsOf` the records to load for them; `check` sees the captioner before the data is loaded.
 */
export async function openScoredModel(
  request: ScoredModelRequest,
  splitsOf: (dataset: Dataset) => string[],
  recordsOf: (dataset: Dataset, splits: readonly string[]) => number[],
  check?: (captioner: Captioner) => unknown,
): Promise<ScoredModel> {
  const { weights, quiet, precision, collective } = request;
  const { gpu, captioner, clip, judge, source } = await together(collective, async () => {
    checkSteps(request.sampling.steps, await Captioner.settings(platform.files, weights));
    const gpu = await openComputingGpu(request.adapter, quiet, request.tuning);
    const captioner = await Captioner.fromFolder(gpu, platform.files, weights, { precision });
    const clip = request.clip === undefined ? null : await openClip(gpu, request.clip);
    const judge = request.judge === undefined ? null : await openJudge(gpu, request.judge);
    captioner.codeStore = await codeStoreFor(captioner, captioner.config);
    check?.(captioner);
    return { gpu, captioner, clip, judge, source: await sourceOf(captioner.config, weights, request.data) };
  });
  const { dataset, splits } = await firstAlone(collective, async () => {
    const dataset = await loadDataset({ ...captioner.config.data, ...source }, quiet, (dataset) =>
      recordsOf(dataset, splitsOf(dataset)),
    );
    const splits = splitsOf(dataset);
    checkSplits(dataset, splits);
    if (judge) checkJudged(judge, dataset);
    return { dataset, splits };
  });
  await checkSame(collective, "score", async () => ({
    weights: await weightsRecord(weights),
    settings: captioner.config,
    sampling: request.sampling,
    ...request.common,
    "hash of the data": await dataHash(dataset, recordsOf(dataset, splits)),
  }));
  return {
    ...{ gpu, captioner, clip, judge, dataset, splits },
    async close() {
      captioner.dispose();
      clip?.dispose();
      judge?.dispose();
      await dataset.images.close();
    },
  };
}
