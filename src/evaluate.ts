#!/usr/bin/env node
/** `node dist/evaluate.js`: scores weights on the splits of a data set, against the baselines and between settings. */

import { Option } from "commander";
import type { Precision } from "./captioner/files.js";
import { dataHelp } from "./cli/data-option.js";
import { scoreModels, tokenizerNames } from "./cli/model-table.js";
import "./baselines.js";
import "./samplers.js";
import {
  adapterOption,
  type BaselineFlags,
  baselineFlags,
  checkOutput,
  commandLine,
  integerOption,
  optionValue,
  precisionOption,
  runCommand,
  type SamplingFlags,
  samplingFlags,
  tuningHelp,
} from "./cli/options.js";
import { checkRankFlags, type RankFlags, rankOptions, withRanks } from "./cli/ranks.js";
import { scoreModel } from "./cli/score-model.js";
import { sweepModel } from "./cli/sweep.js";
import { type SweepFlags, sweepFlags, sweepPlan } from "./cli/sweep-options.js";
import { TRUTH_NAMES } from "./data/scenes/truth-scores.js";
import { parseCompared } from "./evaluation/compared.js";
import { boundSteps } from "./evaluation/held-out-bound.js";
import { COLUMN_NAMES, parseColumns } from "./evaluation/table/columns.js";
import { DRAWS } from "./metrics/bootstrap.js";
import { UserError } from "./platform/errors.js";
import { shippedWeights } from "./platform/node.js";
import "./vqgan.js";

interface Options extends SamplingFlags, BaselineFlags, SweepFlags, RankFlags {
  weights: string[];
  data?: string;
  splits?: string;
  limit: number;
  seeds: number;
  compare?: string;
  draws?: number;
  metrics?: string;
  tokenizer?: "ptb" | "words";
  bound: number;
  clip?: string;
  judge?: string;
  seed?: number;
  out?: string;
  json?: string;
  csv?: string;
  latex?: string;
  page?: string;
  captions?: boolean;
  precision?: Precision;
  tuning?: string;
}

