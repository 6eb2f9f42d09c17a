/** `evaluate.js --sweep`: options of the guidance sweep, and what a command hands to it. */

import { type Command, Option } from "commander";
import type { Captioner } from "../captioner/captioner.js";
import type { Precision } from "../captioner/files.js";
import type { Dataset } from "../data/dataset.js";
import { TRUTH_NAMES } from "../data/scenes/truth-scores.js";
import { testSplits } from "../evaluation/pictures.js";
import { namedGrids, parseGrid, type SweepGrid } from "../evaluation/sweep/grid.js";
import { type ReferenceFreeName, referenceFreeNames } from "../evaluation/sweep/reference-free.js";
import { selectionSplits } from "../evaluation/sweep/split-view.js";
import { captionMetrics } from "../metrics/caption-metrics.js";
import type { Clip } from "../models/clip/clip.js";
import type { Judge } from "../models/judge/judge.js";
import type { SamplingOptions } from "../models/sampling-settings.js";
import type { Collective } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import { parseJsonRecord } from "../platform/json.js";
import { nodePlatform as platform } from "../platform/node.js";
import type { SamplingFlags } from "./options.js";
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
        "of a sweep: the score without references (default: clip with --clip, judge with --judge, else likelihood)",
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
export async function sweepPlan(
  flags: SweepFlags,
  { clip, judge }: { clip: string | undefined; judge: string | undefined },
): Promise<SweepPlan | null> {
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
  if (referenceFree === "judge" && judge === undefined)
    throw new UserError("--reference-free judge needs --judge: the folder of a judge", 2);
  const known = [...captionMetrics({ wordNet: await readWordNet() }).keys()];
  const chosen = choose ?? "ciderD";
  if (![...known, ...TRUTH_NAMES].some((name) => name === chosen))
    throw new UserError(
      `--choose ${chosen}: choose one of ${known.join(", ")}; of scenes also ${TRUTH_NAMES.join(", ")}`,
      2,
    );
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

/** The options that a sweep shares with other evaluations. */
export interface SweepRequest {
  readonly weights: string;
  readonly data: string | undefined;
  /** Test splits, with commas. */
  readonly splits: string | undefined;
  readonly limit: number;
  readonly seeds: number;
  readonly draws: number;
  /** The folder of a CLIP. */
  readonly clip: string | undefined;
  /** The folder of a judge. */
  readonly judge: string | undefined;
  readonly out: string | undefined;
  readonly sampling: SamplingFlags & { readonly seed?: number };
  readonly precision: Precision | undefined;
  readonly adapter: string | undefined;
  readonly tuning: string | undefined;
  readonly quiet: boolean | undefined;
}

/** What a sweep works on. */
export interface SweepInput extends Pick<SweepRequest, "limit" | "seeds" | "draws" | "out" | "quiet"> {
  readonly collective: Collective;
  readonly captioner: Captioner;
  readonly dataset: Dataset;
  readonly clip: Clip | null;
  readonly judge: Judge | null;
  /** From `sweepSplits`. */
  readonly splits: readonly string[];
  readonly sampling: SamplingOptions;
  readonly weights: { readonly sha256: string; readonly bytes: number };
}
