/**
 * The folder of one training run:
 *
 *     config.json          the whole configuration, as resolved at the start
 *     log.jsonl            one JSON object a step
 *     checkpoints/STAGE/   step-000123/ … (checkpoint.ts)
 *     samples/             pictures with captions, reconstruction sheets
 *     report.html          the run at a glance (report/report.ts)
 */

import { UserError } from "../platform/errors.js";
import type { Files } from "../platform/platform.js";
import { type JsonRecord, parseJsonRecord, toJson } from "./json.js";

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
  /** Images or tokens a second, and which. */
  perSecond: number;
  unit: "images" | "tokens";
  /** Peak bytes of GPU buffers in the step. */
  bytes: number;
  /** Held-out measures by name, on the steps that evaluate. */
  metrics?: Record<string, number>;
}

export class RunFolder {
  readonly path: string;
  /** What `config.json` holds. */
  readonly config: JsonRecord;
  readonly #files: Files;

  private constructor(files: Files, path: string, config: JsonRecord) {
    this.#files = files;
    this.path = path;
    this.config = config;
  }

  /** Throws a `UserError` when the folder already holds a run. */
  static async checkFree(files: Files, path: string): Promise<void> {
    for (const name of ["config.json", "log.jsonl", "checkpoints"]) {
      if (await files.exists(`${path}/${name}`)) {
        throw new UserError(
          `${path} already holds a run (${name}): continue it with --resume ${path}, or give another --out`,
        );
      }
    }
  }

  /** Makes a new run. Throws a `UserError` when the folder already holds one. */
  static async create(files: Files, path: string, config: JsonRecord): Promise<RunFolder> {
    await RunFolder.checkFree(files, path);
    const run = new RunFolder(files, path, config);
    await files.makeDirectory(path);
    await files.makeDirectory(run.samplesFolder);
    await files.write(`${path}/config.json`, toJson(config));
    return run;
  }

  /** Opens a run for `--resume`. Throws a `UserError` when the folder holds none. */
  static async open(files: Files, path: string): Promise<RunFolder> {
    const configPath = `${path}/config.json`;
    if (!(await files.exists(configPath))) {
      throw new UserError(`${path} holds no run: there is no ${configPath}`);
    }
    const config = parseJsonRecord(await files.readText(configPath), configPath);
    await files.makeDirectory(`${path}/samples`);
    return new RunFolder(files, path, config);
  }

  get samplesFolder(): string {
    return `${this.path}/samples`;
  }

  get logPath(): string {
    return `${this.path}/log.jsonl`;
  }

  get reportPath(): string {
    return `${this.path}/report.html`;
  }

  checkpointFolder(stage: string): string {
    return `${this.path}/checkpoints/${stage}`;
  }

  async appendLog(entries: readonly LogEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#files.append(this.logPath, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  }

  /** Every whole line of the log; a last line cut short by a crash is left out. */
  async readLog(): Promise<LogEntry[]> {
    return (await this.#logLines()).map(({ entry }) => entry);
  }

  /**
   * Drops the entries of `stage` after `step`, and a last line that a crash cut short. To be called when a stage
   * starts (0) or resumes (the checkpoint's step): without it the steps since the checkpoint would be there twice.
   */
  async truncateLog(stage: string, step: number): Promise<void> {
    if (!(await this.#files.exists(this.logPath))) return;
    const kept = (await this.#logLines()).filter(({ entry }) => entry.stage !== stage || entry.step <= step);
    await this.#files.write(this.logPath, kept.map(({ line }) => `${line}\n`).join(""));
  }

  /** Writes `samples/NAME`, for example `decoder-000500.svg`. */
  async writeSample(name: string, data: Uint8Array | string): Promise<string> {
    const path = `${this.samplesFolder}/${name}`;
    await this.#files.write(path, data);
    return path;
  }

  async writeReport(html: string): Promise<void> {
    await this.#files.write(this.reportPath, html);
  }

  async #logLines(): Promise<{ line: string; entry: LogEntry }[]> {
    if (!(await this.#files.exists(this.logPath))) return [];
    const lines = (await this.#files.readText(this.logPath)).split("\n");
    const last = lines.pop(); // "" after a final newline, else the beginning of a line
    const parsed = lines.map((line, index) => {
      return { line, entry: parseEntry(line, `${this.logPath} line ${index + 1}`) };
    });
    if (last !== undefined && last !== "") {
      try {
        parsed.push({ line: last, entry: parseEntry(last, this.logPath) });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
      }
    }
    return parsed;
  }
}

function parseEntry(line: string, where: string): LogEntry {
  const record = parseJsonRecord(line, where);
  if (typeof record.stage !== "string" || typeof record.step !== "number") {
    throw new UserError(`${where} has no stage or no step`);
  }
  return nullToNan(record) as LogEntry;
}

function nullToNan(value: unknown): unknown {
  if (value === null) return Number.NaN;
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, nullToNan(item)]));
}
