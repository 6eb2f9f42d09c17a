/** Deliberate mistakes in data sets, splits, batches, augmentation. */

import type { Mutation } from "./mutation.js";

export const data: readonly Mutation[] = [];
