/** The data set that a configuration names, with progress on the terminal. Node only. */

import type { Config } from "../config.js";
import { cacheDirectory, modulesDirectory, nodePlatform as platform } from "../platform/node.js";
import { withLateProgress } from "../progress.js";
import { tell } from "../terminal.js";
import { type Dataset, withSubset } from "./dataset.js";
import { loadEmoji } from "./emoji.js";
import { loadFolder } from "./folder.js";

/** Loads (and the first time renders) the pictures; says on standard error what was left out of a folder. */
export function loadDataset(config: Config["data"], quiet = false): Promise<Dataset> {
  const { source, folder, imageSize: size, subset, skipBad } = config;
  return withLateProgress({ label: "pictures", unit: "pictures", quiet }, async (onProgress) => {
    if (source === "emoji") {
      return loadEmoji(platform, {
        modulesDirectory: modulesDirectory("emojibase-data"),
        cacheDirectory: cacheDirectory(),
        size,
        ...(subset > 0 ? { trainingPictures: subset } : {}),
        onProgress,
      });
    }
    const { dataset, skipped, uncaptioned } = await loadFolder(platform, folder, {
      size,
      skipBad,
      onProgress,
    });
    for (const line of skipped) tell(`skipped: ${line}`);
    if (uncaptioned > 0) tell(`${uncaptioned} pictures of ${folder} have no caption and are not used`);
    return withSubset(dataset, subset);
  });
}
