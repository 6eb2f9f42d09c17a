/** Deliberate mistakes in the engine: tape, views, pool, capture, packed parameters, random numbers. */

import type { Mutation } from "./mutation.js";

export const engine: readonly Mutation[] = [];
