#!/usr/bin/env node
/** `node dist/evaluate.js`: scores weights on the splits of a data set, against the baselines and between settings. */

import { basename, isAbsolute, join } from "node:path";
import { Captioner } from "./captioner/captioner.js";
import type { Precision } from "./captioner/files.js";
import { openClip, scoreByClip } from "./cli/clip-scores.js";
import { codeStoreFor } from "./cli/code-store.js";
import { dataHelp } from "./cli/data-option.js";
import { loadDataset } from "./cli/load-dataset.js";
import "./baselines.js";
import "./samplers.js";
import {
  adapterOption,
  checkOutput,
  checkSteps,
  commandLine,
  integerOption,
  openGpu,
  precisionOption,
  runCommand,
  type SamplingFlags,
  samplingFlags,
  samplingOf,
  tuningHelp,
} from "./cli/options.js";
import { withLateProgress } from "./cli/progress.js";
import { runSweep } from "./cli/sweep.js";
import { type SweepFlags, sweepFlags, sweepPlan, sweepSplits } from "./cli/sweep-options.js";
import { say } from "./cli/terminal.js";
import type { Config } from "./config/config.js";
import type { Dataset } from "./data/dataset.js";
import { dataSource } from "./data/layouts.js";
import { clipTable } from "./evaluation/clip-evaluation.js";
import { parseCompared } from "./evaluation/compared.js";
import { evaluate } from "./evaluation/evaluation.js";
import { boundSteps, boundTable, splitBounds } from "./evaluation/held-out-bound.js";
import { recordsOf, testSplits } from "./evaluation/pictures.js";
import { differencesTable, scoresTable, tableLegend } from "./evaluation/tables.js";
import { DRAWS } from "./metrics/bootstrap.js";
import { UserError } from "./platform/errors.js";
import { parseJsonRecord } from "./platform/json.js";
import { packageVersion, nodePlatform as platform, shippedWeights } from "./platform/node.js";
import { lastName } from "./platform/path.js";
import "./vqgan.js";

interface Options extends SamplingFlags, SweepFlags {
  weights: string;
  data?: string;
  splits?: string;
  limit: number;
  seeds: number;
  compare?: string;
  baselines: boolean;
  draws: number;
  bound: number;
  clip?: string;
  seed?: number;
  out?: string;
  captions?: boolean;
  precision?: Precision;
  adapter?: string;
  tuning?: string;
  quiet?: boolean;
}

/**
 * The data set that --data names, else the one that the weights were trained on. Weights hold only the name of a picture folder;
 * the run that contains the weights knows its path.
 */
async function sourceOf(
  { config }: Captioner,
  weights: string,
  given: string | undefined,
): Promise<Partial<Config["data"]>> {
  if (given !== undefined) {
    const named = await dataSource(platform.files, given);
    // Another kind of data has no use for the splits and boxes of the trained one.
    return named.source === config.data.source ? named : { ...named, split: "", crop: false };
  }
  const { source, folder } = config.data;
  if (source === "emoji") return {};
  const path = join(weights, "..", "config.json");
  if (await platform.files.exists(path)) {
    const { data } = parseJsonRecord(await platform.files.readText(path), path);
    const known = data !== null && typeof data === "object" && "folder" in data ? data.folder : null;
    if (typeof known === "string" && lastName(known) === folder) return { folder: known };
  }
  throw new UserError(
    `the weights were trained on a folder "${folder}", and ${path} does not say where it is; name it with --data`,
    2,
  );
}

