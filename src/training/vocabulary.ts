/** The vocabulary of a run: built from its training captions, kept in its folder and in each checkpoint. */

import type { Config } from "../config/config.js";
import type { Dataset } from "../data/dataset.js";
import type { RunFolder } from "../io/run-folder.js";
import { UserError } from "../platform/errors.js";
import { type JsonRecord, parseJsonRecord, toJson } from "../platform/json.js";
import type { Files, FolderFiles, Platform } from "../platform/platform.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { tokenizerFromJSON, tokenizers } from "../text/tokenizers.js";
import { latestCheckpoint } from "./checkpoint.js";
import { type RunData, vocabularyHash } from "./run-data.js";

const vocabularyFile = "vocabulary.json";

/**
 * The tokenizer of a run, of the kind that its configuration names, for the training captions of a data set. `files` has the
 * vocabulary that the configuration names.
 */
export async function buildVocabulary(
  dataset: Dataset,
  { data }: Pick<Config, "data">,
  files: FolderFiles,
): Promise<Tokenizer> {
  const captions = (dataset.splits.train ?? []).flatMap((record) => dataset.records[record]!.captions);
  return tokenizers.get(data.tokenizer).build(captions, {
    minimumCount: data.minCount,
    vocabulary: data.vocabulary === "" ? null : { path: data.vocabulary, files },
  });
}

/** Reads the vocabulary from a run's folder; null if the file is not there. */
export async function readVocabulary(files: Files, run: string): Promise<Tokenizer | null> {
  const path = `${run}/${vocabularyFile}`;
  if (await files.exists(path))
    return tokenizerFromJSON(parseJsonRecord(await files.readText(path), path), path);
  return null;
}

/** Writes the vocabulary as `vocabulary.json` into the folder of a run. */
export async function writeVocabulary(files: Files, run: string, tokenizer: Tokenizer): Promise<void> {
  await files.write(`${run}/${vocabularyFile}`, toJson(tokenizer.toJSON()));
}

/** The run's vocabulary, built from the training captions at the start of the run. */
export async function runVocabulary(
  files: Files,
  run: Pick<RunFolder, "path">,
  dataset: Dataset,
  config: Config,
): Promise<Tokenizer> {
  const kept = await readVocabulary(files, run.path);
  if (kept) return kept;
  const tokenizer = await buildVocabulary(dataset, config, files);
  await writeVocabulary(files, run.path, tokenizer);
  return tokenizer;
}

/** The vocabulary data stored in each checkpoint of a run, from which a lost file can be restored. */
export function keptVocabulary(tokenizer: Tokenizer): JsonRecord {
  return { vocabulary: tokenizer.toJSON() };
}

/**
 * The vocabulary of a resumed run: from its file, else from a checkpoint or from its finished weights. A run that has trained
 * nothing yet rebuilds it, from the data as it was when it began (or from `otherData`, if that is wanted). `restored` names the
 * source if it is not the file. Throws a `UserError` if there is none: a model cannot go on with other words.
 */
export async function resumedVocabulary(
  { files, hash }: Pick<Platform, "files" | "hash">,
  run: RunFolder,
  dataset: Dataset,
  config: Config,
  { before, otherData }: { before: RunData | null; otherData: boolean },
): Promise<{ tokenizer: Tokenizer; restored: string | null }> {
  const kept = await readVocabulary(files, run.path);
  if (kept) return { tokenizer: kept, restored: null };
  let trained = false;
  for (const stage of ["decoder", "vqvae"]) {
    const { checkpoint, path } = await latestCheckpoint(files, run.checkpointFolder(stage));
    if (!checkpoint || path === null) continue;
    trained = true;
    const { vocabulary } = checkpoint.state;
    if (vocabulary !== undefined) {
      const tokenizer = await tokenizerFromJSON(vocabulary, `${path}/state.json`);
      return { tokenizer, restored: path };
    }
  }
  const weights = `${run.path}/weights/config.json`;
  if (await files.exists(weights)) {
    const record = parseJsonRecord(await files.readText(weights), weights);
    if (record.tokenizer !== undefined)
      return { tokenizer: await tokenizerFromJSON(record.tokenizer, weights), restored: weights };
  }
  const tokenizer = await buildVocabulary(dataset, config, files);
  const same = before !== null && (await vocabularyHash(tokenizer, hash)) === before.vocabulary;
  if (same || (!trained && otherData)) return { tokenizer, restored: "the captions" };
  throw new UserError(
    trained
      ? `${run.path}/${vocabularyFile} is missing, and neither a checkpoint nor weights/ hold the words that the model was trained with; put the file back`
      : `${run.path}/${vocabularyFile} is missing, and these captions have other words than the run began with; put the file or the captions back, or go on with --changed-data`,
  );
}
