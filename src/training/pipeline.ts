/** What a run has beside its stages, the same on every platform: held-out pictures, a vocabulary, the trained captioner. */

import type { Captioner } from "../captioner/captioner.js";
import type { Config } from "../config/config.js";
import { type Dataset, recordsInSplits } from "../data/dataset.js";
import { readWeights } from "../engine/weights/weights.js";
import { recordsOf, testSplits } from "../evaluation/evaluation.js";
import type { RunFolder } from "../io/run-folder.js";
import { UserError } from "../platform/errors.js";
import { type JsonRecord, parseJsonRecord, toJson } from "../platform/json.js";
import type { Files, Platform } from "../platform/platform.js";
import { WordTokenizer } from "../text/words.js";
import { latestCheckpoint } from "./checkpoint.js";
import { type RunData, vocabularyHash } from "./run-data.js";

/** Held-out pictures that are measured and shown while training. */
const heldOutCount = 96;
const vocabularyFile = "vocabulary.json";

/**
 * Records to measure on and to show while training: of the split `validation` alone, as whatever is chosen by these measures
 * has seen them. Throws a `UserError` where there are none, or no training pictures.
 */
export function heldOutRecords(dataset: Dataset): number[] {
  const records = measured(dataset);
  if (records.length === 0)
    throw new UserError(`data set ${dataset.name} has no pictures in split "validation" to measure on`);
  if (!dataset.splits.train?.length) throw new UserError(`data set ${dataset.name} has no training pictures`);
  return records;
}

function measured(dataset: Dataset): number[] {
  return recordsOf(dataset, "validation", heldOutCount);
}

/**
 * The records whose pictures a run uses, scores at the end included. Without `data.subset` all are, so that a picture which
 * cannot be read is found at the start, wherever it is.
 */
export function usedRecords(dataset: Dataset, { data, log }: Config): number[] {
  if (data.subset === 0) return recordsInSplits(dataset);
  const scored = testSplits(dataset).flatMap((split) => recordsOf(dataset, split, log.scored));
  return [...new Set([...(dataset.splits.train ?? []), ...measured(dataset), ...scored])];
}

/** The vocabulary of a data set: the words of its training captions. */
export function buildVocabulary(dataset: Dataset, config: Config): WordTokenizer {
  const captions = (dataset.splits.train ?? []).flatMap((record) => dataset.records[record]!.captions);
  return WordTokenizer.build(captions, { minimumCount: config.data.minCount });
}

/** The vocabulary that a run has in its folder; null if the file is not there. */
export async function readVocabulary(files: Files, run: string): Promise<WordTokenizer | null> {
  const path = `${run}/${vocabularyFile}`;
  if (await files.exists(path))
    return WordTokenizer.fromJSON(parseJsonRecord(await files.readText(path), path), path);
  return null;
}

export async function writeVocabulary(files: Files, run: string, tokenizer: WordTokenizer): Promise<void> {
  await files.write(`${run}/${vocabularyFile}`, toJson(tokenizer.toJSON()));
}

/** The run's vocabulary, built from the training captions when the run starts. */
export async function runVocabulary(
  files: Files,
  run: Pick<RunFolder, "path">,
  dataset: Dataset,
  config: Config,
): Promise<WordTokenizer> {
  const kept = await readVocabulary(files, run.path);
  if (kept) return kept;
  const tokenizer = buildVocabulary(dataset, config);
  await writeVocabulary(files, run.path, tokenizer);
  return tokenizer;
}

/** What each checkpoint of a run keeps of its vocabulary, so that a lost file can be made again. */
export function keptVocabulary(tokenizer: WordTokenizer): JsonRecord {
  return { vocabulary: tokenizer.toJSON() };
}

/**
 * The vocabulary of a run that goes on: its file's, else that of a checkpoint or of its finished weights. A run that has
 * trained nothing yet builds it anew, from the data as it was when it began (or from `otherData`, if that is wanted). `restored`
 * says where it was found if not in its file. Throws a `UserError` if there is none: a model cannot go on with other words.
 */
export async function resumedVocabulary(
  { files, hash }: Pick<Platform, "files" | "hash">,
  run: RunFolder,
  dataset: Dataset,
  config: Config,
  { before, otherData }: { before: RunData | null; otherData: boolean },
): Promise<{ tokenizer: WordTokenizer; restored: string | null }> {
  const kept = await readVocabulary(files, run.path);
  if (kept) return { tokenizer: kept, restored: null };
  let trained = false;
  for (const stage of ["decoder", "vqvae"]) {
    const { checkpoint, path } = await latestCheckpoint(files, run.checkpointFolder(stage));
    if (!checkpoint || path === null) continue;
    trained = true;
    const { vocabulary } = checkpoint.state;
    if (vocabulary !== undefined) {
      const tokenizer = WordTokenizer.fromJSON(vocabulary, `${path}/state.json`);
      return { tokenizer, restored: path };
    }
  }
  const weights = `${run.path}/weights/config.json`;
  if (await files.exists(weights)) {
    const record = parseJsonRecord(await files.readText(weights), weights);
    if (record.tokenizer !== undefined)
      return { tokenizer: WordTokenizer.fromJSON(record.tokenizer, weights), restored: weights };
  }
  const tokenizer = buildVocabulary(dataset, config);
  const same = before !== null && (await vocabularyHash(tokenizer, hash)) === before.vocabulary;
  if (same || (!trained && otherData)) return { tokenizer, restored: "the captions" };
  throw new UserError(
    trained
      ? `${run.path}/${vocabularyFile} is missing, and neither a checkpoint nor weights/ hold the words that the model was trained with; put the file back`
      : `${run.path}/${vocabularyFile} is missing, and these captions have other words than the run began with; put the file or the captions back, or go on with --changed-data`,
  );
}

/** Writes the captioner with the weights that its networks have now, as `Captioner.load` and `fromFolder` read it. */
export async function saveTrained(captioner: Captioner, files: Files, folder: string): Promise<void> {
  const weights = new Map([
    ...(await readWeights(captioner.vqvae, "vqvae.")),
    ...(await readWeights(captioner.decoder, "decoder.")),
  ]);
  await captioner.save(files, folder, weights, { half: true });
}
