/** `evaluate.js --sweep`: options of the guidance sweep, and its run from a loaded captioner to the files in its folder. */

import { type Command, Option } from "commander";
import type { Captioner } from "../captioner/captioner.js";
import type { Dataset } from "../data/dataset.js";
import { testSplits } from "../evaluation/pictures.js";
import { namedGrids, parseGrid, type SweepGrid } from "../evaluation/sweep/grid.js";
import { LineStore } from "../evaluation/sweep/line-store.js";
import { distinct } from "../evaluation/sweep/points.js";
import {
  clipReferenceFree,
  likelihoodReferenceFree,
  type ReferenceFree,
  type ReferenceFreeName,
  referenceFreeNames,
} from "../evaluation/sweep/reference-free.js";
import { selectionSplits, splitView } from "../evaluation/sweep/split-view.js";
import { type SplitScores, Sweep } from "../evaluation/sweep/sweep.js";
import { captionMetrics } from "../metrics/caption-metrics.js";
import { wordsTokenizer } from "../metrics/caption-tokenizer.js";
import type { Clip } from "../models/clip/clip.js";
import { McDiffusion } from "../models/mc-diffusion/mc-diffusion.js";
import { type SamplingOptions, samplingSettingsOf } from "../models/sampling-settings.js";
import { UserError } from "../platform/errors.js";
import { parseJsonRecord } from "../platform/json.js";
import { lockFolder } from "../platform/lock.js";
import { nodePlatform as platform } from "../platform/node.js";
import { decodePixels } from "../platform/sharp-pixels.js";
import { clipFeatureStore } from "./clip-scores.js";
import { startProgress } from "./progress.js";
import { choiceText, writeChoice, writeCurves, writeSweep } from "./sweep-files.js";
import { say, tell } from "./terminal.js";
import { readWordNet } from "./wordnet.js";

/** The options of `sweepFlags`. */
export interface SweepFlags {
  sweep?: string | true;
  choose?: string;
  curves?: "validation" | "test";
  referenceFree?: ReferenceFreeName;
}

/** Adds the options of a sweep to a command. */
export function sweepFlags(command: Command): Command {
  return command
    .option(
      "--sweep [grid]",
      `caption with a grid of guidance settings and draw their curves: ${Object.keys(namedGrids).join(", ")}, or a JSON file (docs/evaluation.md); --out is a folder, in which a sweep that was stopped goes on`,
    )
    .option(
      "--choose <metric>",
      "of a sweep: what a setting of each method is chosen by, on validation (default: ciderD)",
    )
    .addOption(
      new Option("--curves <split>", "of a sweep: where the curves are drawn (default: validation)").choices([
        "validation",
        "test",
      ]),
    )
    .addOption(
      new Option(
        "--reference-free <score>",
        "of a sweep: the score without references (default: clip with --clip, else likelihood)",
      ).choices(referenceFreeNames),
    );
}

/** A sweep as the command line asks for it. */
export interface SweepPlan {
  readonly grid: SweepGrid;
  readonly choose: string;
  readonly curves: "validation" | "test";
  readonly referenceFree: ReferenceFreeName | undefined;
}

