import { UserError } from "../platform/errors.js";
import type { Files } from "../platform/platform.js";

/** Drawing styles for training, all under licences without a share-alike clause, in the order of platform tables. */
export const TRAINED_VENDORS = ["noto", "twemoji", "fluent-emoji-flat"] as const;
/** The style excluded from training. */
export const UNSEEN_VENDOR = "openmoji";
export type Vendor = (typeof TRAINED_VENDORS)[number] | typeof UNSEEN_VENDOR;
export const VENDORS: readonly Vendor[] = [...TRAINED_VENDORS, UNSEEN_VENDOR];

/** Packages that determine the data set's contents; their versions are part of the cache's key. */
const PACKAGES = [
  "emojibase-data",
  "emojilib",
  "cldr-annotations-full",
  "emoji-datasource",
  "openmoji",
  ...VENDORS.map((vendor) => `@iconify-json/${vendor}`),
];

/** Groups of emojibase that the data set leaves out: 9 is flags. */
const FLAGS = 9;
export const PEOPLE = 1;

/** One emoji: a base, or a base in one or two skin tones. */
export interface Emoji {
  /** Code points in upper-case hexadecimal joined by "-", without FE0F: "1F468-1F3FB-200D-1F33E". */
  readonly code: string;
  /** The code of the same emoji without skin tones. */
  readonly base: string;
  /** The CLDR name, tones included: "man farmer: light skin tone". */
  readonly label: string;
  readonly group: number;
  /** Tone numbers 1 (light) … 5 (dark): none, one, or one for each of two people. */
  readonly tones: readonly number[];
}

/** The drawings of one vendor. */
export interface Art {
  /** Codes that the vendor drew. */
  has(code: string): boolean;
  /** Equal for two codes if and only if they share one drawing. */
  drawing(code: string): string;
  /** The drawing as a stand-alone SVG file. */
  svg(code: string): string;
}

/** Names of the emoji without skin tone, by code. */
export interface Names {
  /** CLDR short name, Unicode name, OpenMoji annotation: written for people. */
  readonly titles: ReadonlyMap<string, readonly string[]>;
  /** emojilib slug, JoyPixels, GitHub and iamcal shortcodes: written to be typed. */
  readonly shortcodes: ReadonlyMap<string, readonly string[]>;
  /** CLDR and emojilib keywords. */
  readonly keywords: ReadonlyMap<string, readonly string[]>;
}

export interface EmojiSources {
  readonly emoji: readonly Emoji[];
  readonly art: Readonly<Record<Vendor, Art>>;
  readonly names: Names;
  /** "package@version" of everything read. */
  readonly versions: readonly string[];
}

async function readPackageJson<T>(files: Files, modulesDirectory: string, path: string): Promise<T> {
  const full = `${modulesDirectory}/${path}`;
  if (!(await files.exists(full))) {
    throw new UserError(
      `the emoji data needs the npm packages of this project's devDependencies, and ${full} is missing: run "npm ci"`,
    );
  }
  return JSON.parse(await files.readText(full)) as T;
}

/** "package@version" of each emoji package under `modulesDirectory`. */
export async function readEmojiVersions(files: Files, modulesDirectory: string): Promise<string[]> {
  const versions: string[] = [];
  for (const name of PACKAGES) {
    const path = `${name}/package.json`;
    const { version } = await readPackageJson<{ version: string }>(files, modulesDirectory, path);
    versions.push(`${name}@${version}`);
  }
  return versions;
}

/**
 * Reads the emoji packages under `modulesDirectory` (a node_modules folder). About one second, no rendering.
 */
export async function readEmojiSources(files: Files, modulesDirectory: string): Promise<EmojiSources> {
  const readJson = <T>(path: string) => readPackageJson<T>(files, modulesDirectory, path);
  const versions = await readEmojiVersions(files, modulesDirectory);
  const emoji = listEmoji(await readJson<EmojibaseEntry[]>("emojibase-data/en/data.json"));
  const art: Partial<Record<Vendor, Art>> = {};
  for (const vendor of VENDORS) {
    art[vendor] = vendorArt(
      vendor,
      await readJson<IconSet>(`@iconify-json/${vendor}/icons.json`),
      await readJson<Record<string, string>>(`@iconify-json/${vendor}/chars.json`),
    );
  }
  return { emoji, art: art as Record<Vendor, Art>, names: await readNames(readJson), versions };
}

/** "1f3f4-FE0F" → "1F3F4". */
function plainCode(hexcode: string): string {
  return hexcode
    .toUpperCase()
    .split("-")
    .filter((part) => part !== "FE0F")
    .join("-");
}

function codeOfText(text: string): string {
  return plainCode([...text].map((sign) => sign.codePointAt(0)!.toString(16)).join("-"));
}

