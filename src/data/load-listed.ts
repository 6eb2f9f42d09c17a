/** A listing becomes a data set: files are looked for, splits completed, pictures decoded into the cache. */

import { UserError } from "../platform/errors.js";
import type { PictureBox } from "../platform/picture-box.js";
import type { FolderFiles, Platform } from "../platform/platform.js";
import { shown } from "../platform/shown.js";
import { type Attributes, attributesOf } from "../text/attributes.js";
import {
  type CaptionedImage,
  type Dataset,
  recordsInSplits,
  selectImages,
  splitsOf,
  withSubset,
} from "./dataset.js";
import { DecodedPictures, type PictureCache } from "./decoded-pictures.js";
import type { ListedPicture, ListingProblem } from "./listing.js";

/** Number of problems that an error lists; the rest is counted. */
const LISTED = 20;
/** Files looked for at the same time. */
const AT_ONCE = 64;

/** The parts of a platform that reading a folder uses. */
export interface FolderPlatform extends Pick<Platform, "images" | "hash"> {
  readonly files: FolderFiles;
}

/** Options of `loadFolder`. */
export interface FolderOptions {
  /** Side length to which pictures are scaled; 64 if absent. */
  readonly size?: number;
  /** Leave out bad rows and unreadable pictures instead of failing; `skipped` lists them. */
  readonly skipBad?: boolean;
  /** Share of pictures without a split that go to validation, by the hash of their id; 0.1 if absent. */
  readonly validationShare?: number;
  /** Maximum number of training pictures; 0 = all. */
  readonly subset?: number;
  /**
   * Selects the records whose pictures will be used, by their splits; default: all. These are decoded now, and an unreadable one
   * is reported now; any other picture is decoded when first requested.
   */
  readonly used?: (dataset: Dataset) => readonly number[];
  /** Where decoded pictures are kept; without it, in memory. */
  readonly cache?: PictureCache | undefined;
  /** Decodes a file, or the part of it in `box`, to pixels [size, size, 3]; default: the platform's decoder, which knows no boxes. */
  readonly decode?: (bytes: Uint8Array, size: number, box?: PictureBox) => Promise<Uint8Array>;
  /** Called with a sentence about a problem of the cache. */
  readonly onProblem?: (sentence: string) => void;
  /** Called only if pictures have to be decoded. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What was listed in a folder. */
export interface Listed {
  readonly folder: string;
  /** What listed it, for messages: "captions.csv", "the captions of CUB-200-2011". */
  readonly source: string;
  readonly pictures: readonly ListedPicture[];
  readonly problems: readonly ListingProblem[];
}

/**
 * Makes a data set of what was listed. A picture without a split is in validation if sha256(id) / 2²⁵⁶ < `validationShare`; if
 * that (or the given splits) would leave validation empty, the trained picture with the smallest hash moves there.
 *
 * Throws a `UserError` that lists every problem, missing file and unreadable picture, unless `skipBad`. `skipped` lists them then.
 */
export async function loadListed(
  platform: FolderPlatform,
  { folder, source, pictures: listed, problems: given }: Listed,
  options: FolderOptions = {},
): Promise<{ dataset: Dataset; skipped: readonly string[] }> {
  const { files } = platform;
  const { skipBad = false, subset = 0, used = recordsInSplits, size = 64 } = options;
  const problems = [...given];
  const problem = ({ order, place }: ListedPicture, text: string) =>
    problems.push({ order, text: `${place}${text}` });

  const present: boolean[] = [];
  for (let first = 0; first < listed.length; first += AT_ONCE) {
    const some = listed.slice(first, first + AT_ONCE);
    present.push(...(await Promise.all(some.map(({ file }) => files.exists(`${folder}/${file}`)))));
  }
  for (const [i, picture] of listed.entries())
    if (!present[i]) problem(picture, `there is no file ${shown(picture.file)}`);
  let kept = listed.filter((_, i) => present[i]);
  const pictures = picturesOf(platform, folder, kept, options);
  const numbers = new Map(kept.map((picture, number) => [picture, number]));
  const lines = () => problems.sort((a, b) => a.order - b.order).map(({ text }) => text);
  const attributes = new Map<ListedPicture, Attributes>();
  let dataset: Dataset;
  for (;;) {
    if (kept.length === 0 && (skipBad || problems.length === 0)) {
      throw new UserError(`${source} yields no usable picture (${problems.length} rows were skipped)`);
    }
    try {
      const splits = await chooseSplits(platform, kept, options.validationShare ?? 0.1);
      const records = kept.map((picture, image): CaptionedImage => {
        const { id, captions } = picture;
        const found = attributes.get(picture) ?? attributesOf(captions[0]!);
        attributes.set(picture, found);
        return { id, image, captions, keywordCaptions: [], split: splits[image]!, attributes: found };
      });
      const all = kept.map((picture) => numbers.get(picture)!);
      const of = { name: folder, size, images: selectImages(pictures, all), records };
      dataset = withSubset({ ...of, splits: splitsOf(records) }, subset);
    } catch (error) {
      if (problems.length === 0 || skipBad) throw error;
      throw new UserError(describeProblems(folder, lines()));
    }
    const wanted = used(dataset).map((record) => numbers.get(kept[record]!)!);
    const unreadable = await pictures.prepare(wanted, options.onProgress);
    for (const picture of kept) {
      const error = unreadable.get(numbers.get(picture)!);
      if (error) problem(picture, `${shown(picture.file)} cannot be read: ${shown(error.message, 600)}`);
    }
    if (problems.length > 0 && !skipBad) throw new UserError(describeProblems(folder, lines()));
    if (unreadable.size === 0) break;
    // Without these, the splits may change.
    kept = kept.filter((picture) => !unreadable.has(numbers.get(picture)!));
  }
  return { dataset, skipped: lines() };
}

function picturesOf(
  { files, images, hash }: FolderPlatform,
  folder: string,
  listed: readonly ListedPicture[],
  { size = 64, cache, decode, onProblem }: FolderOptions,
): DecodedPictures {
  const whole = async (bytes: Uint8Array) => (await images.decode(bytes, size, "contain")).data;
  return new DecodedPictures(
    listed.map(({ id, file, box }) => ({
      name: id,
      stamp: async () => (cache ? cache.disk.stamp(`${folder}/${file}`) : null),
      read: () => files.read(`${folder}/${file}`),
      ...(box ? { box } : {}),
    })),
    {
      size,
      decode: decode ? (bytes, box) => decode(bytes, size, box) : whole,
      hash,
      cache,
      ...(cache ? {} : { memory: Number.POSITIVE_INFINITY }),
      whole: true,
      ...(onProblem ? { onProblem } : {}),
    },
  );
}

function describeProblems(folder: string, lines: readonly string[]): string {
  const more = lines.length > LISTED ? `\n  … and ${lines.length - LISTED} more` : "";
  const list = lines
    .slice(0, LISTED)
    .map((line) => `\n  ${line}`)
    .join("");
  const rows = lines.length === 1 ? "1 bad row" : `${lines.length} bad rows`;
  return `${folder} has ${rows}; correct them or leave them out with --skip-bad:${list}${more}`;
}

async function chooseSplits(
  platform: FolderPlatform,
  listed: readonly ListedPicture[],
  validationShare: number,
): Promise<string[]> {
  const hashes: number[] = [];
  for (const { id } of listed) {
    hashes.push(Number.parseInt((await platform.hash("sha-256", id)).slice(0, 8), 16) / 2 ** 32);
  }
  const splits = listed.map(
    ({ split }, i) => split ?? (hashes[i]! < validationShare ? "validation" : "train"),
  );
  const free = listed.flatMap(({ split }, i) => (split === undefined ? [i] : []));
  free.sort((a, b) => hashes[a]! - hashes[b]!);
  // A split that chance left empty gets the nearest picture that nothing has placed, if the other split can spare one.
  const count = (name: string) => splits.filter((split) => split === name).length;
  if (count("train") === 0) {
    const last = free.at(-1);
    if (last === undefined) throw new UserError("the rows put no picture into the train split");
    splits[last] = "train";
  }
  const first = free.find((i) => splits[i] === "train");
  if (count("validation") === 0 && validationShare > 0 && count("train") > 1 && first !== undefined) {
    splits[first] = "validation";
  }
  return splits;
}
