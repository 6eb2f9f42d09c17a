import { UserError } from "../platform/errors.js";
import type { Platform } from "../platform/platform.js";
import { attributesOf } from "../text/attributes.js";
import { type CaptionedImage, type Dataset, splitsOf } from "./dataset.js";
import { DecodedPictures, type PictureCache } from "./decoded-pictures.js";
import { captionsOf } from "./emoji-captions.js";
import { type Emoji, type EmojiSources, readEmojiSources, type Vendor } from "./emoji-sources.js";
import { assignSplits, EMOJI_SPLITS, type EmojiSplit, genderFamilies } from "./emoji-splits.js";

/** Raise this when the rendering changes, so that pictures of older versions are not taken from a cache. */
const CACHE_VERSION = 3;

/** One picture of the data set before it is rendered. */
export interface EmojiPicture extends Omit<CaptionedImage, "image"> {
  readonly vendor: Vendor;
  readonly split: EmojiSplit;
  readonly code: string;
  /** The emoji's family: pictures of one group are kept or left out together by `limit`. */
  readonly group: string;
  /** sha1(group), which orders the groups. */
  readonly groupHash: number;
}

/** Contents of the data set, without any pixels. */
export interface EmojiIndex {
  readonly pictures: readonly EmojiPicture[];
  /** The drawing as an SVG file. */
  svg(picture: EmojiPicture): string;
  /** Everything that determines the pixels: packages and the rasterizer, each with its version. */
  readonly versions: readonly string[];
}

/** The part of the emoji data set to take. */
export interface EmojiSelection {
  /** Number of training pictures to keep; every other split keeps the same share. All if absent. */
  readonly trainingPictures?: number;
}

/** Reads the packages and determines every picture's split and captions; takes about a second and renders nothing. */
export async function buildEmojiIndex(
  platform: Platform,
  modulesDirectory: string,
  selection: EmojiSelection = {},
): Promise<EmojiIndex> {
  const sources = await readEmojiSources(platform.files, modulesDirectory);
  const sha1 = new Map<string, number>();
  for (const { code } of sources.emoji) {
    sha1.set(code, Number.parseInt((await platform.hash("sha-1", code)).slice(0, 8), 16));
  }
  const written = emojiTexts(sources);
  const drawings = assignSplits({ ...sources, sha1, captions: (emoji) => written(emoji).captions });
  const groups = new Map(genderFamilies(sources.emoji).map(([man, woman]) => [woman, man]));
  const pictures = drawings.map(({ vendor, emoji, split, concept }) => {
    const group = groups.get(emoji.base) ?? emoji.base;
    return {
      id: `${vendor}/${emoji.code}`,
      ...written(emoji),
      split,
      vendor,
      concept,
      code: emoji.code,
      group,
      groupHash: sha1.get(group)!,
    };
  });
  const index: EmojiIndex = {
    pictures,
    svg: ({ vendor, code }) => sources.art[vendor].svg(code),
    versions: [...sources.versions, await rendererVersion(platform, modulesDirectory)],
  };
  return selectEmoji(index, selection);
}

type EmojiText = Pick<CaptionedImage, "captions" | "keywordCaptions" | "attributes">;

/** The captions of an emoji with its tone and gender attributes, computed once. */
function emojiTexts(sources: EmojiSources): (emoji: Emoji) => EmojiText {
  const baseLabels = new Map(
    sources.emoji.filter(({ tones }) => tones.length === 0).map(({ code, label }) => [code, label]),
  );
  const texts = new Map<string, EmojiText>();
  return (emoji) => {
    let text = texts.get(emoji.code);
    if (text === undefined) {
      const written = captionsOf(emoji, baseLabels.get(emoji.base)!, sources.names);
      text = { ...written, attributes: attributesOf(written.captions[0]!) };
      texts.set(emoji.code, text);
    }
    return text;
  };
}

/**
 * The part of an index that a selection keeps. Groups (a man and a woman of the same kind; else one base; with all its tones and
 * vendors) are dealt into strata by the splits that they touch; group r of n in its stratum, in the order of its hash, has
 * priority (r + ½) / n. Every prefix of that order thus has the strata in their true proportions. Of the group in which the
 * training pictures run out, only training pictures are kept, so that the other splits' claims about training stay true. Throws a
 * `UserError` for a number below 1.
 */
