/** The data set that a configuration names, with progress on the terminal. Node only. */

import type { Config } from "../config/config.js";
import type { Dataset } from "../data/dataset.js";
import type { PictureCache } from "../data/decoded-pictures.js";
import { loadEmoji, rendererVersion } from "../data/emoji.js";
import { loadFolder } from "../data/folder.js";
import {
  absolutePath,
  cacheDirectory,
  modulesDirectory,
  nodePlatform as platform,
} from "../platform/node.js";
import { nodeDisk } from "../platform/node-disk.js";
import { withLateProgress } from "./progress.js";
import { tell } from "./terminal.js";

/** Raise this when decoding or scaling give other results, so that pictures of older versions are not taken from a cache. */
const DECODING_VERSION = 1;

/**
 * Loads the captions, and decodes (or renders) the pictures missing from the user's cache. Reports on standard error what was
 * left out of a folder. From a folder only the pictures of the records `used` are decoded now.
 */
export function loadDataset(
  config: Config["data"],
  quiet = false,
  used?: (dataset: Dataset) => readonly number[],
): Promise<Dataset> {
  const { source, folder, imageSize: size, subset, skipBad } = config;
  const onProblem = (sentence: string) => tell(`careful: ${sentence}`);
  return withLateProgress({ label: "pictures", unit: "pictures", quiet }, async (onProgress) => {
    if (source === "emoji") {
      return loadEmoji(platform, {
        modulesDirectory: modulesDirectory("emojibase-data"),
        cache: pictureCache(`emoji-${size}`),
        size,
        ...(subset > 0 ? { trainingPictures: subset } : {}),
        onProblem,
        onProgress,
      });
    }
    const key = [
      absolutePath(folder),
      size,
      "contain",
      DECODING_VERSION,
      await rendererVersion(platform, modulesDirectory("sharp")),
    ];
    const name = (await platform.hash("sha-256", JSON.stringify(key))).slice(0, 16);
    const { dataset, skipped, uncaptioned } = await loadFolder(platform, folder, {
      size,
      skipBad,
      subset,
      cache: pictureCache(`folder-${size}-${name}`),
      ...(used ? { used } : {}),
      onProblem,
      onProgress,
    });
    for (const line of skipped) tell(`skipped: ${line}`);
    if (uncaptioned > 0)
      tell(
        `${uncaptioned} ${uncaptioned === 1 ? "picture" : "pictures"} of ${folder} without a caption: not used`,
      );
    return dataset;
  });
}

function pictureCache(name: string): PictureCache {
  return { folder: `${cacheDirectory()}/pictures/${name}`, files: platform.files, disk: nodeDisk };
}
