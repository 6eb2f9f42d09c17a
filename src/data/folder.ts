import { UserError } from "../platform/errors.js";
import { parseJson } from "../platform/json.js";
import type { FolderFiles, Platform } from "../platform/platform.js";
import { shown } from "../platform/shown.js";
import { type Attributes, attributesOf } from "../text/attributes.js";
import {
  type CaptionedImage,
  type Dataset,
  recordsInSplits,
  selectPictures,
  splitsOf,
  withSubset,
} from "./dataset.js";
import { DecodedPictures, type PictureCache } from "./decoded-pictures.js";

const CAPTION_FILES = ["captions.jsonl", "captions.csv", "captions.txt"] as const;
const IMAGE_NAME = /\.(png|jpe?g|webp)$/i;
const SPLIT_NAMES: ReadonlyMap<string, string> = new Map([
  ["train", "train"],
  ["validation", "validation"],
  ["val", "validation"],
  ["valid", "validation"],
  ["dev", "validation"],
  ["test", "test"],
]);
/** Number of problems that an error lists; the rest is counted. */
const LISTED = 20;

/** The parts of a platform that reading a folder uses. */
export interface FolderPlatform extends Pick<Platform, "images" | "hash"> {
  readonly files: FolderFiles;
}

export interface FolderOptions {
  /** Side length to which pictures are scaled; 64 if absent. */
  readonly size?: number;
  /** Leave out bad rows and unreadable pictures instead of failing; `skipped` lists them. */
  readonly skipBad?: boolean;
  /** Share of pictures without a split that go to validation, by the hash of their file name; 0.1 if absent. */
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
  /** Called with a sentence about a problem of the cache. */
  readonly onProblem?: (sentence: string) => void;
  /** Called only if pictures have to be decoded. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface FolderDataset {
  readonly dataset: Dataset;
  /** Rows and pictures left out by `skipBad`, one line each, in the order of the caption file. */
  readonly skipped: readonly string[];
  /** Number of picture files in the folder that no row names. */
  readonly uncaptioned: number;
}

/** One well-formed row of a caption file. */
export interface CaptionRow {
  readonly line: number;
  readonly file: string;
  readonly captions: readonly string[];
  readonly split?: string;
}

export interface Problem {
  readonly line: number;
  readonly text: string;
}

/**
 * A folder of PNG, JPEG or WebP pictures with one caption file beside them:
 *
 * - `captions.jsonl`: one object per line, `{"file": "a.png", "caption": "…"}` or `{"file": …, "captions": ["…", "…"]}`,
 *   optionally with `"split": "train" | "validation" | "test"`;
 * - `captions.csv`: comma-separated with RFC 4180 quoting; a header line names the columns file, caption and optionally split, in
 *   any order, other columns are ignored;
 * - `captions.txt`: file name, one tab, caption.
 *
 * Several rows may name one file: all of their captions are kept. File names are relative to the folder, with "/". Empty lines
 * are ignored. A picture without a split in its rows is in validation if sha256(file name) / 2²⁵⁶ < `validationShare`; if that
 * (or the rows) would leave validation empty, the trained picture with the smallest hash moves there.
 *
 * Throws a `UserError` that lists every bad row, missing file and unreadable picture by line, unless `skipBad`.
 */
