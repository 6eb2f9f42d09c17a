/** Reads a run's log.jsonl as it grows: each byte once. Node only. */

import { type FileHandle, open } from "node:fs/promises";
import { type LogEntry, parseLogLine } from "../../io/run-folder.js";
import { UserError } from "../../platform/errors.js";
import { reason } from "../../platform/node.js";
import { LogColumns } from "../../report/runs/log-columns.js";

/** Bytes read at a time: other requests are answered in between. */
const PART = 1 << 18;
/** Damaged lines that are named; the rest is counted. */
const NAMED = 5;
const NEWLINE = 10;

/** What is told of a stage without its curves. */
export interface StageSummary {
  last: LogEntry;
  seconds: number;
  /** The last value of each held-out measure. */
  metrics: Record<string, number>;
}

/** The log of one run. */
export class LogFollower {
  readonly path: string;
  readonly stages = new Map<string, StageSummary>();
  /** Complete lines so far. */
  lines = 0;
  /** Lines that are no log entries, and the numbers of the first of them, from 1. */
  damaged = 0;
  readonly damagedLines: number[] = [];
  #columns: LogColumns | null = new LogColumns();
  /** Bytes of complete lines that have been read. */
  #offset = 0;
  /** Which file was read: a log that is shortened by a resume is a new file of the same name. */
  #file = "";
  /** Within a line that is longer than a part, which is no log entry. */
  #isInLongLine = false;
  #work: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  /** Memory of the columns. */
  get bytes(): number {
    return this.#columns?.bytes ?? 0;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Frees the columns; they are read again when they are asked for. */
  dropColumns(): void {
    this.#columns = null;
  }

  /** Reads what was written since the last call. Returns whether anything was. */
  update(): Promise<boolean> {
    return this.#inTurn(() => this.#read());
  }

  /** The columns of all complete lines. */
  columns(): Promise<LogColumns> {
    return this.#inTurn(async () => {
      if (!this.#columns) this.#reset();
      await this.#read();
      return this.#columns!;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#work.then(work, work);
    this.#work = result.catch(() => {});
    return result;
  }

  #reset(): void {
    this.stages.clear();
    this.damagedLines.length = 0;
    [this.lines, this.damaged, this.#offset] = [0, 0, 0];
    this.#isInLongLine = false;
    this.#columns = new LogColumns();
  }

  async #read(): Promise<boolean> {
    let handle: FileHandle | null = null;
    try {
      handle = await open(this.path);
      const { size, ino } = await handle.stat();
      const isOther = this.#file !== "" && (this.#file !== String(ino) || size < this.#offset);
      if (isOther) this.#reset();
      this.#file = String(ino);
      const before = this.#offset;
      while (this.#offset < size && (await this.#readPart(handle, size)));
      return isOther || this.#offset > before;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT")
        throw new UserError(`Cannot read ${this.path}: ${reason(error)}.`);
      const wasThere = this.#file !== "";
      if (wasThere) this.#reset();
      this.#file = "";
      return wasThere;
    } finally {
      await handle?.close();
    }
  }

  /** Reads the complete lines of one part. Returns false at a line that is still being written. */
  async #readPart(handle: FileHandle, size: number): Promise<boolean> {
    const buffer = Buffer.allocUnsafe(Math.min(PART, size - this.#offset));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.#offset);
    const bytes = buffer.subarray(0, bytesRead);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      if (bytesRead < PART) return false;
      this.#isInLongLine = true;
      this.#offset += bytesRead;
      return true;
    }
    const lines = bytes.toString("utf8", 0, end - 1).split("\n");
    this.#offset += end;
    for (const line of lines) this.#add(line);
    return true;
  }

  #add(line: string): void {
    this.lines++;
    const entry = this.#isInLongLine ? null : parseLogLine(line);
    this.#isInLongLine = false;
    if (!entry) {
      this.damaged++;
      if (this.damagedLines.length < NAMED) this.damagedLines.push(this.lines);
      return;
    }
    this.#columns?.add(entry);
    const stage = this.stages.get(entry.stage);
    const seconds = Number.isFinite(entry.ms) ? entry.ms / 1000 : 0;
    if (!stage) {
      this.stages.set(entry.stage, { last: entry, seconds, metrics: { ...entry.metrics } });
      return;
    }
    stage.last = entry;
    stage.seconds += seconds;
    if (entry.metrics) Object.assign(stage.metrics, entry.metrics);
  }

  /** What is wrong with the log, as a sentence; null if nothing is. */
  get problem(): string | null {
    if (this.damaged === 0) return null;
    const rest = this.damaged - this.damagedLines.length;
    const named = this.damagedLines.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
    return `log.jsonl: ${this.damaged} of ${this.lines} lines are no log entries and are left out: line ${named}`;
  }
}