export function selectEmoji(index: EmojiIndex, { trainingPictures }: EmojiSelection): EmojiIndex {
  if (trainingPictures === undefined) return index;
  if (!(trainingPictures >= 1)) {
    throw new UserError(`at least 1 training picture of emoji must be kept, not ${trainingPictures}`);
  }
  const groups = new Map<string, EmojiPicture[]>();
  for (const picture of index.pictures) {
    const members = groups.get(picture.group);
    if (members) members.push(picture);
    else groups.set(picture.group, [picture]);
  }
  const strata = new Map<string, string[]>();
  for (const [group, members] of groups) {
    const touched = new Set<string>(members.map(({ split }) => split));
    const stratum = EMOJI_SPLITS.filter((split) => split !== "render" && touched.has(split)).join("+");
    strata.set(stratum, [...(strata.get(stratum) ?? []), group]);
  }
  const priority = new Map<string, number>();
  for (const names of strata.values()) {
    const hash = (group: string) => groups.get(group)![0]!.groupHash;
    names.sort((a, b) => hash(a) - hash(b) || (a < b ? -1 : 1));
    for (const [r, group] of names.entries()) priority.set(group, (r + 0.5) / names.length);
  }
  const order = [...priority.keys()].sort((a, b) => priority.get(a)! - priority.get(b)! || (a < b ? -1 : 1));
  const kept = new Set<EmojiPicture>();
  let wanted = trainingPictures;
  for (const group of order) {
    if (wanted === 0) break;
    const members = groups.get(group)!;
    const trained = members.filter(({ split }) => split === "train").slice(0, wanted);
    const whole = trained.length === members.filter(({ split }) => split === "train").length;
    for (const picture of whole ? members : trained) kept.add(picture);
    wanted -= trained.length;
  }
  return { ...index, pictures: index.pictures.filter((picture) => kept.has(picture)) };
}

/** One line per split: emoji, pictures, picture–caption pairs, captions per picture. */
export function emojiCounts(pictures: readonly EmojiPicture[]): {
  split: EmojiSplit;
  emoji: number;
  images: number;
  pairs: number;
}[] {
  return EMOJI_SPLITS.map((split) => {
    const members = pictures.filter((picture) => picture.split === split);
    return {
      split,
      emoji: new Set(members.map(({ code }) => code)).size,
      images: members.length,
      pairs: members.reduce((sum, { captions }) => sum + captions.length, 0),
    };
  });
}

/** `emojiCounts` as a table to print. */
export function formatEmojiCounts(pictures: readonly EmojiPicture[]): string {
  const rows = emojiCounts(pictures).map(({ split, emoji, images, pairs }) => [split, emoji, images, pairs]);
  return [["split", "emoji", "images", "captions"], ...rows]
    .map(
      ([split, ...numbers]) => String(split).padEnd(8) + numbers.map((n) => String(n).padStart(9)).join(""),
    )
    .join("\n");
}

export interface RenderOptions {
  /** Where rendered pictures are kept; without it, in memory. */
  readonly cache?: PictureCache | undefined;
  /** Side length in pixels; 64 if absent. */
  readonly size?: number;
  /** Called with a sentence about a problem of the cache. */
  readonly onProblem?: (sentence: string) => void;
  /** Called before the first picture, after each, and at the end; not called if all are in the cache. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface LoadEmojiOptions extends EmojiSelection, RenderOptions {
  /** The node_modules folder with the emoji packages. */
  readonly modulesDirectory: string;
}

/** The `emoji` data set: `buildEmojiIndex`, then `renderEmoji`. */
export async function loadEmoji(platform: Platform, options: LoadEmojiOptions): Promise<Dataset> {
  const index = await buildEmojiIndex(platform, options.modulesDirectory, options);
  return renderEmoji(platform, index, options);
}

/**
 * The pictures of an index as a data set. Those that the cache lacks are rendered (about 2 ms per picture on two cores).
 * Selections share a cache; packages or a rasterizer of other versions give other pictures.
 */
export async function renderEmoji(
  platform: Platform,
  index: EmojiIndex,
  { size = 64, cache, onProgress, onProblem }: RenderOptions,
): Promise<Dataset> {
  if (!Number.isInteger(size) || size < 1) {
    throw new UserError(`the picture size must be a positive integer, it is ${size}`);
  }
  const description = JSON.stringify({ version: CACHE_VERSION, packages: index.versions });
  const stamp = await platform.hash("sha-256", description);
  const encoder = new TextEncoder();
  // The hash covers the versions too: a new rasterizer draws the same file differently.
  const head = encoder.encode(`<!-- ${stamp} -->`);
  const images = new DecodedPictures(
    index.pictures.map((picture) => ({
      name: picture.id,
      stamp: async () => stamp,
      async read() {
        const drawing = encoder.encode(index.svg(picture));
        const bytes = new Uint8Array(head.length + drawing.length);
        bytes.set(head);
        bytes.set(drawing, head.length);
        return bytes;
      },
    })),
    {
      size,
      decode: async (bytes) =>
        (await platform.images.decode(bytes.subarray(head.length), size, "contain", { svg: "trusted" })).data,
      hash: platform.hash,
      cache,
      ...(onProblem ? { onProblem } : {}),
    },
  );
  const unreadable = await images.prepare([...index.pictures.keys()], onProgress);
  for (const error of unreadable.values()) throw error;
  const records = index.pictures.map(({ code, group, groupHash, ...record }, image) => ({
    ...record,
    image,
  }));
  return { name: "emoji", size, images, records, splits: splitsOf(records) };
}

/** The rasterizer with its version in Node; in a browser, whose version is not available, only "browser". */
export async function rendererVersion(platform: Platform, modulesDirectory: string): Promise<string> {
  const path = `${modulesDirectory}/sharp/package.json`;
  if (platform.name !== "node" || !(await platform.files.exists(path))) return platform.name;
  const { version } = JSON.parse(await platform.files.readText(path)) as { version: string };
  return `sharp@${version}`;
}
