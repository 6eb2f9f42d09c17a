/** `node dist/evaluate.js --weights A B … --metrics …`: one table of several models. Node only. */

import type { Dataset } from "../data/dataset.js";
import { isScenes } from "../data/scenes/dataset.js";
import { TRUTH_NAMES, type TruthName } from "../data/scenes/truth-scores.js";
import type { FeatureModel } from "../evaluation/clip-features.js";
import { type CaptionedSplit, referencesOf, seedsFrom } from "../evaluation/evaluation.js";
import {
  type ChosenColumns,
  type Column,
  clipColumns,
  columnsOf,
  DEFAULT_COLUMNS,
  judgeColumn,
  type ScoredPictures,
  WORDNET_COLUMNS,
} from "../evaluation/table/columns.js";
import { joinRows } from "../evaluation/table/join-rows.js";
import { type ModelTable, measureTable, type TableInput, tableOf } from "../evaluation/table/model-table.js";
import { referencesRow, sceneColumns } from "../evaluation/table/scene-columns.js";
import {
  modelDifferences,
  modelLegend,
  modelTable,
  tableCsv,
  tableLatex,
} from "../evaluation/table/table-text.js";
import { wordsTokenizer } from "../metrics/caption-tokenizer.js";
import { ptbTokenizer } from "../metrics/ptb/tokenizer.js";
import type { Clip } from "../models/clip/clip.js";
import type { Judge } from "../models/judge/judge.js";
import { UserError } from "../platform/errors.js";
import { nodePlatform as platform } from "../platform/node.js";
import { writeCaptionPage } from "./caption-page.js";
import { clipFeaturesOf, openClip } from "./clip-scores.js";
import {
  captionModels,
  type Model,
  type ModelOptions,
  namedWeights,
  scoredRecords,
  withPictures,
} from "./compared-models.js";
import { dataHash, datasetRecord, originRecord, weightsRecord } from "./evaluation-record.js";
import { checkJudged, openJudge } from "./judge/score.js";
import { openComputingGpu } from "./options.js";
import { withLateProgress } from "./progress.js";
import { checkSame, firstAlone, type Ranks, together } from "./ranks.js";
import { say, tell } from "./terminal.js";
import { readWordNet } from "./wordnet.js";

const TOKENIZERS = { ptb: ptbTokenizer, words: wordsTokenizer } as const;

/** Names of the tokenizers of `--tokenizer`. */
export const tokenizerNames = Object.keys(TOKENIZERS);

/** The options of the command. */
export interface ModelTableOptions extends ModelOptions {
  /** Undefined: as many as the number of differences needs. */
  readonly draws?: number | undefined;
  readonly metrics?: ChosenColumns | undefined;
  readonly tokenizer?: keyof typeof TOKENIZERS | undefined;
  readonly clip?: string | undefined;
  readonly judge?: string | undefined;
  readonly csv?: string | undefined;
  readonly latex?: string | undefined;
  readonly page?: string | undefined;
  /** Captions of each picture in the JSON. */
  readonly captions?: boolean | undefined;
  readonly adapter?: string | undefined;
  readonly tuning?: string | undefined;
}

/**
 * Captions with every model, scores them in one table, prints it and writes the files. Several processes caption together; rank 0
 * scores and writes.
 */
export async function scoreModels(
  { collective, description }: Ranks,
  options: ModelTableOptions,
): Promise<void> {
  const { quiet } = options;
  const isFirst = collective.rank === 0;
  const { named, gpu, clip, judge } = await together(collective, async () => {
    const named = await namedWeights(options);
    const gpu = await openComputingGpu(options.adapter, quiet, options.tuning);
    const clip = options.clip === undefined || !isFirst ? null : await openClip(gpu, options.clip);
    const judge = options.judge === undefined || !isFirst ? null : await openJudge(gpu, options.judge);
    return { named, gpu, clip, judge };
  });
  const models = await firstAlone(collective, () => withPictures(named, options));
  await checkSame(collective, "score", () => factsOf(models, options));
  if (description && !quiet) tell(`ranks:   ${description}`);
  const [{ dataset, config, source }] = models as [Model];
  const close = async () => {
    clip?.dispose();
    judge?.dispose();
    for (const images of new Set(models.map((model) => model.dataset.images))) await images.close();
  };
  const truths = await together(collective, async () => {
    if (judge) checkJudged(judge, dataset);
    return truthsOf(dataset, options.metrics);
  });
  const captioned = await captionModels(gpu, models, options, collective);
  if (!isFirst) return close();
  const isEmoji = source === "emoji";
  const tokenizer = options.tokenizer ?? (isEmoji ? "words" : "ptb");
  const names = options.metrics?.columns ?? DEFAULT_COLUMNS[isEmoji ? "emoji" : "other"];
  const wordNet = names.some((name) => WORDNET_COLUMNS.includes(name)) ? await readWordNet() : undefined;
  const training = names.includes("newCaptions")
    ? referencesOf(dataset, dataset.splits.train ?? []).flat()
    : [];
  const columns = [
    ...columnsOf(names, { tokenizer: TOKENIZERS[tokenizer], wordNet, training }),
    ...(isScenes(dataset) ? sceneColumns(dataset, truths) : []),
  ];
  const rows = joinRows(
    models.map(({ name }, i) => ({ name, splits: captioned[i]! })),
    options.compare !== undefined,
  );
  const inputs = await inputsOf(rows, dataset, columns, { clip, judge }, quiet);
  const seeds = seedsFrom(options.sampling.seed ?? config.seed, options.seeds);
  const measured = await withLateProgress({ label: "scores", unit: "sets of captions", quiet }, (onScored) =>
    measureTable(inputs, onScored),
  );
  const table = await withLateProgress({ label: "intervals", unit: "resamples", quiet }, async (onDraws) =>
    tableOf(inputs, measured, { seeds, draws: options.draws, onDraws }),
  );
  const tables = [modelTable(table), modelDifferences(table), modelLegend(table)];
  say(tables.filter((part) => part !== null).join("\n\n"));
  if (options.csv !== undefined) await platform.files.write(options.csv, tableCsv(table));
  if (options.latex !== undefined) await platform.files.write(options.latex, tableLatex(table));
  if (options.json !== undefined) {
    const record = {
      format: "mc-diffusion-model-table-1",
      ...(await originRecord(gpu.description)),
      models: await Promise.all(models.map((model) => modelRecord(model, options))),
      dataset: datasetRecord(dataset),
      ...{ limit: options.limit, neighbours: options.neighbours },
      tokenizer,
      ...(options.compare ? { compared: options.compare } : {}),
      ...(clip ? { clip: { sha256: clip.sha256 } } : {}),
      ...(judge ? { judge: { sha256: judge.sha256 } } : {}),
      ...tableRecord(table, options.captions ? inputs : null),
    };
    await platform.files.write(options.json, `${JSON.stringify(record, null, 1)}\n`);
  }
  if (options.page !== undefined) await writeCaptionPage(options.page, { table, inputs, dataset });
  await close();
}