async function main(): Promise<void> {
  const program = commandLine(
    "node dist/evaluate.js",
    "Scores a captioner on held-out splits: means over sampling seeds with 95 % intervals over pictures.",
  )
    .addOption(
      new Option(
        "--weights <folders...>",
        "weights to score; several make one table, compared with the first",
      ).default([shippedWeights()], JSON.stringify(shippedWeights())),
    )
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
    .option(
      "--metrics <names>",
      `columns of the table: all, or some of ${COLUMN_NAMES.join(", ")}, with commas; of scenes also ${TRUTH_NAMES.join(", ")} (default: as of the data)`,
    )
    .addOption(
      new Option(
        "--tokenizer <name>",
        "tokens of that table. ptb: as coco-caption; words: any script, emoji (default: words for emoji, else ptb)",
      ).choices(tokenizerNames),
    )
    .option(
      "--draws <number>",
      `bootstrap resamples of the pictures (default: ${DRAWS}, more where many differences are tested)`,
      integerOption(1, 1_000_000),
    )
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
    .option(
      "--judge <folder>",
      "of scenes also the judge's score, which needs no references: a folder that node dist/judge.js train wrote",
    )
    .option("--json <file>", "write scores, intervals and all settings as JSON")
    .option("--out <file>", "the same as --json")
    .option("--captions", "also write the captions of each picture and seed to it")
    .option("--csv <file>", "write the table in long form: a line for each split, row and metric")
    .option("--latex <file>", "write the table for LaTeX")
    .option("--page <file>", "write an HTML page with the captions of all rows side by side")
    .addOption(precisionOption())
    .addOption(adapterOption())
    .option("--tuning <file>", tuningHelp)
    .option("--quiet", "print no progress")
    .addHelpText(
      "after",
      `
Each cell of the tables is: mean over the seeds [95 % interval] ± standard deviation over the seeds. Intervals come from
resampling the pictures of a split with replacement, all seeds of a picture together (bootstrap, percentiles); those of
differences resample both sides alike. They cover the choice of pictures and the noise of sampling, not another training run.
Several weights, --metrics, --judge, --tokenizer, --csv, --latex or --page make one table of chosen metrics, with p-values of the differences
to the first row (docs/evaluation.md).`,
    );
  samplingFlags(baselineFlags(program));
  sweepFlags(program);
  for (const option of rankOptions()) program.addOption(option);
  const {
    weights,
    data,
    splits,
    limit,
    seeds,
    compare,
    baselines,
    neighbours,
    draws,
    metrics,
    tokenizer,
    bound,
    clip: clipFolder,
    judge,
    out,
    json = out,
    csv,
    latex,
    page,
    captions,
    precision,
    adapter,
    distributed,
    devices,
    tuning,
    quiet,
    sweep,
    choose,
    curves,
    referenceFree,
    ...sampling
  } = program.parse().opts<Options>();
  const flags = { adapter, distributed, devices, quiet };
  checkRankFlags(flags);
  if (compare !== undefined && (sampling.guidance !== undefined || sampling.scale !== undefined))
    throw new UserError("--compare names guidance and scale itself: leave out --guidance and --scale", 2);
  const plan = await sweepPlan({ sweep, choose, curves, referenceFree }, { clip: clipFolder, judge });
  if (plan) {
    const foreign = [compare, metrics, tokenizer, csv, latex, page, captions];
    const { guidance, scale } = sampling;
    if (
      weights.length > 1 ||
      json !== out ||
      [...foreign, guidance, scale].some((given) => given !== undefined)
    )
      throw new UserError(
        "--sweep is of one model and tries guidance itself: leave out --compare, --guidance, --scale and the options of tables",
        2,
      );
    return withRanks(flags, (ranks) =>
      sweepModel(ranks, plan, {
        ...{
          weights: weights[0]!,
          data,
          splits,
          limit,
          seeds,
          draws: draws ?? DRAWS,
          clip: clipFolder,
          judge,
          out,
        },
        ...{ sampling, precision, tuning, ...flags },
      }),
    );
  }
  if (out !== undefined && json !== out)
    throw new UserError("--out and --json are the same: name one file", 2);
  if (captions && json === undefined)
    throw new UserError("--captions needs --out or --json: it says where they go", 2);
  const compared = compare === undefined ? undefined : optionValue("--compare", () => parseCompared(compare));
  const columns = metrics === undefined ? undefined : optionValue("--metrics", () => parseColumns(metrics));
  for (const [option, file] of Object.entries({
    "--out": out,
    "--json": json,
    "--csv": csv,
    "--latex": latex,
    "--page": page,
  }))
    if (file !== undefined) checkOutput(option, file);
  if (
    weights.length > 1 ||
    [metrics, tokenizer, judge, csv, latex, page].some((value) => value !== undefined)
  ) {
    if (bound > 0 && program.getOptionValueSource("bound") !== "default")
      throw new UserError(
        "--bound is of one model and its own table: leave it out, or score the model alone",
        2,
      );
    return withRanks(flags, (ranks) =>
      scoreModels(ranks, {
        ...{ weights, data, splits, limit, seeds, compare: compared, baselines, neighbours, draws },
        ...{ metrics: columns, tokenizer, clip: clipFolder, judge, json, csv, latex, page, captions },
        ...{ sampling, precision, tuning, ...flags },
      }),
    );
  }
  const [folder] = weights as [string];
  await withRanks(flags, (ranks) =>
    scoreModel(ranks, {
      ...{
        weights: folder,
        data,
        splits,
        limit,
        seeds,
        compare: compared,
        baselines,
        neighbours,
        draws,
        bound,
      },
      ...{
        isBoundAsked: program.getOptionValueSource("bound") !== "default",
        clip: clipFolder,
        json,
        captions,
      },
      ...{ sampling, precision, tuning, ...flags },
    }),
  );
}

await runCommand(main);
