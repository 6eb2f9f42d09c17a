/**
 * Progress of long work, the same in every command: on a terminal a bar with throughput and remaining time, elsewhere (a log
 * file, CI) a line every few seconds, with `quiet` nothing.
 */

import cliProgress from "cli-progress";
import { harmlessLines } from "../platform/shown.js";
import { formatDuration } from "../report/duration.js";
import type { Progress } from "../report/progress.js";

export type { Progress } from "../report/progress.js";

export interface ProgressOptions {
  /** Name of the work: `vqvae`, `rendering emoji`. */
  label: string;
  /** Total amount of work. */
  total: number;
  /** Unit of the count: `steps`, `images`. */
  unit: string;
  /** Amount done before this display starts (a resumed run); does not count towards the throughput. */
  start?: number;
  /** Number of `perUnit.unit` per counted item, if throughput should be shown in that unit: 64 images per step. */
  perUnit?: { factor: number; unit: string };
  quiet?: boolean;
  /** Milliseconds between two lines when there is no terminal; default 5000. */
  everyMs?: number;
  /** Stream to print to; default standard error, so that standard output stays clean for results. */
  stream?: ProgressStream;
  /** Clock in milliseconds; default `performance.now`. */
  now?: () => number;
}

/** The part of a Node stream that is used. */
export type ProgressStream = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

/** Throughput is measured over this long, so that a slow start (shader compilation) is soon forgotten. */
const WINDOW_MS = 30_000;
const FRAMES_PER_SECOND = 4;

/** Starts a display. The caller must `stop()` it, also after an error: `withProgress` does. */
export function startProgress(options: ProgressOptions): Progress {
  const { quiet = false, stream = process.stderr } = options;
  if (quiet)
    return {
      update() {},
      setTotal() {},
      log() {},
      warn: (line) => stream.write(`${harmlessLines(line)}\n`),
      stop() {},
    };
  return stream.isTTY ? barProgress(options, stream) : lineProgress(options, stream);
}

/** Runs `work` with a progress display that ends with it, whatever happens. */
export async function withProgress<T>(
  options: ProgressOptions,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const progress = startProgress(options);
  try {
    return await work(progress);
  } finally {
    progress.stop();
  }
}

/** Like `withProgress`, for work whose total is known only while it runs, or that turns out not to be needed. */
export async function withLateProgress<T>(
  options: Omit<ProgressOptions, "total">,
  work: (onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  let progress: Progress | null = null;
  try {
    return await work((done, total) => {
      progress ??= startProgress({ ...options, total });
      progress.update(done);
    });
  } finally {
    (progress as Progress | null)?.stop();
  }
}

function barProgress(options: ProgressOptions, stream: ProgressStream): Progress {
  const { label, start = 0 } = options;
  let { total } = options;
  const pace = new Pace(options);
  let detail = "";
  let stopped = false;
  const bars = new cliProgress.MultiBar({
    stream,
    fps: FRAMES_PER_SECOND,
    hideCursor: false,
    linewrap: true, // leave the terminal's setting alone; the library then trims the line to the width
    gracefulExit: false, // Ctrl-C belongs to the command, which saves first
    forceRedraw: true, // `log` clears the line
    format: (_, { value }) => {
      const filled = Math.round(20 * Math.min(1, total > 0 ? value / total : 1));
      return `${label} ${"█".repeat(filled)}${"░".repeat(20 - filled)} ${pace.describe(value, stopped)}${tail(detail)}`;
    },
  });
  const bar = bars.create(total, start);
  const log = (line: string) => {
    if (stopped) return;
    bars.log(`${harmlessLines(line)}\n`);
    bars.update();
  };
  return {
    update(done, text = "") {
      pace.record(done);
      detail = text;
      bar.update(done);
    },
    setTotal(changed) {
      total = pace.total = changed;
      bar.setTotal(changed);
    },
    log,
    warn: log,
    stop() {
      if (stopped) return;
      stopped = true;
      bars.stop();
    },
  };
}

function lineProgress(options: ProgressOptions, stream: ProgressStream): Progress {
  const { label, everyMs = 5000, start = 0, now = () => performance.now() } = options;
  const pace = new Pace(options);
  let done = start;
  let detail = "";
  let lastTime = now();
  let stopped = false;
  const log = (line: string) => {
    if (!stopped) stream.write(`${harmlessLines(line)}\n`);
  };
  return {
    update(value, text = "") {
      if (stopped) return;
      done = value;
      detail = text;
      pace.record(done);
      if (now() - lastTime < everyMs) return;
      lastTime = now();
      stream.write(`${label} ${pace.describe(done, false)}${tail(detail)}\n`);
    },
    setTotal(changed) {
      pace.total = changed;
    },
    log,
    warn: log,
    stop() {
      if (stopped) return;
      stopped = true;
      stream.write(`${label} ${pace.describe(done, true)}${tail(detail)}\n`);
    },
  };
}

function tail(detail: string): string {
  return detail === "" ? "" : `, ${harmlessLines(detail)}`;
}

/** Throughput of the last half minute, and the text about it. */
class Pace {
  readonly #options: ProgressOptions;
  /** Total amount of work. */
  total: number;
  readonly #now: () => number;
  readonly #startTime: number;
  readonly #start: number;
  /** Reference points for the throughput, some of the last `WINDOW_MS`. */
  readonly #samples: { time: number; done: number }[];
  #last: { time: number; done: number };

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.total = options.total;
    this.#now = options.now ?? (() => performance.now());
    this.#start = options.start ?? 0;
    this.#startTime = this.#now();
    this.#last = { time: this.#startTime, done: this.#start };
    this.#samples = [this.#last];
  }

  record(done: number): void {
    const time = this.#now();
    this.#last = { time, done };
    if (time - this.#samples.at(-1)!.time >= WINDOW_MS / 100) this.#samples.push(this.#last);
    while (this.#samples.length > 2 && time - this.#samples[1]!.time >= WINDOW_MS) this.#samples.shift();
  }

  /** `120/3000 steps (4 %), 35.2 images/s, 1 min 22 s left`; at the end the mean throughput and the time it took. */
  describe(done: number, ended: boolean): string {
    const { total } = this;
    const { unit, perUnit } = this.#options;
    const first = ended ? { time: this.#startTime, done: this.#start } : this.#samples[0]!;
    const last = ended ? { time: this.#now(), done } : this.#last;
    const seconds = (last.time - first.time) / 1000;
    const speed = seconds > 0 ? (last.done - first.done) / seconds : 0;
    const parts = [`${done}/${total} ${unit} (${total > 0 ? Math.floor((100 * done) / total) : 100} %)`];
    if (speed > 0) {
      const shown = speed * (perUnit?.factor ?? 1);
      parts.push(`${Number(shown.toPrecision(3))} ${perUnit?.unit ?? unit}/s`);
      if (!ended) parts.push(`${formatDuration((total - done) / speed)} left`);
    }
    if (ended) parts.push(`took ${formatDuration(seconds)}`);
    return parts.join(", ");
  }
}
