/** Deliberate mistakes in what joins training: masks, streams, optimisers, averages, stages. */

import type { Mutation } from "./mutation.js";

export const training: readonly Mutation[] = [];
