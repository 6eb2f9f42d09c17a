/** All deliberate mistakes, by field. */

import { alignment } from "./alignment.js";
import { baselines } from "./baselines.js";
import { bitDiffusion } from "./bit-diffusion.js";
import { bound } from "./bound.js";
import { captionMetrics } from "./caption-metrics.js";
import { captionSettings } from "./caption-settings.js";
import { clip } from "./clip.js";
import { codeWordsMutations } from "./code-words.js";
import { conditionConvs } from "./condition-convs.js";
import { data } from "./data.js";
import { distributed } from "./distributed.js";
import { engine } from "./engine.js";
import { evaluation } from "./evaluation.js";
import { evaluationStatistics } from "./evaluation-statistics.js";
import { files } from "./files.js";
import { gpuCheck } from "./gpu-check.js";
import { judge } from "./judge.js";
import { layouts } from "./layouts.js";
import { life } from "./life.js";
import { mathematics } from "./mathematics.js";
import { modelTable } from "./model-table.js";
import type { Field } from "./mutation.js";
import { networks } from "./networks.js";
import { ops } from "./ops.js";
import { page } from "./page.js";
import { runsPage } from "./runs-page.js";
import { samplers } from "./samplers.js";
import { sceneTruth } from "./scene-truth.js";
import { scenesMutations } from "./scenes.js";
import { shaders } from "./shaders.js";
import { sweep } from "./sweep.js";
import { tokens } from "./tokens.js";
import { training } from "./training.js";
import { vqgan } from "./vqgan.js";
import { weightFiles } from "./weight-files.js";

export const fields: readonly Field[] = [
  { name: "shaders", mutations: shaders },
  { name: "engine", mutations: engine },
  { name: "networks", mutations: networks },
  { name: "vqgan", mutations: vqgan },
  { name: "more ops", mutations: ops },
  { name: "tokens", mutations: tokens },
  { name: "mathematics", mutations: mathematics },
  { name: "bound", mutations: bound },
  { name: "baselines", mutations: baselines },
  { name: "Bit Diffusion", mutations: bitDiffusion },
  { name: "code words", mutations: codeWordsMutations },
  { name: "condition convs", mutations: conditionConvs },
  { name: "samplers", mutations: samplers },
  { name: "training", mutations: training },
  { name: "several processes", mutations: distributed },
  { name: "data", mutations: [...data, ...layouts] },
  { name: "scenes", mutations: [...scenesMutations, ...sceneTruth] },
  { name: "alignment", mutations: alignment },
  { name: "evaluation", mutations: [...evaluation, ...captionSettings, ...evaluationStatistics] },
  { name: "guidance sweeps", mutations: sweep },
  { name: "model table", mutations: modelTable },
  { name: "CLIP", mutations: clip },
  { name: "judge", mutations: judge },
  { name: "caption metrics", mutations: captionMetrics },
  { name: "files", mutations: files },
  { name: "weight files", mutations: weightFiles },
  { name: "page", mutations: page },
  { name: "page of runs", mutations: runsPage },
  { name: "gpu-check", mutations: gpuCheck },
  { name: "long life", mutations: life },
];
