import { UserError } from "../platform/errors.js";
import type { Platform } from "../platform/platform.js";
import { attributesOf } from "../text/attributes.js";
import { type CaptionedImage, type Dataset, splitsOf } from "./dataset.js";
import { captionsOf } from "./emoji-captions.js";
import { type Emoji, type EmojiSources, readEmojiSources, type Vendor } from "./emoji-sources.js";
import { assignSplits, EMOJI_SPLITS, type EmojiSplit, genderFamilies } from "./emoji-splits.js";

/** Raise this when captions, splits or the rendering change, so that caches of old versions are rebuilt. */
const CACHE_VERSION = 2;
/** Pictures rendered at the same time; the codec's own threads do the work. */
const IN_FLIGHT = 8;

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

/** What the data set holds, without any pixels. */
export interface EmojiIndex {
  readonly pictures: readonly EmojiPicture[];
  /** The drawing as an SVG file. */
  svg(picture: EmojiPicture): string;
  /** Everything that decides the pixels: packages and the rasterizer, each with its version. */
  readonly versions: readonly string[];
}

export interface EmojiSelection {
  /** Training pictures to keep, and as large a share of every other split; all if absent. */
  readonly trainingPictures?: number;
}

/** Reads the packages and decides every picture's split and captions; about a second, nothing is rendered. */
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

/** The captions of an emoji and what they say of tone and gender, written once. */
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
 * The part of an index that a selection keeps. Groups (a man and a woman of the same kind; else one base; with
 * all its tones and vendors) are dealt into strata by the splits that they touch; group r of n in its stratum,
 * in the order of its hash, has priority (r + ½) / n. So every prefix of that order has the strata in their
 * true proportions. Of the group in which the training pictures run out, only training pictures are kept, so that what
 * the other splits claim of training stays true. Throws a `UserError` for a number below 1.
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

/** One line a split: emoji, pictures, picture–caption pairs, captions a picture. */
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
  /** Where rendered pictures are kept. */
  readonly cacheDirectory: string;
  /** Side length in pixels; 64 if absent. */
  readonly size?: number;
  /** Called before the first picture, after each few, and at the end; not called if the cache is used. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface LoadEmojiOptions extends EmojiSelection, RenderOptions {
  /** The node_modules folder with the emoji packages. */
  readonly modulesDirectory: string;
}

/** The `emoji` data set with all pictures in memory: `buildEmojiIndex`, then `renderEmoji`. */
export async function loadEmoji(platform: Platform, options: LoadEmojiOptions): Promise<Dataset> {
  const index = await buildEmojiIndex(platform, options.modulesDirectory, options);
  return renderEmoji(platform, index, options);
}

/** What the cache's index file says. */
interface CacheIndex {
  key: string;
  count: number;
  size: number;
  /** SHA-256 of the pixels. */
  sha256: string;
}

/**
 * The pictures of an index as a data set. The first call renders them (about 2 ms a picture on two cores) into
 * two files of `cacheDirectory`: raw pixels and a JSON index with a key of everything that decides the pixels.
 * A cache with another key, another length or another hash is stale or torn, and is rendered anew.
 */
export async function renderEmoji(
  platform: Platform,
  index: EmojiIndex,
  options: RenderOptions,
): Promise<Dataset> {
  const size = options.size ?? 64;
  if (!Number.isInteger(size) || size < 1) {
    throw new UserError(`the picture size must be a positive integer, it is ${size}`);
  }
  const images = await cachedPixels(platform, index, size, options);
  const records = index.pictures.map(({ code, group, groupHash, ...record }, image) => ({
    ...record,
    image,
  }));
  return { name: "emoji", size, images, records, splits: splitsOf(records) };
}

async function cachedPixels(
  platform: Platform,
  index: EmojiIndex,
  size: number,
  { cacheDirectory, onProgress }: RenderOptions,
): Promise<Uint8Array> {
  const { files } = platform;
  const description = JSON.stringify({
    version: CACHE_VERSION,
    packages: index.versions,
    size,
    pictures: index.pictures.map(({ id }) => id),
  });
  const key = await platform.hash("sha-256", description);
  const name = `${cacheDirectory}/emoji-${size}-${index.pictures.length}`;
  const bytes = index.pictures.length * size * size * 3;

  if ((await files.exists(`${name}.json`)) && (await files.exists(`${name}.u8`))) {
    const stored = parseIndex(await files.readText(`${name}.json`));
    if (stored?.key === key) {
      const read = await files.read(`${name}.u8`);
      // Node reads into a Buffer, whose slice and toString are not those of a Uint8Array.
      const pixels = new Uint8Array(read.buffer, read.byteOffset, read.length);
      if (pixels.length === bytes && (await platform.hash("sha-256", pixels)) === stored.sha256)
        return pixels;
    }
  }
  const pixels = await render(platform, index, size, onProgress);
  await files.makeDirectory(cacheDirectory);
  await files.write(`${name}.u8`, pixels);
  const stored: CacheIndex = {
    key,
    count: index.pictures.length,
    size,
    sha256: await platform.hash("sha-256", pixels),
  };
  await files.write(`${name}.json`, `${JSON.stringify(stored)}\n`);
  return pixels;
}

function parseIndex(text: string): Partial<CacheIndex> | null {
  try {
    return JSON.parse(text) as Partial<CacheIndex> | null;
  } catch {
    return null;
  }
}

/** The rasterizer with its version on Node; in a browser, whose version nobody tells, only "browser". */
async function rendererVersion(platform: Platform, modulesDirectory: string): Promise<string> {
  const path = `${modulesDirectory}/sharp/package.json`;
  if (platform.name !== "node" || !(await platform.files.exists(path))) return platform.name;
  const { version } = JSON.parse(await platform.files.readText(path)) as { version: string };
  return `sharp@${version}`;
}

async function render(
  platform: Platform,
  index: EmojiIndex,
  size: number,
  onProgress: RenderOptions["onProgress"],
): Promise<Uint8Array> {
  const { pictures } = index;
  const imageBytes = size * size * 3;
  const pixels = new Uint8Array(pictures.length * imageBytes);
  const encoder = new TextEncoder();
  let next = 0;
  let done = 0;
  onProgress?.(0, pictures.length);
  const worker = async () => {
    while (next < pictures.length) {
      const i = next++;
      const image = await platform.images.decode(encoder.encode(index.svg(pictures[i]!)), size, "contain", {
        svg: "trusted",
      });
      pixels.set(image.data, i * imageBytes);
      done++;
      if (done % 50 === 0 || done === pictures.length) onProgress?.(done, pictures.length);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return pixels;
}
