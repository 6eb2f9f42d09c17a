/** What `train.js` tells before it begins: data that changed, captions, networks, time. */

import type { Captioner } from "../captioner/captioner.js";
import type { Config } from "../config/config.js";
import { captionTable, captionWarnings, summarizeCaptions } from "../data/caption-summary.js";
import type { Dataset } from "../data/dataset.js";
import type { RunFolder } from "../io/run-folder.js";
import { UserError } from "../platform/errors.js";
import { formatDuration } from "../report/duration.js";
import { type Tokenizer, vocabularyText } from "../text/tokenizer.js";
import { estimateSeconds } from "../training/estimate.js";
import { dataDifferences, type RunData } from "../training/run-data.js";
import type { TimePlan } from "../training/time-plan.js";
import { tell } from "./terminal.js";
import type { TrainOptions } from "./train-options.js";

/** Throws a `UserError` that lists how the data differs from the run's, unless the user accepts the changes. */
export function compareData(
  path: string,
  before: RunData | null,
  now: RunData,
  { changedData }: TrainOptions,
): void {
  if (before === null) {
    tell(`careful: ${path} does not say what data it began with; it goes on with the data as it is now`);
    return;
  }
  const differences = dataDifferences(before, now);
  if (differences.length === 0) return;
  const list = differences.map((line) => `\n  ${line}`).join("");
  if (!changedData) {
    throw new UserError(
      `the data is not what ${path} began with; put it back, or go on with --changed-data:${list}`,
    );
  }
  tell(`careful: the data is not what ${path} began with:${list}`);
}

/** Prints how training will treat the captions. Throws a `UserError` if nothing could be learned. */
export function tellCaptions(
  dataset: Dataset,
  tokenizer: Tokenizer,
  { data }: Config,
  quiet?: boolean,
): void {
  const summary = summarizeCaptions(dataset, tokenizer, data.maxLength);
  const warnings = captionWarnings(summary, data);
  if (!quiet) for (const line of captionTable(summary, data.maxLength)) tell(line);
  for (const warning of warnings) tell(`careful: ${warning}`);
}

/** Prints data, networks, estimated or planned time and folder of a run. */
export async function announce(
  captioner: Captioner,
  dataset: Dataset,
  run: RunFolder,
  stage: TrainOptions["stage"],
  plan: TimePlan | null,
): Promise<void> {
  const splits = Object.entries(dataset.splits).map(([name, records]) => `${name} ${records.length}`);
  tell(`data:    ${dataset.name}: pictures: ${splits.join(", ")}; ${vocabularyText(captioner.tokenizer)}`);
  const count = (value: number) => `${(value / 1e6).toFixed(2)} M`;
  tell(
    `model:   ${captioner.config.imageTokenizer} ${count(captioner.imageTokenizer.parameterCount)}, ${captioner.config.model} ${count(captioner.decoder.parameterCount)} parameters`,
  );
  if (plan) for (const line of plan.describe()) tell(line);
  else {
    const { vqvae, decoder } = await estimateSeconds(captioner);
    const seconds = { ...(stage === "decoder" ? {} : { vqvae }), ...(stage === "vqvae" ? {} : { decoder }) };
    const parts = Object.entries(seconds).flatMap(([name, value]) =>
      value === null || value === 0 ? [] : [`${name} ${formatDuration(value)}`],
    );
    if (parts.length > 0) tell(`time:    about ${parts.join(" + ")} on this adapter`);
  }
  tell(`run:     ${run.path}`);
}