export async function loadFolder(
  platform: FolderPlatform,
  folder: string,
  options: FolderOptions = {},
): Promise<FolderDataset> {
  const { files, images } = platform;
  const { size = 64, skipBad = false, subset = 0, used = recordsInSplits, cache } = options;
  const name = await findCaptionFile(platform, folder);
  const { rows, problems } = parseCaptions(name, await files.readText(`${folder}/${name}`));
  const entries = mergeRows(rows, problems);

  const present: boolean[] = [];
  for (let first = 0; first < entries.length; first += 64) {
    const some = entries.slice(first, first + 64);
    present.push(...(await Promise.all(some.map(({ file }) => files.exists(`${folder}/${file}`)))));
  }
  for (const [i, { line, file }] of entries.entries())
    if (!present[i]) problems.push({ line, text: `there is no file ${shown(file)}` });
  let kept = entries.filter((_, i) => present[i]);
  const pictures = new DecodedPictures(
    kept.map(({ file }) => ({
      name: file,
      stamp: async () => (cache ? cache.disk.stamp(`${folder}/${file}`) : null),
      read: () => files.read(`${folder}/${file}`),
    })),
    {
      size,
      decode: async (bytes) => (await images.decode(bytes, size, "contain")).data,
      hash: platform.hash,
      cache,
      ...(cache ? {} : { memory: Number.POSITIVE_INFINITY }),
      whole: true,
      ...(options.onProblem ? { onProblem: options.onProblem } : {}),
    },
  );
  const numbers = new Map(kept.map((entry, number) => [entry, number]));
  const lines = () =>
    [...problems].sort((a, b) => a.line - b.line).map(({ line, text }) => `${name}:${line}: ${text}`);
  let dataset: Dataset;
  for (;;) {
    if (kept.length === 0 && (skipBad || problems.length === 0)) {
      throw new UserError(
        `${folder}/${name} yields no usable picture (${problems.length} rows were skipped)`,
      );
    }
    try {
      const records = await describeEntries(platform, kept, options.validationShare ?? 0.1);
      const all = kept.map((entry) => numbers.get(entry)!);
      const of = { name: folder, size, images: selectPictures(pictures, all), records };
      dataset = withSubset({ ...of, splits: splitsOf(records) }, subset);
    } catch (error) {
      if (problems.length === 0 || skipBad) throw error;
      throw new UserError(describeProblems(folder, lines()));
    }
    const wanted = used(dataset).map((record) => numbers.get(kept[record]!)!);
    const unreadable = await pictures.prepare(wanted, options.onProgress);
    for (const entry of kept) {
      const error = unreadable.get(numbers.get(entry)!);
      if (error)
        problems.push({
          line: entry.line,
          text: `${shown(entry.file)} cannot be read: ${shown(error.message, 600)}`,
        });
    }
    if (problems.length > 0 && !skipBad) throw new UserError(describeProblems(folder, lines()));
    if (unreadable.size === 0) break;
    // Without these, the splits may change.
    kept = kept.filter((entry) => !unreadable.has(numbers.get(entry)!));
  }
  const named = new Set(rows.map(({ file }) => file));
  const uncaptioned = (await files.list(folder)).filter((file) => IMAGE_NAME.test(file) && !named.has(file));
  return { dataset, skipped: lines(), uncaptioned: uncaptioned.length };
}

