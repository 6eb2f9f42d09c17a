/** What is fuzzed: a way to make damaged inputs, and a reader whose answers are checked. */

import { UserError } from "../../dist/platform/errors.js";
import type { Random } from "../programs/random.js";

export interface Target {
  readonly name: string;
  /** One input and what becomes of it. The same random numbers give the same input. */
  prepare(random: Random): Promise<Case> | Case;
}

export interface Case {
  /** Bytes of the input. */
  readonly size: number;
  /**
   * Reads the input. Returns whether the result is the same as that of the untouched input, or another one that satisfies the
   * target's invariants. Throws a `UserError` for an input that is refused, an `Error` for a broken invariant.
   */
  read(): Promise<"same" | "other"> | "same" | "other";
}

export type Verdict = "same" | "other" | "refused";

/** Throws an `Error` that tells the invariant. */
export function holds(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${invariant}`);
}

/** Reads one input. Throws if it crashes the reader, breaks an invariant, or is refused with more than a sentence. */
export async function tryCase(made: Case): Promise<Verdict> {
  try {
    return await made.read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    checkSentence(error.message);
    return "refused";
  }
}

/** A list of bad rows may have a line a row. */
function checkSentence(message: string): void {
  for (const line of message.split("\n"))
    holds(line.length < 2500, `a message is short, not ${line.length} signs`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  holds(!/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(message), `a message is harmless: ${JSON.stringify(message)}`);
  holds(
    !/\[object |\bat \S+:\d+:\d+/.test(message),
    `a message is meant for people: ${message.slice(0, 300)}`,
  );
}