async function main(): Promise<void> {
  const program = commandLine(
    "node dist/evaluate.js",
    "Scores a captioner on held-out splits: means over sampling seeds with 95 % intervals over pictures.",
  )
    .option("--weights <folder>", "weights to score", shippedWeights())
    .option("--data <source>", `${dataHelp} (default: what the weights were trained on)`)
    .option(
      "--splits <names>",
      "splits to score, separated by commas (default: all but train and validation); choose settings on validation",
    )
    .option(
      "--limit <number>",
      "largest number of pictures from a split, evenly spread; 0 = all",
      integerOption(0),
      0,
    )
    .option("--seeds <number>", "number of sampling seeds to average over", integerOption(1, 1000), 5)
    .option("--seed <number>", "the first of them (default: the model's)", integerOption(0, 2 ** 31))
    .option(
      "--compare <settings>",
      "guidance settings to compare on the same pictures and seeds: none, cfg:SCALE, mcs:SCALE or mcs:SCALE:SHARE masked (mcs-printed alike), with commas",
    )
    .option("--no-baselines", "leave out the nearest pictures and the model shown other pictures")
    .option("--draws <number>", "bootstrap resamples of the pictures", integerOption(1, 1_000_000), DRAWS)
    .option(
      "--bound <steps>",
      "also bound -log p of all references, evaluating the network at this many steps t of each, for models that have a bound; 0 = no bound",
      integerOption(0),
      boundSteps,
    )
    .option(
      "--clip <folder>",
      "also CLIPScore and RefCLIPScore, by a CLIP that node dist/import.js clip wrote: weights/clip",
    )
    .option("--out <file>", "write scores, intervals and all settings as JSON")
    .option("--captions", "also write the captions of each picture and seed to it")
    .addOption(precisionOption())
    .addOption(adapterOption())
    .option("--tuning <file>", tuningHelp)
    .option("--quiet", "print no progress")
    .addHelpText(
      "after",
      `
Each cell of the tables is: mean over the seeds [95 % interval] ± standard deviation over the seeds. Intervals come from
resampling the pictures of a split with replacement, all seeds of a picture together (bootstrap, percentiles); those of
differences resample both sides alike. They cover the choice of pictures and the noise of sampling, not another training run.`,
    );
  samplingFlags(program);
  sweepFlags(program);
  const {
    weights,
    data,
    splits,
    limit,
    seeds,
    compare,
    baselines,
    draws,
    bound,
    clip: clipFolder,
    out,
    captions,
    precision,
    adapter,
    tuning,
    quiet,
    sweep,
    choose,
    curves,
    referenceFree,
    ...sampling
  } = program.parse().opts<Options>();
  if (compare !== undefined && (sampling.guidance !== undefined || sampling.scale !== undefined))
    throw new UserError("--compare names guidance and scale itself: leave out --guidance and --scale", 2);
  const plan = await sweepPlan({ sweep, choose, curves, referenceFree }, clipFolder);
  if (plan && (compare ?? sampling.guidance ?? sampling.scale ?? captions) !== undefined)
    throw new UserError(
      "--sweep tries guidance itself: leave out --compare, --guidance, --scale and --captions",
      2,
    );
  if (captions && !out) throw new UserError("--captions needs --out: it says where they go", 2);
  const compared = compare === undefined ? undefined : usage("--compare", () => parseCompared(compare));
  if (out !== undefined && !plan) checkOutput("--out", out);
  checkSteps(sampling.steps, await Captioner.settings(platform.files, weights));
  const gpu = await openGpu(adapter, quiet, tuning);
  const captioner = await Captioner.fromFolder(gpu, platform.files, weights, { precision });
  const clip = clipFolder === undefined ? null : await openClip(gpu, clipFolder);
  captioner.codeStore = await codeStoreFor(captioner, captioner.config);
  const bounded = bound > 0 && captioner.decoder.likelihood !== undefined;
  if (bound > 0 && !bounded && program.getOptionValueSource("bound") !== "default")
    throw new UserError(
      `--bound: a ${captioner.config.model} decoder has no bound on the likelihood of captions`,
      2,
    );
  const source = await sourceOf(captioner, weights, data);
  const scored = (dataset: Dataset) =>
    plan
      ? sweepSplits(dataset, splits)
      : splits === undefined
        ? testSplits(dataset)
        : splits.split(",").map((name) => name.trim());
  const used = (dataset: Dataset) => [
    ...(baselines && !plan ? (dataset.splits.train ?? []) : []),
    ...scored(dataset).flatMap((split) => recordsOf(dataset, split, limit)),
  ];
  const dataset = await loadDataset({ ...captioner.config.data, ...source }, quiet, used);
  const known = Object.keys(dataset.splits);
  const chosen = scored(dataset);
  const wrong = chosen.find((name) => !known.includes(name));
  if (wrong !== undefined)
    throw new UserError(`--splits: ${dataset.name} has no split "${wrong}"; it has ${known.join(", ")}`, 2);
  if (plan) {
    const bytes = await platform.files.read(`${weights}/model.safetensors`);
    await runSweep(plan, {
      ...{ captioner, dataset, clip, splits: chosen, limit, seeds, draws, out, quiet },
      sampling: samplingOf(sampling),
      weights: { sha256: await platform.hash("sha-256", bytes), bytes: bytes.length },
      command: commandText(process.argv.slice(2)),
    });
    captioner.dispose();
    clip?.dispose();
    await dataset.images.close();
    return;
  }
  const evaluation = await withLateProgress({ label: "scores", unit: "pictures", quiet }, (onProgress) =>
    evaluate(captioner, dataset, {
      ...samplingOf(sampling),
      splits: chosen,
      limit,
      seeds,
      baselines,
      draws,
      onProgress,
      ...(compared ? { compare: compared } : {}),
    }),
  );
  const tables = [scoresTable(evaluation), differencesTable(evaluation), tableLegend(evaluation)];
  say(tables.filter((part) => part !== null).join("\n\n"));
  const bounds = !bounded
    ? []
    : await withLateProgress({ label: "bound", unit: "captions", quiet }, (onProgress) =>
        splitBounds(captioner, dataset, chosen, { limit, steps: bound, onProgress, seed: sampling.seed }),
      );
  if (bounds.length > 0) say(`\n${boundTable(bounds)}`);
  const clipScores =
    clip === null
      ? []
      : await withLateProgress({ label: "CLIPScore", unit: "pictures and texts", quiet }, (onProgress) =>
          scoreByClip(clip, dataset, evaluation, onProgress),
        );
  if (clipScores.length > 0) say(`\n${clipTable(clipScores)}`);
  if (out) {
    const bytes = await platform.files.read(`${weights}/model.safetensors`);
    const { seed: _, ...plain } = sampling;
    const record = {
      format: "mc-diffusion-evaluation-1",
      command: commandText(process.argv.slice(2)),
      date: new Date().toISOString().slice(0, 10),
      version: await packageVersion(),
      node: process.versions.node,
      adapter: gpu.description,
      weights: { sha256: await platform.hash("sha-256", bytes), bytes: bytes.length },
      precision: captioner.config.decoder.precision,
      dataset: {
        name: basename(dataset.name),
        size: dataset.size,
        splits: Object.fromEntries(Object.entries(dataset.splits).map(([name, list]) => [name, list.length])),
      },
      limit,
      sampling: { ...captioner.config.sampling, ...plain },
      ...(compared ? { compared } : {}),
      ...evaluation,
      splits: evaluation.splits.map(({ captions: said, ...scores }) => ({
        ...scores,
        ...(captions ? { captions: said } : {}),
      })),
      ...(bounds.length > 0 ? { bounds } : {}),
      ...(clip ? { clip: { sha256: clip.sha256, splits: clipScores } } : {}),
    };
    await platform.files.write(out, `${JSON.stringify(record, null, 1)}\n`);
  }
  captioner.dispose();
  clip?.dispose();
  await dataset.images.close();
}

/** The command in a portable form: files are named without this machine's folders. */
function commandText(args: readonly string[]): string {
  return ["node dist/evaluate.js", ...args.map((word) => (isAbsolute(word) ? basename(word) : word))].join(
    " ",
  );
}

/** Runs `read`, whose errors are about the command line but do not know the option's name. */
function usage<T>(option: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${option}: ${error.message}`, 2);
    throw error;
  }
}

await runCommand(main);