/** What the processes must have in common: settings, weights and data. */
async function factsOf(models: readonly Model[], options: ModelTableOptions) {
  const { sampling, compare, seeds, precision } = options;
  return {
    ...{ sampling, compare, seeds, precision },
    models: await Promise.all(
      models.map(async ({ weights, config, dataset }, i) => ({
        weights: await weightsRecord(weights),
        settings: config,
        "hash of the data": await dataHash(dataset, scoredRecords(dataset, options, i)),
      })),
    ),
  };
}

/** Columns of what is true: those asked for, or all that the data set has. Throws a `UserError` for others than scenes. */
function truthsOf(dataset: Dataset, chosen: ChosenColumns | undefined): readonly TruthName[] {
  const truths = chosen?.truths ?? "all";
  if (truths === "all") return isScenes(dataset) ? TRUTH_NAMES : [];
  if (truths.length > 0 && !isScenes(dataset))
    throw new UserError(
      `--metrics: ${truths.join(", ")} can be told of scenes alone; of ${dataset.name} nobody knows what its pictures show`,
      2,
    );
  return truths;
}

/** The captions with their pictures, references and columns. */
async function inputsOf(
  captioned: readonly CaptionedSplit[],
  dataset: Dataset,
  columns: readonly Column[],
  { clip, judge }: { readonly clip: Clip | null; readonly judge: Judge | null },
  quiet: boolean | undefined,
): Promise<TableInput[]> {
  const inputs = captioned.map(({ split, records, rows }): TableInput => {
    const pictures: ScoredPictures = {
      images: records.map((record) => dataset.records[record]!.image),
      references: referencesOf(dataset, records),
      corpus: referencesOf(dataset, dataset.splits[split]!),
    };
    const judged =
      judge !== null || columns.some((column) => column.statistic !== null && column.ofReferences);
    return {
      ...{ split, pictures, columns },
      ids: records.map((record) => dataset.records[record]!.id),
      rows: judged ? [...rows, referencesRow(pictures)] : rows,
    };
  });
  if (clip === null && judge === null) return inputs;
  const wanted = {
    images: inputs.flatMap(({ pictures }) => pictures.images),
    texts: inputs.flatMap(({ pictures, rows }) => [
      ...pictures.references.flat(),
      ...rows.flatMap(({ said }) => said.flat()),
    ]),
  };
  const featuresOf = (label: string, model: FeatureModel, prompt?: string) =>
    withLateProgress({ label, unit: "pictures and texts", quiet }, (onProgress) =>
      clipFeaturesOf(model, dataset, wanted, onProgress, prompt),
    );
  const further = [
    ...(clip ? clipColumns(await featuresOf("CLIP", clip)) : []),
    ...(judge ? [judgeColumn(await featuresOf("judge", judge, ""))] : []),
  ];
  return inputs.map((input) => ({ ...input, columns: [...columns, ...further] }));
}

async function modelRecord({ name, weights, config, dataset }: Model, { sampling }: ModelTableOptions) {
  const { seed: _, ...plain } = sampling;
  return {
    name,
    model: config.model,
    weights: await weightsRecord(weights),
    precision: config.decoder.precision,
    imageSize: dataset.size,
    sampling: { ...config.sampling, ...plain },
  };
}

/** The table for JSON; with `inputs` the captions and scores of each picture. */
export function tableRecord(
  { seeds, draws, level, columns, splits }: ModelTable,
  inputs: readonly TableInput[] | null,
) {
  return {
    ...{ seeds, draws, level },
    columns: columns.map(({ name, title, decimals }) => ({ name, title, decimals })),
    splits: splits.map(({ each, ...split }, s) => {
      if (inputs === null) return split;
      const { ids, pictures, rows } = inputs[s]!;
      const captions = ids.map((id, i) => ({
        id,
        references: pictures.references[i]!,
        rows: rows.map(({ name, said }, row) => ({
          name,
          captions: said.map((list) => list[i]!),
          scores: Object.fromEntries(
            Object.entries(each[row]!).map(([column, scores]) => [column, scores[i]!]),
          ),
        })),
      }));
      return { ...split, captions };
    }),
  };
}
