/**
 * A guidance sweep: every setting of a grid captions the validation pictures, one setting of each method is chosen by its score
 * there, and the chosen ones caption the test pictures once. The part that chooses gets a data set without test records.
 */

import type { Dataset } from "../../data/dataset.js";
import { shareJson, single } from "../../platform/collective.js";
import { UserError } from "../../platform/errors.js";
import { type Choice, choose } from "./choose.js";
import type { SweepGrid } from "./grid.js";
import { type SplitPictures, splitPictures } from "./pictures.js";
import { distinct, pointsOf, type SweepBase, type SweepPoint } from "./points.js";
import { doJobs, jobsOf, passesOfJob, type SweepTools, said } from "./say.js";
import { type PointScores, type SweepMetric, scorePoint } from "./scores.js";
import { selectionSplits } from "./split-view.js";

/** How a sweep runs. */
export interface SweepOptions {
  readonly grid: SweepGrid;
  readonly base: SweepBase;
  /** Scores, by name. */
  readonly metrics: ReadonlyMap<string, SweepMetric>;
  /** The metric by which a setting is chosen. */
  readonly choose: string;
  /** Largest number of pictures of a split, evenly spread; 0 = all. */
  readonly limit: number;
  /** The first sampling seed. */
  readonly seed: number;
  /** Sampling seeds of the chosen settings on test splits. */
  readonly testSeeds: number;
  /** Resamples of the pictures. */
  readonly draws: number;
}

/** Called with the network passes done and in all, and with what is being done. */
export type OnSweepProgress = (done: number, total: number, what: string) => void;

/** Points scored on a split. */
export interface SplitScores {
  readonly split: string;
  readonly pictures: number;
  readonly seeds: readonly number[];
  readonly points: readonly SweepPoint[];
  readonly scores: ReadonlyMap<string, PointScores>;
}

/** The work of a sweep in network passes: what is planned, what is done. */
class Work {
  private total = 0;
  private done = 0;
  private what = "";
  private readonly onProgress: OnSweepProgress | undefined;

  constructor(onProgress: OnSweepProgress | undefined) {
    this.onProgress = onProgress;
  }

  plan(passes: number): void {
    this.total += passes;
  }

  start(what: string): void {
    this.what = what;
    this.add(0);
  }

  add(passes: number): void {
    this.done += passes;
    this.onProgress?.(this.done, Math.max(this.total, this.done), this.what);
  }
}

/** The settings scored on the validation split, and the choice by it. */
export interface Selection {
  readonly validation: SplitScores;
  readonly choices: readonly Choice[];
}

/**
 * A sweep over a captioner; what it makes is kept in `tools.store`. Several processes make the same calls in the same order: they
 * share encoding and captioning, and the first one alone, which has the store, gets scores.
 */
export class Sweep {
  readonly points: readonly SweepPoint[];
  private readonly tools: SweepTools;
  private readonly options: SweepOptions;
  private readonly work: Work;

  constructor(tools: SweepTools, options: SweepOptions, onProgress?: OnSweepProgress) {
    this.options = options;
    this.points = pointsOf(options.grid, options.base);
    this.work = new Work(onProgress);
    this.tools = { ...tools, onPasses: (passes) => this.work.add(passes) };
  }

  /**
   * Captions and scores all points on the validation split of `view` and chooses. Throws a `UserError` unless `view` holds the
   * splits train and validation alone (`splitView`). `testPictures` counts those that are scored later, for the time left.
   */
  async select(view: Dataset, testPictures = 0): Promise<Selection> {
    const foreign = Object.keys(view.splits).find((name) => !selectionSplits.some((own) => own === name));
    if (foreign !== undefined)
      throw new UserError(
        `settings are chosen on validation pictures; the data holds the split "${foreign}", too`,
      );
    this.work.plan(this.testEstimate(testPictures));
    const validation = await this.score(view, "validation", this.points, this.seeds(this.options.grid.seeds));
    this.work.plan(-this.testEstimate(testPictures));
    const { store, collective = single } = this.tools;
    const choices = store ? choose(this.points, validation.scores, this.options.choose) : [];
    // Scores take a while.
    await collective.barrier();
    return { validation, choices: await shareJson(collective, choices) };
  }

  /** Scores some points on a split: the chosen ones, once the choice is made. */
  async test(dataset: Dataset, split: string, points: readonly SweepPoint[]): Promise<SplitScores> {
    return this.score(dataset, split, points, this.seeds(this.options.testSeeds));
  }

  /** Scores points on a split with the seeds of the validation split, for curves. */
  async curves(dataset: Dataset, split: string, points: readonly SweepPoint[]): Promise<SplitScores> {
    return this.score(dataset, split, points, this.seeds(this.options.grid.seeds));
  }

  /** The unguided points with as many network passes as guided ones have, or all unguided ones if T has not as many steps. */
  get unguided(): SweepPoint[] {
    const doubled = this.points.filter(({ group }) => group === "none ×2");
    return doubled.length > 0 ? doubled : this.points.filter(({ group }) => group === "none");
  }

  private seeds(count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.options.seed + i);
  }

  /** Network passes that test pictures will take, before the settings are chosen. */
  private testEstimate(pictures: number): number {
    const groups = new Map(this.points.map(({ group, passes }) => [group, passes]));
    const chosen = [...groups.values()].reduce((sum, passes) => sum + passes, 0) * this.options.testSeeds;
    const curve = distinct(this.unguided).reduce((sum, { passes }) => sum + passes, 0);
    return pictures * (chosen + curve * this.options.grid.seeds);
  }

  private async score(
    dataset: Dataset,
    split: string,
    points: readonly SweepPoint[],
    seeds: readonly number[],
  ): Promise<SplitScores> {
    const { tools, work, options } = this;
    work.start(`${split}: pictures`);
    const { limit, metrics, draws } = options;
    const { captioner, hash, collective, store } = tools;
    const pictures: SplitPictures = await splitPictures(captioner, dataset, split, limit, hash, collective);
    const all = distinct(points);
    const jobs = await jobsOf(tools, pictures, all, seeds);
    for (const job of jobs) work.plan(passesOfJob(tools, pictures.records, job));
    await doJobs(tools, pictures, jobs, ({ point: { key } }) => {
      const i = all.findIndex((point) => point.key === key);
      work.start(`${split}: setting ${i + 1} of ${all.length}, ${key}`);
    });
    const scores = new Map<string, PointScores>();
    if (store) work.start(`${split}: scores`);
    for (const point of store ? all : []) {
      // Scores take the processor for a while: signals and the display come first.
      await new Promise((resolve) => setTimeout(resolve));
      const kept = await said({ ...tools, store: store! }, pictures, point, seeds);
      scores.set(point.key, scorePoint(kept, pictures, metrics, draws));
    }
    return { split, pictures: pictures.records.length, seeds, points, scores };
  }
}
