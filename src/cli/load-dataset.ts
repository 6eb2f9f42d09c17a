/** The data set that a configuration names, with progress on the terminal. Node only. */

import type { Config } from "../config/config.js";
import type { Dataset } from "../data/dataset.js";
import type { PictureCache } from "../data/decoded-pictures.js";
import { loadEmoji, rendererVersion } from "../data/emoji.js";
import { loadFolder } from "../data/folder.js";
import type { DataLayout, Listing } from "../data/layout.js";
import { countsOf, countWarning, layoutOf, loadLayout } from "../data/layouts.js";
import {
  absolutePath,
  cacheDirectory,
  decodePart,
  findModulesDirectory,
  modulesDirectory,
  nodePlatform as platform,
} from "../platform/node.js";
import { nodeDisk } from "../platform/node-disk.js";
import { formatDuration } from "../report/duration.js";
import { withLateProgress } from "./progress.js";
import { tell } from "./terminal.js";

/** Raise this when decoding or scaling give other results, so that pictures of older versions are not taken from a cache. */
const DECODING_VERSION = 1;

/**
 * Loads the captions, and decodes (or renders) the pictures missing from the user's cache. Reports on standard error what was
 * found and left out. From a folder only the pictures of the records `used` are decoded now.
 */
export function loadDataset(
  config: Config["data"],
  quiet = false,
  used?: (dataset: Dataset) => readonly number[],
): Promise<Dataset> {
  const { source, folder, imageSize: size, subset, skipBad, validation, crop } = config;
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
    if (source === "scenes") return loadScenes(config, onProgress);
    const began = platform.now();
    const options = {
      size,
      skipBad,
      subset,
      validationShare: validation,
      cache: await folderCache(folder, size, crop),
      ...(used ? { used } : {}),
      onProblem,
      onProgress,
    };
    const layout = layoutOf(source);
    const { dataset, skipped } = layout
      ? await loadLayout(platform, layout, folder, {
          ...options,
          split: config.split,
          crop,
          decode: (bytes, side, box) => decodePart(bytes, side, "contain", box),
          onListed: (listing) => tellListing(layout, listing, quiet),
        })
      : await loadOwnFolder(folder, options);
    for (const line of skipped) tell(`skipped: ${line}`);
    if (!quiet) tell(loadedLine(dataset, platform.now() - began));
    return dataset;
  });
}

/** Scenes from art that is rendered once, composed on threads of their own. Loaded when it is asked for. */
async function loadScenes(
  { imageSize: size, subset, things }: Config["data"],
  onProgress: (done: number, total: number) => void,
): Promise<Dataset> {
  const [{ artOf, loadArt }, { scenesDataset }, { ScenePainters }] = await Promise.all([
    import("../data/scenes/art.js"),
    import("../data/scenes/dataset.js"),
    import("./scene-painters.js"),
  ]);
  const all = await loadArt(platform, {
    folder: `${cacheDirectory()}/scenes`,
    modulesDirectory: modulesDirectory("emojibase-data"),
    onProgress,
  });
  const art = artOf(all, things);
  const trainingScenes = subset > 0 ? { trainingScenes: subset } : {};
  return scenesDataset(platform, art, {
    size,
    ...trainingScenes,
    painter: new ScenePainters(art, { size, seed: 1 }),
  });
}

async function loadOwnFolder(folder: string, options: Parameters<typeof loadFolder>[2]) {
  const { dataset, skipped, uncaptioned } = await loadFolder(platform, folder, options);
  if (uncaptioned > 0)
    tell(
      `${uncaptioned} ${uncaptioned === 1 ? "picture" : "pictures"} of ${folder} without a caption: not used`,
    );
  return { dataset, skipped };
}

/** Prints what a layout found and left out. */
function tellListing({ name }: DataLayout, listing: Listing, quiet: boolean): void {
  if (!quiet) {
    tell(`${name}: ${listing.title}`);
    for (const line of listing.found) tell(`  ${line}`);
    const counts = [...countsOf(listing)].map(([split, count]) => `${split} ${count}`);
    tell(`  pictures listed: ${counts.join(", ")}`);
    for (const line of listing.leftOut.describe()) tell(`  left out: ${line}`);
  }
  const counts = countWarning(listing);
  for (const warning of [...listing.warnings, ...(counts ? [counts] : [])]) tell(`careful: ${warning}`);
}

function loadedLine({ records, splits }: Dataset, ms: number): string {
  const captions = records.reduce((sum, record) => sum + record.captions.length, 0);
  const counts = Object.entries(splits).map(([split, { length }]) => `${split} ${length}`);
  return `loaded:  ${records.length} pictures with ${captions} captions (${counts.join(", ")}) in ${formatDuration(ms / 1000)}`;
}

/** The cache of a folder: one for each size, way of cutting and version of the decoders. */
async function folderCache(folder: string, size: number, crop: boolean): Promise<PictureCache> {
  const modules = findModulesDirectory("sharp");
  const renderer = modules === null ? "png.ts" : await rendererVersion(platform, modules);
  const key = [absolutePath(folder), size, "contain", DECODING_VERSION, renderer, ...(crop ? ["crop"] : [])];
  const name = (await platform.hash("sha-256", JSON.stringify(key))).slice(0, 16);
  return pictureCache(`folder-${size}-${name}`);
}

function pictureCache(name: string): PictureCache {
  return { folder: `${cacheDirectory()}/pictures/${name}`, files: platform.files, disk: nodeDisk };
}
