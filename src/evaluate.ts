#!/usr/bin/env node
/** `node dist/evaluate.js`: scores weights on the splits of a data set, against the baselines. */

import { Captioner, type CaptionOptions, type Precision } from "./captioner.js";
import {
  commandLine,
  integerOption,
  lastOption,
  numberOption,
  openGpu,
  precisionOption,
  runCommand,
  tuningHelp,
} from "./cli.js";
import { loadDataset } from "./data/load.js";
import { evaluate, scoresTable } from "./evaluation.js";
import { boundSteps, boundTable, splitBounds } from "./held-out-bound.js";
import { UserError } from "./platform/errors.js";
import { nodePlatform as platform, shippedWeights } from "./platform/node.js";
import { withLateProgress } from "./progress.js";

interface Options {
  weights: string;
  data?: string;
  splits?: string;
  limit: number;
  bound: number;
  steps?: number;
  guidance?: CaptionOptions["guidance"];
  scale?: number;
  topR?: number;
  temperature?: number;
  last?: CaptionOptions["last"];
  seed?: number;
  out?: string;
  precision?: Precision;
  adapter?: string;
  tuning?: string;
  quiet?: boolean;
}

async function main(): Promise<void> {
  const program = commandLine(
    "node dist/evaluate.js",
    "Scores a captioner on held-out splits, against baselines.",
  )
    .option("--weights <folder>", "weights to score", shippedWeights())
    .option("--data <source>", "emoji, or a folder with captions (default: what the weights were trained on)")
    .option("--splits <names>", "splits to score, with commas (default: all but train)")
    .option("--limit <number>", "at most so many pictures of a split; 0 = all", integerOption(0), 0)
    .option(
      "--bound <steps>",
      "also bound -log p of all references, asking the network at this many steps t of each; 0 = not",
      integerOption(0),
      boundSteps,
    )
    .option("--steps <number>", "denoising steps", integerOption(1))
    .option("--guidance <method>", "none, cfg, mcs or mcs-printed")
    .option("--scale <number>", "guidance scale", numberOption(-100, 100))
    .option("--top-r <share>", "keep the likeliest words up to this mass", numberOption(0, 1))
    .option("--temperature <number>", "0 = always the likeliest word", numberOption(0, 100))
    .addOption(lastOption())
    .option("--seed <number>", "seed of the random numbers", integerOption(0, 2 ** 32 - 1))
    .option("--out <file>", "write scores and captions as JSON")
    .addOption(precisionOption())
    .option("--adapter <name>", "gpu, lavapipe, swiftshader or a part of an adapter's name")
    .option("--tuning <file>", tuningHelp)
    .option("--quiet", "print no progress");
  const { weights, data, splits, limit, bound, out, precision, adapter, tuning, quiet, ...sampling } = program
    .parse()
    .opts<Options>();
  const gpu = await openGpu(adapter, quiet, tuning);
  const captioner = await Captioner.fromFolder(gpu, platform.files, weights, { precision });
  const source =
    data === undefined
      ? {}
      : data === "emoji"
        ? { source: "emoji" as const }
        : { source: "folder" as const, folder: data };
  const dataset = await loadDataset({ ...captioner.config.data, ...source }, quiet);
  const known = Object.keys(dataset.splits);
  const chosen = splits?.split(",").map((name) => name.trim()) ?? known.filter((name) => name !== "train");
  const wrong = chosen.find((name) => !known.includes(name));
  if (wrong !== undefined)
    throw new UserError(`--splits: ${dataset.name} has no split "${wrong}"; it has ${known.join(", ")}`, 2);
  const results = await withLateProgress({ label: "scores", unit: "pictures", quiet }, (onProgress) =>
    evaluate(captioner, dataset, { ...sampling, splits: chosen, limit, onProgress }),
  );
  console.log(scoresTable(results));
  const bounds =
    bound === 0
      ? []
      : await withLateProgress({ label: "bound", unit: "captions", quiet }, (onProgress) =>
          splitBounds(captioner, dataset, chosen, { limit, steps: bound, onProgress, seed: sampling.seed }),
        );
  if (bounds.length > 0) console.log(`\n${boundTable(bounds)}`);
  if (out)
    await platform.files.write(
      out,
      JSON.stringify(
        { weights, sampling: { ...captioner.config.sampling, ...sampling }, results, bounds },
        null,
        1,
      ),
    );
  captioner.dispose();
}

await runCommand(main);
