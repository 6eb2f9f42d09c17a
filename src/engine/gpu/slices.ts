/**
 * Long recordings in slices: how many of the next dispatches fit into a time that a page can spare, by what such
 * dispatches took before.
 */

import type { Command } from "./recording.js";

/** How fast an estimate follows what is measured. */
const rate = 0.3;

const keyOf = (command: Command): string | null =>
  command.kind === "dispatch" ? `${command.pipeline.id}:${command.groups.join()}` : null;

export class DispatchTimes {
  /** Milliseconds by pipeline and grid. */
  readonly #known = new Map<string, number>();

  /**
   * The commands from `first` on that fit into `milliseconds`, as the index after the last: at least one dispatch, and of
   * those that were never timed no more than one.
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

  /** Learns that these commands took so long together: what is new takes its equal part, what is known is corrected. */
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
