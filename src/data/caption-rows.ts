/** The rows of a caption file: JSON lines, CSV, or file name, tab, caption. */

import { parseJson } from "../platform/json.js";
import { shown } from "../platform/shown.js";
import { parseCsv } from "./csv.js";

/** Extensions of picture files. */
export const IMAGE_NAME = /\.(png|jpe?g|webp)$/i;

const SPLIT_NAMES: ReadonlyMap<string, string> = new Map([
  ["train", "train"],
  ["training", "train"],
  ["validation", "validation"],
  ["val", "validation"],
  ["valid", "validation"],
  ["dev", "validation"],
  ["test", "test"],
  ["testing", "test"],
]);

/** The split that a word names, in any spelling: "val", "dev" and "valid" are validation. */
export function splitNamed(word: string): string | undefined {
  return SPLIT_NAMES.get(word.trim().toLowerCase());
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

/** Names of the columns, or of the keys of JSON lines, that are read. The first that occurs counts. */
export interface CaptionColumns {
  readonly file: readonly string[];
  /** Columns of one caption, or of a list. */
  readonly caption: readonly string[];
}

/** Those of our own caption files. */
const OWN: CaptionColumns = { file: ["file"], caption: ["caption", "captions"] };

/** Parses a caption file by the format of its name. A byte order mark and any line ends are accepted. */
export function parseCaptions(
  name: string,
  text: string,
  columns: CaptionColumns = OWN,
): { rows: CaptionRow[]; problems: Problem[] } {
  const plain = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const fields = name.endsWith(".jsonl")
    ? jsonRows(plain, columns)
    : name.endsWith(".csv")
      ? csvRows(plain, columns)
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
  const known = typeof split === "string" ? splitNamed(split) : undefined;
  if (known === undefined) {
    return `the split of ${name} is ${shown(JSON.stringify(split))}; it can be train, validation or test`;
  }
  return { file: path, captions: texts, split: known };
}

function jsonRows(text: string, columns: CaptionColumns): RawRow[] {
  const [fileKey, captionKey] = [columns.file[0]!, columns.caption[0]!];
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
      rows.push({ line, problem: `expected an object like {"${fileKey}": "a.png", "${captionKey}": "…"}` });
      continue;
    }
    const record = value as Record<string, unknown>;
    const given = columns.caption.filter((key) => record[key] !== undefined);
    if (columns === OWN && given.length > 1) {
      rows.push({ line, problem: `give either "caption" or "captions"` });
      continue;
    }
    const key = columns.file.find((name) => record[name] !== undefined) ?? fileKey;
    rows.push({ line, file: record[key], captions: record[given[0] ?? captionKey], split: record.split });
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

function csvRows(text: string, { file: fileNames, caption: captionNames }: CaptionColumns): RawRow[] {
  const [header, ...body] = parseCsv(text);
  if (header === undefined) return [];
  const columns = header.fields.map((field) => field.trim().toLowerCase());
  const column = (names: readonly string[]) =>
    columns.indexOf(names.find((name) => columns.includes(name)) ?? names[0]!);
  const [file, caption, split] = [column(fileNames), column(captionNames), column(["split"])];
  if (file < 0 || caption < 0 || header.problem !== undefined) {
    return [
      {
        line: header.line,
        problem: `the header should name the columns ${fileNames[0]} and ${captionNames[0]}, it is: ${shown(columns.join(", "))}`,
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
