/** The kinds of faults: how each is struck, and what the process must answer. */

import type { ChildProcess } from "node:child_process";
import type { Blow, Outcome } from "./attempt.js";
import type { Counted, Injected } from "./injected.js";

export interface Fault {
  name: string;
  /** Struck from outside … */
  strike?: (child: ChildProcess) => void;
  /** … or from inside, at a share (0 to 1) of all that a run does. */
  inject?: (share: number, all: Counted) => Injected;
  /** Further options of train.js. */
  options?: readonly string[];
  /** Whether the process goes on to the end of its work. */
  survives: boolean;
  /** Whether it ended as it should have. One that was struck in its last moments may have reached its end instead. */
  endsWell: (outcome: Outcome) => boolean;
}

/** Whether a process was struck at all, and not done before. */
export function isStruck({ name, strike, survives }: Fault, { struckIn, code, stderr }: Outcome): boolean {
  if (strike) return struckIn !== null;
  if (!survives) return code !== 0;
  return name === "clock jumps" || /^warning: the GPU device was lost/m.test(stderr);
}

const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** By the signal itself where nothing was to be saved, with its code where the run has saved and stopped. */
const endedBy =
  (name: keyof typeof signals) =>
  ({ signal, code }: Outcome): boolean =>
    signal === name || code === signals[name];

const closeOutputs = (child: ChildProcess) => {
  child.stdout!.destroy();
  child.stderr!.destroy();
};

/** One sentence and exit code 1. */
const says =
  (pattern: RegExp) =>
  ({ code, stderr }: Outcome): boolean =>
    code === 1 && pattern.test(stderr);

/** Rather early: a run that goes on with another does less than all. */
const place = (share: number, all: number) => 1 + Math.floor(share ** 2 * all);

export const faults: readonly Fault[] = [
  {
    name: "kill -9",
    strike: (child) => void child.kill("SIGKILL"),
    survives: false,
    endsWell: ({ signal }) => signal === "SIGKILL",
  },
  {
    name: "SIGTERM",
    strike: (child) => void child.kill("SIGTERM"),
    survives: false,
    endsWell: endedBy("SIGTERM"),
  },
  {
    name: "SIGHUP",
    strike: (child) => void child.kill("SIGHUP"),
    survives: false,
    endsWell: endedBy("SIGHUP"),
  },
  {
    name: "Ctrl-C twice",
    strike(child) {
      child.kill("SIGINT");
      setTimeout(() => child.kill("SIGINT"), 30);
    },
    survives: false,
    endsWell: endedBy("SIGINT"),
  },
  {
    name: "closed terminal",
    strike(child) {
      closeOutputs(child);
      child.kill("SIGHUP");
    },
    survives: false,
    endsWell: endedBy("SIGHUP"),
  },
  {
    name: "closed output",
    strike: closeOutputs,
    survives: true,
    endsWell: ({ code }) => code === 0,
  },
  {
    name: "stopped clock",
    strike(child) {
      child.kill("SIGSTOP");
      setTimeout(() => child.kill("SIGCONT"), 400);
    },
    survives: true,
    endsWell: ({ code }) => code === 0,
  },
  {
    name: "clock jumps",
    inject: (share, { looks }) => ({ clockJumpAt: place(share, looks / 2) }),
    survives: true,
    endsWell: ({ code }) => code === 0,
  },
  {
    name: "full disk",
    inject: (share, { bytes }) => ({ diskBytes: place(share, bytes) }),
    survives: false,
    endsWell: says(/^error: .*the disk is full/m),
  },
  {
    name: "lost device",
    inject: (share, { submits }) => ({ loseAfterSubmits: [place(share, submits)] }),
    survives: false,
    endsWell: says(/^error: the GPU device was lost/m),
  },
  {
    name: "lost device, --on-loss retry",
    inject: (share, { submits }) => ({
      loseAfterSubmits: [place(share, submits), place(share, submits) + 40],
    }),
    options: ["--on-loss", "retry"],
    survives: true,
    endsWell: ({ code, stderr }) =>
      code === 0 && /^warning: the GPU device was lost .*going on from /m.test(stderr),
  },
];

/** The blow of a fault from outside. */
export function blowOf({ strike }: Fault, at: Blow["at"], delay: number): Blow | undefined {
  return strike && { at, delay, strike };
}