async function describeEntries(
  platform: FolderPlatform,
  entries: readonly Entry[],
  validationShare: number,
): Promise<CaptionedImage[]> {
  const splits = await chooseSplits(platform, entries, validationShare);
  return entries.map((entry, image) => {
    const captions = [...entry.captions];
    entry.attributes ??= attributesOf(captions[0]!);
    const { attributes } = entry;
    return { id: entry.file, image, captions, keywordCaptions: [], split: splits[image]!, attributes };
  });
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

async function findCaptionFile({ files }: FolderPlatform, folder: string): Promise<string> {
  if (!(await files.isDirectory(folder))) {
    throw new UserError(`${folder} is not a folder; --data takes a folder with pictures and captions`);
  }
  const present: string[] = [];
  for (const name of CAPTION_FILES) if (await files.exists(`${folder}/${name}`)) present.push(name);
  if (present.length === 1) return present[0]!;
  const wanted = CAPTION_FILES.join(", ");
  throw new UserError(
    present.length === 0
      ? `${folder} has no captions; it needs one of ${wanted}`
      : `${folder} has several caption files (${present.join(", ")}); keep one of ${wanted}`,
  );
}

/** Parses a caption file by the format of its name. A byte order mark and any line ends are accepted. */
export function parseCaptions(name: string, text: string): { rows: CaptionRow[]; problems: Problem[] } {
  const plain = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const fields = name.endsWith(".jsonl")
    ? jsonRows(plain)
    : name.endsWith(".csv")
      ? csvRows(plain)
      : tabRows(plain);
  const rows: CaptionRow[] = [];
  const problems: Problem[] = [];
  for (const { line, problem, ...row } of fields) {
    const checked = problem ?? checkRow(row);
    if (typeof checked === "string") problems.push({ line, text: checked });
    else rows.push({ line, ...checked });
  }
  return { rows, problems };
}

/** Fields of a row before they are checked; `problem` if it could not be parsed. */
interface RawRow {
  readonly line: number;
  readonly problem?: string;
  readonly file?: unknown;
  readonly captions?: unknown;
  readonly split?: unknown;
}

function checkRow({
  file,
  captions,
  split,
}: Omit<RawRow, "line" | "problem">): Omit<CaptionRow, "line"> | string {
  if (typeof file !== "string" || file.trim() === "") return "the file name is missing";
  const given = file.trim();
  if (/^([/\\]|[A-Za-z]:)/.test(given) || given.split(/[/\\]/).includes("..")) {
    return `${shown(given)} lies outside the folder`;
  }
  // Normalises the spelling: "./a.png" and "b/.//a.png" name the same files as "a.png" and "b/a.png".
  const path = given.replace(/(^|\/)(\.?\/)+/g, "$1");
  const name = shown(path);
  if (!IMAGE_NAME.test(path)) return `${name} is not a .png, .jpg, .jpeg or .webp file`;
  const list = Array.isArray(captions) ? captions : [captions];
  if (list.length === 0) return `${name} has no caption`;
  const texts: string[] = [];
  for (const caption of list) {
    if (typeof caption !== "string") return `the caption of ${name} is not a text`;
    if (!/[\p{L}\p{N}]/u.test(caption)) return `the caption of ${name} is empty`;
    texts.push(caption.trim());
  }
  if (split === undefined || split === null || split === "") return { file: path, captions: texts };
  const known = typeof split === "string" ? SPLIT_NAMES.get(split.trim().toLowerCase()) : undefined;
  if (known === undefined) {
    return `the split of ${name} is ${shown(JSON.stringify(split))}; it can be train, validation or test`;
  }
  return { file: path, captions: texts, split: known };
}

function jsonRows(text: string): RawRow[] {
  const rows: RawRow[] = [];
  for (const [i, source] of text.split("\n").entries()) {
    if (source.trim() === "") continue;
    const line = i + 1;
    let value: unknown;
    try {
      value = parseJson(source);
    } catch (error) {
      rows.push({ line, problem: `this is not JSON (${shown((error as Error).message)})` });
      continue;
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      rows.push({ line, problem: `expected an object like {"file": "a.png", "caption": "…"}` });
      continue;
    }
    const { file, caption, captions, split } = value as Record<string, unknown>;
    if (caption !== undefined && captions !== undefined) {
      rows.push({ line, problem: `give either "caption" or "captions"` });
    } else {
      rows.push({ line, file, captions: captions ?? caption, split });
    }
  }
  return rows;
}

function tabRows(text: string): RawRow[] {
  const rows: RawRow[] = [];
  for (const [i, source] of text.split("\n").entries()) {
    if (source.trim() === "") continue;
    const tab = source.indexOf("\t");
    rows.push(
      tab < 0
        ? { line: i + 1, problem: "there is no tab between file name and caption" }
        : { line: i + 1, file: source.slice(0, tab), captions: source.slice(tab + 1) },
    );
  }
  return rows;
}

function csvRows(text: string): RawRow[] {
  const [header, ...body] = parseCsv(text);
  if (header === undefined) return [];
  const columns = header.fields.map((field) => field.trim().toLowerCase());
  const [file, caption, split] = ["file", "caption", "split"].map((column) => columns.indexOf(column)) as [
    number,
    number,
    number,
  ];
  if (file < 0 || caption < 0 || header.problem !== undefined) {
    return [
      {
        line: header.line,
        problem: `the header should name the columns file and caption, it is: ${shown(columns.join(", "))}`,
      },
    ];
  }
  return body.map(({ line, fields, problem }): RawRow => {
    if (problem !== undefined) return { line, problem };
    if (fields.length !== columns.length) {
      return { line, problem: `the row has ${fields.length} fields, the header has ${columns.length}` };
    }
    return {
      line,
      file: fields[file],
      captions: fields[caption],
      split: split < 0 ? undefined : fields[split],
    };
  });
}

/**
 * RFC 4180: fields separated by commas, records by line ends; a field in double quotes may contain both, and a double quote
 * written twice. Records that are empty lines are left out; `line` is where a record begins.
 */
export function parseCsv(text: string): { line: number; fields: string[]; problem?: string }[] {
  const records: { line: number; fields: string[]; problem?: string }[] = [];
  let line = 1;
  let i = 0;
  while (i < text.length) {
    const record: { line: number; fields: string[]; problem?: string } = { line, fields: [] };
    let ended = false;
    while (!ended) {
      let field = "";
      if (text[i] === '"') {
        i++;
        for (;;) {
          if (i >= text.length) {
            record.problem = "a double quote is never closed";
            break;
          }
          if (text[i] === '"' && text[i + 1] === '"') {
            field += '"';
            i += 2;
          } else if (text[i] === '"') {
            i++;
            break;
          } else {
            if (text[i] === "\n") line++;
            field += text[i++];
          }
        }
        if (i < text.length && !",\r\n".includes(text[i]!))
          record.problem = "text follows a closing double quote";
      }
      while (i < text.length && text[i] !== "," && text[i] !== "\n") field += text[i++];
      if (i >= text.length || text[i] === "\n") {
        ended = true;
        field = field.replace(/\r$/, "");
        line++;
      }
      i++;
      record.fields.push(field);
    }
    if (record.fields.length > 1 || record.fields[0]!.trim() !== "") records.push(record);
  }
  return records;
}

/** A picture file with all its rows combined. */
interface Entry {
  readonly file: string;
  /** The first row that names it. */
  readonly line: number;
  readonly captions: Set<string>;
  split: string | undefined;
  /** Attributes of the first caption, once computed. */
  attributes?: Attributes;
}

function mergeRows(rows: readonly CaptionRow[], problems: Problem[]): Entry[] {
  const entries = new Map<string, Entry>();
  for (const { line, file, captions, split } of rows) {
    const entry = entries.get(file);
    if (entry === undefined) {
      entries.set(file, { file, line, captions: new Set(captions), split });
      continue;
    }
    if (split !== undefined && entry.split !== undefined && split !== entry.split) {
      problems.push({ line, text: `${shown(file)} is in split ${split} here and in ${entry.split} before` });
      continue;
    }
    entry.split ??= split;
    for (const caption of captions) entry.captions.add(caption);
  }
  return [...entries.values()];
}

async function chooseSplits(
  platform: FolderPlatform,
  entries: readonly Entry[],
  validationShare: number,
): Promise<string[]> {
  const hashes: number[] = [];
  for (const { file } of entries) {
    hashes.push(Number.parseInt((await platform.hash("sha-256", file)).slice(0, 8), 16) / 2 ** 32);
  }
  const splits = entries.map(
    ({ split }, i) => split ?? (hashes[i]! < validationShare ? "validation" : "train"),
  );
  const free = entries.flatMap(({ split }, i) => (split === undefined ? [i] : []));
  free.sort((a, b) => hashes[a]! - hashes[b]!);
  // A split that chance left empty gets the nearest picture that no row has placed, if the other split can spare one.
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