/** Reads the options of a sweep; null without --sweep. Throws a `UserError` for wrong ones, before any device is opened. */
export async function sweepPlan(flags: SweepFlags, clip: string | undefined): Promise<SweepPlan | null> {
  const { sweep, choose, curves, referenceFree } = flags;
  if (sweep === undefined) {
    const given = { choose, curves, referenceFree };
    const [lost] = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]));
    const option = lost?.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`);
    if (option !== undefined) throw new UserError(`--${option} is of a sweep: add --sweep`, 2);
    return null;
  }
  if (referenceFree === "clip" && clip === undefined)
    throw new UserError("--reference-free clip needs --clip: the folder of a CLIP", 2);
  const known = [...captionMetrics({ wordNet: await readWordNet() }).keys()];
  const chosen = choose ?? "ciderD";
  if (!known.some((name) => name === chosen))
    throw new UserError(`--choose ${chosen}: choose one of ${known.join(", ")}`, 2);
  return { grid: await gridOf(sweep), choose: chosen, curves: curves ?? "validation", referenceFree };
}

async function gridOf(name: string | true): Promise<SweepGrid> {
  const wanted = name === true ? "default" : name;
  const known = Object.hasOwn(namedGrids, wanted) ? namedGrids[wanted as keyof typeof namedGrids] : null;
  if (known) return parseGrid(known, wanted);
  if (!(await platform.files.exists(wanted)))
    throw new UserError(
      `--sweep ${wanted}: there is no such file, and the grids with a name are ${Object.keys(namedGrids).join(", ")}`,
      2,
    );
  return parseGrid(parseJsonRecord(await platform.files.readText(wanted), wanted), wanted);
}

/** The splits that a sweep captions: validation, and those on which the chosen settings are reported. */
export function sweepSplits(dataset: Pick<Dataset, "name" | "splits">, given: string | undefined): string[] {
  if (!dataset.splits.validation?.length)
    throw new UserError(`${dataset.name} has no validation pictures, by which a sweep chooses settings`, 2);
  const tests = given === undefined ? testSplits(dataset) : given.split(",").map((name) => name.trim());
  const seen = tests.find((name) => selectionSplits.some((own) => own === name));
  if (given !== undefined && seen !== undefined)
    throw new UserError(
      `--splits: a sweep chooses on validation and reports on test splits, not on ${seen}`,
      2,
    );
  return ["validation", ...tests.filter((name) => name !== "validation")];
}

/** What a sweep needs of the command beside its plan. */
export interface SweepInput {
  readonly captioner: Captioner;
  readonly dataset: Dataset;
  readonly clip: Clip | null;
  /** From `sweepSplits`. */
  readonly splits: readonly string[];
  readonly sampling: SamplingOptions;
  readonly weights: { readonly sha256: string; readonly bytes: number };
  readonly limit: number;
  readonly seeds: number;
  readonly draws: number;
  readonly out: string | undefined;
  readonly command: string;
  readonly quiet: boolean | undefined;
}

/** Runs a sweep and writes its folder. Prints the choice, its scores on the test splits, and where the files are. */
export async function runSweep(plan: SweepPlan, input: SweepInput): Promise<void> {
  const { captioner, dataset, sampling, weights, limit, draws, quiet } = input;
  McDiffusion.of(captioner.decoder);
  const folder = input.out ?? `runs/sweep-${weights.sha256.slice(0, 8)}`;
  const { files, hash } = platform;
  await files.makeDirectory(folder);
  const unlock = await lockFolder(folder);
  const settings = samplingSettingsOf(captioner.config, sampling);
  const metrics = captionMetrics({ tokenizer: wordsTokenizer, wordNet: await readWordNet() });
  const free = await referenceFreeOf(plan, input);
  const store = await LineStore.open(files, `${folder}/captions.jsonl`);
  const [, ...tests] = input.splits;
  const progress = startProgress({ label: "sweep", total: 1, unit: "network passes", quiet: quiet ?? false });
  const sweep = new Sweep(
    { captioner, weights: weights.sha256, sampling, free, store, hash },
    {
      ...{ grid: plan.grid, metrics, choose: plan.choose, limit, draws },
      base: { ...settings, most: captioner.decoder.steps },
      ...{ seed: settings.seed, testSeeds: input.seeds },
    },
    (done, total, what) => {
      progress.setTotal(total);
      progress.update(done, what);
    },
  );
  try {
    const counted = tests.map((split) => dataset.splits[split]!.length);
    const pictures = counted.reduce((sum, count) => sum + (limit === 0 ? count : Math.min(limit, count)), 0);
    const selection = await sweep.select(splitView(dataset, selectionSplits), pictures);
    await writeChoice(folder, plan.choose, selection);
    const drawn: SplitScores[] = plan.curves === "validation" ? [selection.validation] : [];
    const chosen = distinct(selection.choices.map(({ point }) => point));
    const results: SplitScores[] = [];
    const unguided: SplitScores[] = [];
    for (const split of tests) {
      results.push(await sweep.test(dataset, split, chosen));
      unguided.push(await sweep.curves(dataset, split, sweep.unguided));
      if (plan.curves === "test") drawn.push(await sweep.curves(dataset, split, sweep.points));
    }
    progress.stop();
    const written = {
      ...{ plan, input, metrics, free, settings, selection },
      tests: results,
      unguided,
      drawn,
    };
    await writeCurves(folder, written);
    await writeSweep(folder, written);
    say(choiceText(written));
    tell(`tables, figures and captions are in ${folder}`);
  } finally {
    progress.stop();
    unlock();
  }
}

async function referenceFreeOf(
  { referenceFree }: SweepPlan,
  { captioner, dataset, clip }: SweepInput,
): Promise<ReferenceFree> {
  if (clip && referenceFree !== "likelihood") {
    const store = await clipFeatureStore(clip, dataset);
    return clipReferenceFree(clip, { hash: platform.hash, decode: decodePixels, store });
  }
  if (referenceFree === "clip")
    throw new UserError("--reference-free clip: there is no CLIP in the folder that --clip names", 2);
  return likelihoodReferenceFree(captioner);
}
