/** The scenes that a judge is trained and measured on. Node only. */

import { resolveConfig } from "../../config/resolve.js";
import { isScenes, type ScenesDataset } from "../../data/scenes/dataset.js";
import { loadDataset } from "../load-dataset.js";

/** The data set `scenes` in a size, of the `things` most usual things (0 = all). */
export async function judgeScenes(
  { imageSize, things, subset }: { imageSize: number; things: number; subset: number },
  quiet: boolean | undefined,
): Promise<ScenesDataset> {
  const { data } = resolveConfig({
    set: [
      "data.source=scenes",
      `data.imageSize=${imageSize}`,
      `data.things=${things}`,
      `data.subset=${subset}`,
    ],
  });
  const dataset = await loadDataset(data, quiet);
  if (!isScenes(dataset)) throw new Error("the data set scenes does not know its scenes");
  return dataset;
}
