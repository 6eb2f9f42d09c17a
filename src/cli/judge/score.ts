/** The judge in other commands: opens it and its kept features. */

import type { Dataset } from "../../data/dataset.js";
import { isScenes } from "../../data/scenes/dataset.js";
import type { Gpu } from "../../engine/gpu/gpu.js";
import { Judge } from "../../models/judge/judge.js";
import { UserError } from "../../platform/errors.js";
import { nodePlatform as platform } from "../../platform/node.js";

/** The judge in a folder. Throws a `UserError` if there is none. */
export function openJudge(gpu: Gpu, folder: string): Promise<Judge> {
  return Judge.fromFolder(gpu, platform.files, folder);
}

/** Throws a `UserError` if a judge does not know what the pictures of a data set show. */
export function checkJudged({ shape, data }: Judge, dataset: Dataset): void {
  const refused = (why: string) => new UserError(`--judge: ${why}`, 2);
  if (!isScenes(dataset)) throw refused(`it knows scenes alone, and these are pictures of ${dataset.name}`);
  if (dataset.size !== shape.imageSize)
    throw refused(
      `it reads pictures of ${shape.imageSize} pixels, and those of ${dataset.size} show other scenes`,
    );
  if (data.things > 0 && dataset.art.things.length > data.things)
    throw refused(`it knows ${data.things} things, and these scenes show ${dataset.art.things.length}`);
}
