/** The models of one table, and their captions of the same pictures. Node only. */

import { Captioner } from "../captioner/captioner.js";
import type { Precision } from "../captioner/files.js";
import type { Config } from "../config/config.js";
import type { Dataset } from "../data/dataset.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import type { ComparedGuidance } from "../evaluation/compared.js";
import {
  type CaptionedSplit,
  type CaptioningOptions,
  captioningWork,
  captionSplits,
  neededRecords,
} from "../evaluation/evaluation.js";
import { testSplits } from "../evaluation/pictures.js";
import { modelNames } from "../evaluation/table/model-names.js";
import { type Collective, shareJson } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import { absolutePath, nodePlatform as platform } from "../platform/node.js";
import { CaptionCache } from "./caption-cache.js";
import { codeStoreFor } from "./code-store.js";
import { loadDataset } from "./load-dataset.js";
import { checkSteps, type SamplingFlags, samplingOf } from "./options.js";
import { withLateProgress } from "./progress.js";
import { tell } from "./terminal.js";
import { checkSameData, type NamedWeights, sourceOf } from "./weights-data.js";

/** Which models caption which pictures, and how. */
export interface ModelOptions {
  readonly weights: readonly string[];
  readonly data?: string | undefined;
  readonly splits?: string | undefined;
  readonly limit: number;
  readonly seeds: number;
  readonly compare?: readonly ComparedGuidance[] | undefined;
  readonly baselines: boolean;
  readonly neighbours: number;
  readonly sampling: SamplingFlags & { readonly seed?: number | undefined };
  readonly precision?: Precision | undefined;
  /** The file of the results: captions are kept beside it. */
  readonly json?: string | undefined;
  readonly quiet?: boolean | undefined;
}

/** One of the compared models. */
export interface Model {
  readonly name: string;
  readonly weights: string;
  readonly config: Config;
  /** The pictures at the model's size. */
  readonly dataset: Dataset;
  /** The kind of the data set. */
  readonly source: Config["data"]["source"];
}

/** The folders with their settings, checked before a device is opened. */
export async function namedWeights({
  weights,
  data,
  sampling,
}: Pick<ModelOptions, "weights" | "data" | "sampling">): Promise<NamedWeights[]> {
  const twice = weights.find((folder, i) =>
    weights.slice(0, i).some((other) => absolutePath(other) === absolutePath(folder)),
  );
  if (twice !== undefined) throw new UserError(`--weights: ${twice} is named twice`, 2);
  const named: NamedWeights[] = [];
  for (const folder of weights)
    named.push({ weights: folder, config: await Captioner.settings(platform.files, folder) });
  for (const { config } of named) checkSteps(sampling.steps, config);
  if (data === undefined) await checkSameData(named);
  return named;
}

/** The models with the pictures at the size of each, of the data set that --data names or the first model was trained on. */
export async function withPictures(named: readonly NamedWeights[], options: ModelOptions): Promise<Model[]> {
  const { limit, baselines, neighbours, quiet } = options;
  const first = named[0]!;
  const source = await sourceOf(first.config, first.weights, options.data);
  const loaded = new Map<string, Dataset>();
  const models: Model[] = [];
  const names = modelNames(named.map(({ weights }) => weights));
  for (const [i, { weights, config }] of named.entries()) {
    const { imageSize, crop } = config.data;
    const wanted = { ...first.config.data, imageSize, crop, ...source };
    const key = JSON.stringify([wanted.imageSize, wanted.crop]);
    const searched = baselines && i === 0;
    const dataset =
      loaded.get(key) ??
      (await loadDataset(wanted, quiet, (dataset) =>
        neededRecords(dataset, {
          splits: scoredSplits(dataset, options.splits),
          limit,
          baselines: searched,
          neighbours,
        }),
      ));
    loaded.set(key, dataset);
    const splits = scoredSplits(dataset, options.splits);
    checkSplits(dataset, splits);
    checkSamePictures(models[0]?.dataset ?? dataset, dataset, splits);
    models.push({ name: names[i]!, weights, config, dataset, source: wanted.source });
  }
  return models;
}

