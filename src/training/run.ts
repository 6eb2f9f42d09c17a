/** What a run has beside its stages, the same on every platform: held-out pictures, a vocabulary, the trained captioner. */

import type { Captioner } from "../captioner.js";
import type { Config } from "../config.js";
import { type Dataset, recordsInSplits } from "../data/dataset.js";
import { recordsOf, testSplits } from "../evaluation.js";
import { parseJsonRecord, toJson } from "../io/json.js";
import type { RunFolder } from "../io/run-folder.js";
import { readWeights } from "../nn/weights.js";
import { UserError } from "../platform/errors.js";
import type { Files } from "../platform/platform.js";
import { WordTokenizer } from "../text/words.js";

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

/** The run's vocabulary, built from the training captions when the run starts. */
export async function runVocabulary(
  files: Files,
  run: RunFolder,
  dataset: Dataset,
  config: Config,
): Promise<WordTokenizer> {
  const path = `${run.path}/${vocabularyFile}`;
  if (await files.exists(path))
    return WordTokenizer.fromJSON(parseJsonRecord(await files.readText(path), path), path);
  const captions = (dataset.splits.train ?? []).flatMap((record) => dataset.records[record]!.captions);
  const tokenizer = WordTokenizer.build(captions, { minimumCount: config.data.minCount });
  await files.write(path, toJson(tokenizer.toJSON()));
  return tokenizer;
}

/** Writes the captioner with the weights that its networks have now, as `Captioner.load` and `fromFolder` read it. */
export async function saveTrained(captioner: Captioner, files: Files, folder: string): Promise<void> {
  const weights = new Map([
    ...(await readWeights(captioner.vqvae, "vqvae.")),
    ...(await readWeights(captioner.decoder, "decoder.")),
  ]);
  await captioner.save(files, folder, weights, { half: true });
}
