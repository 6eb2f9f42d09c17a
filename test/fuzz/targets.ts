/** All targets. Each has a stream of random numbers of its own: input `seed` of a target is always the same. */

import { Random } from "../programs/random.js";
import { fileTargets } from "./files.js";
import { pictureTargets } from "./pictures.js";
import { results } from "./results.js";
import { type Case, type Target, tryCase, type Verdict } from "./target.js";
import { weightFileTargets } from "./weight-files.js";

export const targets: readonly Target[] = [...fileTargets, ...pictureTargets, ...weightFileTargets, results];

export interface Outcome {
  readonly verdict: Verdict | "failed";
  /** Of a failure: what went wrong, in a line. */
  readonly why: string;
  readonly milliseconds: number;
  /** Bytes of the input. */
  readonly size: number;
}

/** Makes and reads input `seed` of a target. */
export async function fuzzOnce(target: Target, seed: number): Promise<Outcome> {
  const made: Case = await target.prepare(new Random(seed + 0x9e37 * targets.indexOf(target)));
  const began = performance.now();
  let verdict: Outcome["verdict"] = "failed";
  let why = "";
  try {
    verdict = await tryCase(made);
  } catch (error) {
    why = error instanceof Error ? `${error.stack ?? error.message}` : String(error);
  }
  return { verdict, why, milliseconds: performance.now() - began, size: made.size };
}
