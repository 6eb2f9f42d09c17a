/** CLIPScore in commands: opens a CLIP and its kept features. */

import type { Dataset } from "../data/dataset.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { type ClipSplitScores, clipEvaluation } from "../evaluation/clip-evaluation.js";
import {
  type ClipFeatureOptions,
  type ClipFeatureTable,
  clipFeatures,
  type FeatureModel,
} from "../evaluation/clip-features.js";
import { FeatureStore } from "../evaluation/feature-store.js";
import type { Evaluation } from "../evaluation/scoring.js";
import { Clip } from "../models/clip/clip.js";
import { holdsClip, howToGetClip } from "../models/clip/files.js";
import { cacheDirectory, decodePixels, nodePlatform as platform } from "../platform/node.js";
import { tell } from "./terminal.js";

/** The CLIP in a folder; null, with a sentence of what to download, if there is none. Throws if it is damaged. */
export async function openClip(gpu: Gpu, folder: string): Promise<Clip | null> {
  if (!(await holdsClip(platform.files, folder))) {
    tell(`careful: ${folder} holds no CLIP, so CLIPScore is left out: ${howToGetClip}`);
    return null;
  }
  const clip = await Clip.fromFolder(gpu, platform.files, folder);
  // Throws where there is no vocabulary, before hours of captions.
  clip.idsOf("");
  return clip;
}

/** Scores an evaluation. Features are kept in the user's cache, a file for each CLIP and data set. */
export async function scoreByClip(
  clip: Clip,
  dataset: Dataset,
  evaluation: Evaluation,
  onProgress: (done: number, total: number) => void,
): Promise<ClipSplitScores[]> {
  return clipEvaluation(clip, dataset, evaluation, await featureOptions(clip, dataset, { onProgress }));
}

/** The features of pictures by number and of texts, kept in the same files. */
export async function clipFeaturesOf(
  clip: FeatureModel,
  dataset: Dataset,
  wanted: { readonly images: Iterable<number>; readonly texts: Iterable<string> },
  onProgress: (done: number, total: number) => void,
  prompt?: string,
): Promise<ClipFeatureTable> {
  return clipFeatures(clip, dataset, wanted, {
    ...(await featureOptions(clip, dataset, { onProgress })),
    prompt,
  });
}

/** How features are computed and where they are kept; without `keeps` new ones are not. */
export async function featureOptions(
  clip: FeatureModel,
  dataset: Dataset,
  { onProgress, keeps = true }: { onProgress?: (done: number, total: number) => void; keeps?: boolean } = {},
): Promise<ClipFeatureOptions> {
  const { files, hash } = platform;
  const key = await hash("sha-256", JSON.stringify([clip.sha256, dataset.name, dataset.size]));
  const path = `${cacheDirectory()}/clip/${key.slice(0, 32)}.safetensors`;
  const store = await FeatureStore.open(files, path, clip.shape.features, { keeps });
  return { hash, decode: decodePixels, onProgress, store };
}
