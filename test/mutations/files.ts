/** Deliberate mistakes in weights, checkpoints, run folders, vocabularies, caption lists. */

import type { Mutation } from "./mutation.js";

export const files: readonly Mutation[] = [];
