/** All deliberate mistakes, by field. */

import { bitDiffusion } from "./bit-diffusion.js";
import { bound } from "./bound.js";
import { data } from "./data.js";
import { engine } from "./engine.js";
import { evaluation } from "./evaluation.js";
import { evaluationStatistics } from "./evaluation-statistics.js";
import { files } from "./files.js";
import { life } from "./life.js";
import { mathematics } from "./mathematics.js";
import type { Field } from "./mutation.js";
import { networks } from "./networks.js";
import { ops } from "./ops.js";
import { page } from "./page.js";
import { samplers } from "./samplers.js";
import { shaders } from "./shaders.js";
import { training } from "./training.js";

export const fields: readonly Field[] = [
  { name: "shaders", mutations: shaders },
  { name: "engine", mutations: engine },
  { name: "networks", mutations: networks },
  { name: "more ops", mutations: ops },
  { name: "mathematics", mutations: mathematics },
  { name: "bound", mutations: bound },
  { name: "Bit Diffusion", mutations: bitDiffusion },
  { name: "samplers", mutations: samplers },
  { name: "training", mutations: training },
  { name: "data", mutations: data },
  { name: "evaluation", mutations: [...evaluation, ...evaluationStatistics] },
  { name: "files", mutations: files },
  { name: "page", mutations: page },
  { name: "long life", mutations: life },
];
