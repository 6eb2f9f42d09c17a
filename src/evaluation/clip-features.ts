/** CLIP's features of the pictures and texts of an evaluation, taken from a store where it has them. */

import { type Dataset, readImages } from "../data/dataset.js";
import { CLIP_PROMPT } from "../metrics/clip-score.js";
import type { ClipPixels } from "../models/clip/preprocess.js";
import { UserError } from "../platform/errors.js";
import type { Platform } from "../platform/platform.js";
import { FeatureStore } from "./feature-store.js";

/** A model of pictures and texts in one space: a CLIP, or a judge. */
export interface FeatureModel {
  /** SHA-256 of its weights. */
  readonly sha256: string;
  readonly shape: { readonly features: number };
  /** Features of pictures, [n, features]. */
  encodeImages(pictures: readonly ClipPixels[]): Promise<Float32Array>;
  /** Features of texts, [n, features]. */
  encodeTexts(
    texts: readonly string[],
    options: { onProgress?: ((done: number, total: number) => void) | undefined },
  ): Promise<Float32Array>;
}

/** Options of `clipFeatures`. */
export interface ClipFeatureOptions {
  /** Names pictures and texts in the store. */
  readonly hash: Platform["hash"];
  /** Decodes a picture file at its full size. Without it, or for a file that it refuses (a drawing), the data set's pixels are used. */
  readonly decode?: ((bytes: Uint8Array) => Promise<ClipPixels>) | undefined;
  /** Keeps the features of pictures and texts; default: none are kept. */
  readonly store?: FeatureStore | undefined;
  /** Called with the pictures and texts done so far and their number. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Words before every text; default `CLIP_PROMPT`. A judge has none. */
  readonly prompt?: string | undefined;
}

/** Features of pictures and texts, not normalised. */
export interface ClipFeatureTable {
  /** The features of a picture, by its number in the data set. */
  ofPicture(image: number): Float32Array;
  /** The features of the prompt and a text. */
  ofText(text: string): Float32Array;
}

/** Pictures decoded and encoded at a time. */
const picturesAtOnce = 32;

/** The features of pictures of a data set and of texts. */
export async function clipFeatures(
  clip: FeatureModel,
  dataset: Dataset,
  wanted: { readonly images: Iterable<number>; readonly texts: Iterable<string> },
  options: ClipFeatureOptions,
): Promise<ClipFeatureTable> {
  const { hash, onProgress, prompt = CLIP_PROMPT } = options;
  const store = options.store ?? FeatureStore.inMemory(clip.shape.features);
  const numbers = [...new Set(wanted.images)];
  const texts = [...new Set(wanted.texts)];
  const total = numbers.length + texts.length;
  const pictures = await pictureFeatures(clip, dataset, numbers, { ...options, store }, (done) =>
    onProgress?.(done, total),
  );
  const names = await Promise.all(texts.map(async (text) => `text-${await hash("sha-256", text)}`));
  const missing = texts.filter((_, i) => !store.get(names[i]!));
  const width = clip.shape.features;
  const prompted = missing.map((text) => prompt + text);
  const encoded = await clip.encodeTexts(prompted, {
    onProgress: (done) => onProgress?.(total - missing.length + done, total),
  });
  const place = new Map(texts.map((text, i) => [text, names[i]!]));
  for (const [i, text] of missing.entries())
    store.set(place.get(text)!, encoded.slice(i * width, (i + 1) * width));
  await store.save();
  return {
    ofPicture: (image) => pictures.get(image)!,
    ofText: (text) => store.get(place.get(text)!)!,
  };
}

/** The features of pictures by number. */
async function pictureFeatures(
  clip: FeatureModel,
  dataset: Dataset,
  numbers: readonly number[],
  { store, hash, decode }: ClipFeatureOptions & { store: FeatureStore },
  onProgress: (done: number) => void,
): Promise<Map<number, Float32Array>> {
  const width = clip.shape.features;
  const features = new Map<number, Float32Array>();
  for (let first = 0; first < numbers.length; first += picturesAtOnce) {
    const batch: { number: number; name: string; pixels: ClipPixels }[] = [];
    for (const number of numbers.slice(first, first + picturesAtOnce)) {
      const content = dataset.images.content(number);
      const known = content === null ? undefined : store.get(`file-${content}`);
      if (known) {
        features.set(number, known);
        continue;
      }
      const pixels = await pixelsOf(dataset, number, decode);
      const name =
        content === null ? `pixels-${await hash("sha-256", pixels.data as Uint8Array)}` : `file-${content}`;
      const kept = store.get(name);
      if (kept) features.set(number, kept);
      else batch.push({ number, name, pixels });
    }
    const rows = await clip.encodeImages(batch.map(({ pixels }) => pixels));
    for (const [i, { number, name }] of batch.entries()) {
      const row = rows.slice(i * width, (i + 1) * width);
      store.set(name, row);
      features.set(number, row);
    }
    onProgress(Math.min(numbers.length, first + picturesAtOnce));
  }
  return features;
}

/** The picture's file at its full size if it can be decoded, else the data set's pixels. */
async function pixelsOf(
  dataset: Dataset,
  number: number,
  decode: ClipFeatureOptions["decode"],
): Promise<ClipPixels> {
  if (decode && dataset.images.file) {
    try {
      return await decode(await dataset.images.file(number));
    } catch (error) {
      // A drawing, which has no size in pixels.
      if (!(error instanceof UserError)) throw error;
    }
  }
  return { width: dataset.size, height: dataset.size, data: await readImages(dataset, [number]) };
}
