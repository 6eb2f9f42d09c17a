/** Deliberate mistakes in the demo page. */

import type { Mutation } from "./mutation.js";

export const page: readonly Mutation[] = [];
