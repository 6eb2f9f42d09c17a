/**
 * Long recordings in slices: computes the number of next dispatches that fit into a time limit, from the measured times of such
 * dispatches.
 */

import type { Command } from "./recording.js";

/** The rate at which an estimate follows the measurements. */
const rate = 0.3;

const keyOf = (command: Command): string | null =>
  command.kind === "dispatch" ? `${command.pipeline.id}:${command.groups.join()}` : null;

export class DispatchTimes {
  /** Milliseconds by pipeline and grid. */
  readonly #known = new Map<string, number>();

  /**
   * Returns the index after the last of the commands, starting with `first`, that fit into `milliseconds`. A slice has at least
   * one dispatch, and at most one that was never timed.
   */
  sliceEnd(commands: readonly Command[], first: number, milliseconds: number): number {
    let left = milliseconds;
    let dispatches = 0;
    for (let i = first; i < commands.length; i++) {
      const key = keyOf(commands[i]!);
      if (key === null) continue;
      left -= this.#known.get(key) ?? milliseconds;
      if (left < 0 && dispatches > 0) return i;
      dispatches++;
    }
    return commands.length;
  }

  /** Updates the estimates from the total time of these commands: new ones get an equal share, known ones are corrected. */
  learn(commands: readonly Command[], milliseconds: number): void {
    const keys = commands.map(keyOf).filter((key) => key !== null);
    const share = milliseconds / keys.length;
    const predicted = keys.reduce((sum, key) => sum + (this.#known.get(key) ?? share), 0);
    if (!(predicted > 0)) return;
    const factor = 1 + rate * (milliseconds / predicted - 1);
    for (const key of new Set(keys)) {
      const before = this.#known.get(key);
      this.#known.set(key, before === undefined ? share : before * factor);
    }
  }
}
