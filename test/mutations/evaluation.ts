/** Deliberate mistakes in scores, baselines and splits. */

import type { Mutation } from "./mutation.js";

export const evaluation: readonly Mutation[] = [];
