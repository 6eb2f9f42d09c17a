/**
 * The folder of one training run:
 *
 *     config.json          the whole configuration, as resolved at the start
 *     log.jsonl            one JSON object per step
 *     init/                the captioner whose weights it began with, if any (--init)
 *     checkpoints/STAGE/   step-000123/ … (checkpoint.ts)
 *     samples/             pictures with captions, reconstruction sheets
 *     report.html          summary of the run (report/report.ts)
 */

import { UserError } from "../platform/errors.js";
import {
  isRecord,
  type Json,
  type JsonRecord,
  parseJson,
  parseJsonRecord,
  toJson,
} from "../platform/json.js";
import type { Files } from "../platform/platform.js";
import { shown } from "../platform/shown.js";

/** First entry of `config.json`. Older folders have none. */
const format = "mc-diffusion-run-2";

/** One line of `log.jsonl`. A number that was NaN or infinite is stored as null and read back as NaN. */
export interface LogEntry {
  /** `vqvae` or `decoder`. */
  stage: string;
  /** Completed optimiser steps of this stage, from 1. */
  step: number;
  /** `total` and its parts, by name. */
  losses: Record<string, number>;
  learningRate: number;
  /** Global L2 norm of the gradient before clipping. */
  gradNorm: number;
  /** Wall-clock milliseconds of the step. */
  ms: number;
  /** Images or tokens per second, and which. */
  perSecond: number;
  unit: "images" | "tokens";
  /** Peak bytes of GPU buffers in the step. */
  bytes: number;
  /** Share of `ms` that the step waited for its pictures, 0 to 1; absent where a step reads none. */
  waiting?: number;
  /**
   * Of several processes that train together: how many, the slowest with its milliseconds without communication, and the
   * milliseconds of rank 0 for the reduction of gradients, `communicating` being those in calls that wait for other ranks,
   * and `hidden` those during which the device still worked on the backward pass.
   */
  ranks?: {
    count: number;
    slowest: number;
    slowestMs: number;
    reducing: number;
    communicating: number;
    hidden?: number;
  };
  /** Held-out measures by name, on the steps that evaluate. */
  metrics?: Record<string, number>;
}

/** The folder of a run: its settings, log, checkpoints, samples and report. */
export class RunFolder {
  readonly path: string;
  readonly #files: Files;
  #config: JsonRecord;

  private constructor(files: Files, path: string, config: JsonRecord) {
    this.#files = files;
    this.path = path;
    this.#config = config;
  }

  /** Contents of `config.json` without its format. */
  get config(): JsonRecord {
    return this.#config;
  }

  /** Stores settings that a resume changed, for the report and the next resume. */
  async setConfig(config: JsonRecord): Promise<void> {
    this.#config = config;
    await this.#files.write(`${this.path}/config.json`, toJson({ format, ...config }));
  }

  /** Throws a `UserError` if the folder already holds a run. */
  static async checkFree(files: Files, path: string): Promise<void> {
    for (const name of ["config.json", "log.jsonl", "checkpoints"]) {
      if (await files.exists(`${path}/${name}`)) {
        throw new UserError(
          `${path} already holds a run (${name}): continue it with --resume ${path}, or give another --out`,
        );
      }
    }
  }

  /** Creates a run. Throws a `UserError` if the folder already holds one. */
  static async create(files: Files, path: string, config: JsonRecord): Promise<RunFolder> {
    await RunFolder.checkFree(files, path);
    const run = new RunFolder(files, path, config);
    await files.makeDirectory(path);
    await files.makeDirectory(run.samplesFolder);
    await files.write(`${path}/config.json`, toJson({ format, ...config }));
    return run;
  }

  /** Opens a run for `--resume`. Throws a `UserError` if the folder holds none. */
  static async open(files: Files, path: string): Promise<RunFolder> {
    const configPath = `${path}/config.json`;
    if (!(await files.exists(configPath))) {
      throw new UserError(`${path} holds no run: there is no ${configPath}`);
    }
    const { format: found, ...config } = parseJsonRecord(await files.readText(configPath), configPath);
    if (found !== undefined && found !== format) {
      throw new UserError(
        `${configPath} has format ${shown(JSON.stringify(found) ?? "")}, this version resumes "${format}" and older folders without a format`,
      );
    }
    await files.makeDirectory(`${path}/samples`);
    return new RunFolder(files, path, config);
  }

