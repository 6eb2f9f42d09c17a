/** Deliberate mistakes in the diffusion's mathematics: schedule, posterior, guidance, importance, loss. */

import type { Mutation } from "./mutation.js";

export const mathematics: readonly Mutation[] = [];