/** Throws unless both have the same pictures of the splits: rows of the table belong together by their place. */
function checkSamePictures(first: Dataset, other: Dataset, splits: readonly string[]): void {
  const ids = (dataset: Dataset) =>
    JSON.stringify(
      splits.map((split) => dataset.splits[split]!.map((record) => dataset.records[record]!.id)),
    );
  if (ids(first) !== ids(other))
    throw new UserError(
      `${first.name} has other pictures at ${other.size} pixels than at ${first.size}: some cannot be read`,
    );
}

/** Captions to make with one model, or those found in the cache. */
interface CaptioningTask {
  readonly model: Model;
  readonly asked: CaptioningOptions;
  /** Undefined without a cache. */
  readonly key: string | undefined;
  readonly found: CaptionedSplit[] | null;
  /** Pictures to encode and to caption. */
  readonly work: number;
}

/** The records that the model with number `i` encodes. */
export function scoredRecords(
  dataset: Dataset,
  {
    splits,
    limit,
    baselines,
    neighbours,
  }: Pick<ModelOptions, "splits" | "limit" | "baselines" | "neighbours">,
  i: number,
): number[] {
  return neededRecords(dataset, {
    ...{ splits: scoredSplits(dataset, splits), limit, baselines: baselines && i === 0, neighbours },
  });
}

/**
 * The captions of every model, one captioner on the device at a time; of several processes rank 0 gets those that are kept, and keeps
 * new ones.
 */
export async function captionModels(
  gpu: Gpu,
  models: readonly Model[],
  options: ModelOptions,
  collective: Collective,
): Promise<CaptionedSplit[][]> {
  const { limit, seeds, compare, precision, quiet } = options;
  const keeps = options.json !== undefined && collective.rank === 0;
  const cache = keeps ? new CaptionCache(options.json!) : null;
  const tasks: CaptioningTask[] = [];
  for (const [i, model] of models.entries()) {
    const { dataset } = model;
    const splits = scoredSplits(dataset, options.splits);
    const asked: CaptioningOptions = {
      ...samplingOf(options.sampling),
      // The same seeds for all.
      ...{ seed: options.sampling.seed ?? models[0]!.config.seed, seeds },
      ...{ splits, limit, baselines: options.baselines && i === 0, neighbours: options.neighbours },
      ...(compare ? { compare } : {}),
    };
    const settings = { ...asked, precision: precision ?? null, adapter: gpu.description };
    const key = await cache?.key(model.weights, dataset, neededRecords(dataset, asked), settings);
    const kept = cache && key ? await cache.read(key) : null;
    const found = (await shareJson(collective, kept !== null)) ? (kept ?? []) : null;
    if (found && !quiet) tell(`captions of ${model.name}: found in ${cache?.folder}`);
    tasks.push({ model, asked, key, found, work: found ? 0 : captioningWork(dataset, asked) });
  }
  const total = tasks.reduce((sum, { work }) => sum + work, 0);
  let done = 0;
  return withLateProgress({ label: "captions", unit: "pictures", quiet }, async (onProgress) => {
    const captioned: CaptionedSplit[][] = [];
    for (const { model, asked, key, found, work } of tasks) {
      const said =
        found ??
        (await captionModel(gpu, model, precision, {
          ...asked,
          collective,
          onProgress: (count) => onProgress(done + count, total),
        }));
      if (cache && key && !found) await cache.write(key, said);
      done += work;
      captioned.push(said);
    }
    return captioned;
  });
}

async function captionModel(
  gpu: Gpu,
  { weights, dataset }: Model,
  precision: Precision | undefined,
  asked: CaptioningOptions,
): Promise<CaptionedSplit[]> {
  const captioner = await Captioner.fromFolder(gpu, platform.files, weights, { precision });
  try {
    captioner.codeStore = await codeStoreFor(captioner, captioner.config);
    return await captionSplits(captioner, dataset, asked);
  } finally {
    captioner.dispose();
  }
}

/** The splits that --splits names, else those scored by default. */
export function scoredSplits(dataset: Dataset, given: string | undefined): string[] {
  return given === undefined ? testSplits(dataset) : given.split(",").map((name) => name.trim());
}

/** Throws a `UserError` that names a split that the data set does not have. */
export function checkSplits(dataset: Dataset, chosen: readonly string[]): void {
  const known = Object.keys(dataset.splits);
  const wrong = chosen.find((name) => !known.includes(name));
  if (wrong !== undefined)
    throw new UserError(`--splits: ${dataset.name} has no split "${wrong}"; it has ${known.join(", ")}`, 2);
}