  /** Discards a run that did nothing: removes its files, and the folder if it is otherwise empty. */
  async abandon(): Promise<void> {
    for (const name of [
      "config.json",
      "vocabulary.json",
      "data.json",
      "log.jsonl",
      "checkpoints",
      "samples",
      "init",
    ])
      await this.#files.remove(`${this.path}/${name}`);
    // The lock belongs to the process, which removes it at the end.
    const rest = (await this.#files.list(this.path)).filter((name) => name !== "lock.json");
    if (rest.length === 0) await this.#files.remove(this.path);
  }

  /** Folder for samples of held-out pictures and captions written during training. */
  get samplesFolder(): string {
    return `${this.path}/samples`;
  }

  /** The log: one JSON object per line. */
  get logPath(): string {
    return `${this.path}/log.jsonl`;
  }

  /** The report as a page. */
  get reportPath(): string {
    return `${this.path}/report.html`;
  }

  /** Folder of the checkpoints of a stage. */
  checkpointFolder(stage: string): string {
    return `${this.path}/checkpoints/${stage}`;
  }

  /** Appends entries to the log. */
  async appendLog(entries: readonly LogEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#files.append(this.logPath, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  }

  /** Every complete line of the log. Invalid lines (cut by a crash, zeros from a full disk, blank) are left out. */
  async readLog(): Promise<LogEntry[]> {
    return (await this.#logLines()).lines.map(({ entry }) => entry);
  }

  /**
   * Drops the entries of `stage` after `step`, and invalid lines. Must be called when a stage starts (0) or resumes (the
   * checkpoint's step); otherwise the steps since the checkpoint would appear twice. Returns the last remaining entry of the
   * stage, and the number of invalid lines other than a cut last one.
   */
  async truncateLog(stage: string, step: number): Promise<{ last: LogEntry | null; damaged: number }> {
    const { lines, damaged } = await this.#logLines();
    const kept = lines.filter(({ entry }) => entry.stage !== stage || entry.step <= step);
    if (await this.#files.exists(this.logPath))
      await this.#files.write(this.logPath, kept.map(({ line }) => `${line}\n`).join(""));
    return { last: kept.findLast(({ entry }) => entry.stage === stage)?.entry ?? null, damaged };
  }

  /** Writes `samples/NAME`, for example `decoder-000500.svg`. */
  async writeSample(name: string, data: Uint8Array | string): Promise<string> {
    const path = `${this.samplesFolder}/${name}`;
    await this.#files.write(path, data);
    return path;
  }

  /** Replaces the report. */
  async writeReport(html: string): Promise<void> {
    await this.#files.write(this.reportPath, html);
  }

  async #logLines(): Promise<{ lines: { line: string; entry: LogEntry }[]; damaged: number }> {
    if (!(await this.#files.exists(this.logPath))) return { lines: [], damaged: 0 };
    const lines: { line: string; entry: LogEntry }[] = [];
    let damaged = 0;
    // Not `readText`, which rejects the whole file for one damaged byte.
    const all = new TextDecoder().decode(await this.#files.read(this.logPath)).split("\n");
    for (const [i, line] of all.entries()) {
      const entry = parseLogLine(line);
      if (entry) lines.push({ line, entry });
      // The text after the last line end is empty, or a line that a crash cut short.
      else if (i < all.length - 1) damaged++;
    }
    return { lines, damaged };
  }
}

/** A parsed line of the log; null if it is invalid. Numbers that JSON cannot represent come back as NaN. */
export function asLogEntry(value: unknown): LogEntry | null {
  if (!isRecord(value)) return null;
  const { stage, step, losses, metrics = {}, ranks = {}, unit = "images" } = value;
  const { learningRate = 0, gradNorm = 0, ms = 0, perSecond = 0, bytes = 0, waiting = 0 } = value;
  const isEntry =
    typeof stage === "string" && Number.isSafeInteger(step) && (unit === "images" || unit === "tokens");
  if (!isEntry || !isRecord(losses) || !isRecord(metrics) || !isRecord(ranks)) return null;
  // Logs have many lines, and nearly all of them have no null.
  let hasNull = false;
  const isLogged = (number: Json) => {
    if (number === null) hasNull = true;
    return number === null || typeof number === "number";
  };
  for (const name in losses) if (!isLogged(losses[name]!)) return null;
  for (const name in metrics) if (!isLogged(metrics[name]!)) return null;
  for (const name in ranks) if (!isLogged(ranks[name]!)) return null;
  for (const number of [learningRate, gradNorm, ms, perSecond, bytes, waiting])
    if (!isLogged(number)) return null;
  return (hasNull ? nullToNan(value) : value) as unknown as LogEntry;
}

/** A line of `log.jsonl`; null if it is invalid. */
export function parseLogLine(line: string): LogEntry | null {
  try {
    return asLogEntry(parseJson(line));
  } catch {
    return null;
  }
}

function nullToNan(value: unknown): unknown {
  if (value === null) return Number.NaN;
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, nullToNan(item)]));
}