interface EmojibaseEntry {
  hexcode: string;
  label: string;
  /** Absent for regional indicators, which are not emoji by themselves. */
  group?: number;
  skins?: { hexcode: string; label: string; tone: number | number[] }[];
}

function listEmoji(entries: readonly EmojibaseEntry[]): Emoji[] {
  const list: Emoji[] = [];
  for (const { hexcode, label, group, skins } of entries) {
    if (group === undefined || group === FLAGS) continue;
    const base = plainCode(hexcode);
    list.push({ code: base, base, label, group, tones: [] });
    for (const skin of skins ?? []) {
      list.push({
        code: plainCode(skin.hexcode),
        base,
        label: skin.label,
        group,
        tones: typeof skin.tone === "number" ? [skin.tone] : skin.tone,
      });
    }
  }
  return list;
}

/** The parts of the Iconify JSON format that the emoji sets use. */
interface IconSet {
  icons: Record<string, { body: string; left?: number; top?: number; width?: number; height?: number }>;
  aliases?: Record<string, { parent: string; hFlip?: boolean; vFlip?: boolean; rotate?: number }>;
  width?: number;
  height?: number;
}

function vendorArt(vendor: Vendor, set: IconSet, chars: Readonly<Record<string, string>>): Art {
  const names = new Map(Object.entries(chars).map(([code, name]) => [plainCode(code), name]));
  const resolve = (code: string): { name: string; mirrored: boolean } | undefined => {
    let name = names.get(code);
    let mirrored = false;
    while (name !== undefined && set.icons[name] === undefined) {
      const alias: { parent: string; hFlip?: boolean; vFlip?: boolean; rotate?: number } | undefined =
        set.aliases?.[name];
      if (alias?.vFlip || alias?.rotate) throw new Error(`${vendor} icon ${name}: transform not supported`);
      if (alias?.hFlip) mirrored = !mirrored;
      name = alias?.parent;
    }
    return name === undefined ? undefined : { name, mirrored };
  };
  const found = (code: string) => {
    const icon = resolve(code);
    if (icon === undefined) throw new Error(`${vendor} has no drawing of ${code}`);
    return icon;
  };
  return {
    has: (code) => resolve(code) !== undefined,
    drawing: (code) => {
      const { name, mirrored } = found(code);
      return `${mirrored ? "mirrored" : "plain"} ${set.icons[name]!.body}`;
    },
    svg: (code) => {
      const { name, mirrored } = found(code);
      const icon = set.icons[name]!;
      const left = icon.left ?? 0;
      const top = icon.top ?? 0;
      const width = icon.width ?? set.width ?? 16;
      const height = icon.height ?? set.height ?? 16;
      const body = mirrored
        ? `<g transform="translate(${2 * left + width} 0) scale(-1 1)">${icon.body}</g>`
        : icon.body;
      return (
        `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ` +
        `width="${width}" height="${height}" viewBox="${left} ${top} ${width} ${height}">${body}</svg>`
      );
    },
  };
}

async function readNames(readJson: <T>(path: string) => Promise<T>): Promise<Names> {
  const titles = new Map<string, string[]>();
  const shortcodes = new Map<string, string[]>();
  const keywords = new Map<string, string[]>();
  const add = (to: Map<string, string[]>, code: string, texts: readonly string[]) => {
    to.set(code, [...(to.get(code) ?? []), ...texts]);
  };

  const cldr = await readJson<{
    annotations: { annotations: Record<string, { default?: string[]; tts?: string[] }> };
  }>("cldr-annotations-full/annotations/en/annotations.json");
  for (const [text, entry] of Object.entries(cldr.annotations.annotations)) {
    add(titles, codeOfText(text), entry.tts ?? []);
    add(keywords, codeOfText(text), entry.default ?? []);
  }
  const unicode = await readJson<{ unified: string; name: string | null; short_names: string[] }[]>(
    "emoji-datasource/emoji.json",
  );
  for (const { unified, name } of unicode) if (name !== null) add(titles, plainCode(unified), [name]);
  const openmoji = await readJson<{ hexcode: string; annotation: string }[]>("openmoji/data/openmoji.json");
  for (const { hexcode, annotation } of openmoji) add(titles, plainCode(hexcode), [annotation]);

  const emojilib = await readJson<Record<string, string[]>>("emojilib/dist/emoji-en-US.json");
  for (const [text, [slug, ...rest]] of Object.entries(emojilib)) {
    if (slug !== undefined) add(shortcodes, codeOfText(text), [slug]);
    add(keywords, codeOfText(text), rest);
  }
  for (const set of ["joypixels", "github", "iamcal"]) {
    const codes = await readJson<Record<string, string | string[]>>(
      `emojibase-data/en/shortcodes/${set}.json`,
    );
    for (const [hexcode, names] of Object.entries(codes)) {
      add(shortcodes, plainCode(hexcode), typeof names === "string" ? [names] : names);
    }
  }
  return { titles, shortcodes, keywords };
}
