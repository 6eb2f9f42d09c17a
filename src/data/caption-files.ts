import { UserError } from "../platform/errors.js";
import { isRecord, parseJson } from "../platform/json.js";
import { shown } from "../platform/shown.js";
import { parseCsv } from "./csv.js";

/** Captions by the id of their picture, in the order of the file. Ids are text: 42 and "42" are one. */
export type CaptionsById = Map<string, string[]>;

/** Names of the field or column with the picture's id, the first that is there. */
const ID_NAMES = ["image_id", "id", "file", "image", "file_name"];
const FORMATS =
  'a list of {"image_id", "caption"}, an object with such a list as "annotations", an object of captions by id, JSON Lines, or CSV with the columns image_id and caption';

/** Captions of one picture, with the place in the file for errors. */
interface Entry {
  readonly place: string;
  readonly id: string;
  readonly captions: readonly string[];
}

/**
 * Reads captions from the text of a file: COCO's results (a list of objects with `image_id` and `caption`) and annotations (an
 * object with such a list), an object of a caption or a list of captions by id, JSON Lines of such objects (`caption` or
 * `captions`; the id may also be called `id`, `file`, `image` or `file_name`), or CSV with a header. Several entries of one id
 * add up. Throws a `UserError` that names the file and the line or the entry.
 */
export function parseCaptionFile(name: string, text: string): CaptionsById {
  const plain = text.replace(/^\uFEFF/, "");
  if (plain.trim() === "") throw new UserError(`${name} is empty; it should hold captions: ${FORMATS}`);
  const entries = /\.csv$/i.test(name)
    ? csvEntries(name, plain)
    : /\.(jsonl|ndjson)$/i.test(name)
      ? lineEntries(name, plain)
      : jsonEntries(name, plain);
  const captions: CaptionsById = new Map();
  for (const { id, captions: own } of entries) {
    const all = captions.get(id);
    if (all === undefined) captions.set(id, [...own]);
    else all.push(...own);
  }
  if (captions.size === 0) throw new UserError(`${name} has no captions; it should hold ${FORMATS}`);
  return captions;
}

/**
 * The captions to score and the references of the same pictures, in the order of the results. Throws a `UserError` if a picture
 * has several captions in the results, or no reference. `missing`: how many pictures of the references have no caption.
 */
export function pairCaptions(
  results: CaptionsById,
  references: CaptionsById,
  names: { readonly results: string; readonly references: string },
): { ids: string[]; candidates: string[]; references: string[][]; missing: number } {
  const several = [...results].filter(([, captions]) => captions.length !== 1).map(([id]) => id);
  if (several.length > 0)
    throw new UserError(
      `${names.results} has more than one caption for ${listed(several)}; each picture should have one`,
    );
  const alone = [...results.keys()].filter((id) => (references.get(id) ?? []).length === 0);
  if (alone.length > 0)
    throw new UserError(
      `${names.references} has no references for ${listed(alone)} of ${names.results}; both files should use the same ids`,
    );
  const ids = [...results.keys()];
  return {
    ids,
    candidates: ids.map((id) => results.get(id)![0]!),
    references: ids.map((id) => references.get(id)!),
    missing: [...references.keys()].filter((id) => !results.has(id)).length,
  };
}

/** "picture 7" or "3 pictures (7, 8, 9)", at most five by name. */
function listed(ids: readonly string[]): string {
  const some = ids.slice(0, 5).map((id) => shown(id, 80));
  if (ids.length === 1) return `picture ${some[0]}`;
  return `${ids.length} pictures (${some.join(", ")}${ids.length > 5 ? ", …" : ""})`;
}

function jsonEntries(name: string, text: string): Entry[] {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    const { message } = error as Error;
    // JSON Lines under another name.
    if (/^\s*\{[^\n]*\}\s*\n\s*\{/.test(text)) return lineEntries(name, text);
    throw new UserError(`${name}${lineOf(message, text)} is not valid JSON: ${shown(message)}`);
  }
  if (isRecord(value) && Array.isArray(value.annotations))
    return listEntries(name, value.annotations, "annotations");
  if (Array.isArray(value)) return listEntries(name, value, "entry");
  if (!isRecord(value)) throw new UserError(`${name} should hold ${FORMATS}`);
  // One line of JSON Lines is an object, too.
  if (typeof value.caption === "string" || Array.isArray(value.captions)) return lineEntries(name, text);
  return Object.entries(value).map(([id, captions]) => {
    const place = `${name}: "${shown(id, 80)}"`;
    return { place, id, captions: captionsOf(place, captions) };
  });
}

/** ", line 3", from the position that the parser's message names. */
function lineOf(message: string, text: string): string {
  const position = /at position (\d+)/.exec(message)?.[1];
  const end = position === undefined ? text.length : Number(position);
  return `, line ${text.slice(0, end).split("\n").length},`;
}

function listEntries(name: string, list: readonly unknown[], what: string): Entry[] {
  return list.map((value, i) => entryOf(`${name}: ${what} ${i}`, value));
}

function lineEntries(name: string, text: string): Entry[] {
  return text.split(/\r\n|\n|\r/).flatMap((line, i) => {
    if (line.trim() === "") return [];
    const place = `${name}, line ${i + 1}`;
    let value: unknown;
    try {
      value = parseJson(line);
    } catch (error) {
      throw new UserError(`${place}, is not valid JSON: ${shown((error as Error).message)}`);
    }
    return [entryOf(place, value)];
  });
}

function entryOf(place: string, value: unknown): Entry {
  if (!isRecord(value)) throw new UserError(`${place} should be an object with an id and a caption`);
  const key = ID_NAMES.find((name) => value[name] !== undefined);
  const id = key === undefined ? undefined : value[key];
  if (typeof id !== "string" && typeof id !== "number")
    throw new UserError(`${place} has no id; it should have "image_id", a number or text`);
  return { place, id: String(id), captions: captionsOf(place, value.caption ?? value.captions) };
}

function captionsOf(place: string, value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string"))
    return value as string[];
  throw new UserError(
    `${place} has no caption; it should have "caption", a text, or "captions", a list of texts`,
  );
}

function csvEntries(name: string, text: string): Entry[] {
  const [header, ...rows] = parseCsv(text);
  const columns = header?.fields.map((field) => field.trim().toLowerCase()) ?? [];
  const caption = columns.indexOf("caption");
  const id = columns.findIndex((column) => ID_NAMES.includes(column));
  if (caption < 0 || id < 0)
    throw new UserError(
      `${name}, line 1, should name the columns image_id and caption; it is: ${shown(columns.join(", "))}`,
    );
  return rows.map(({ line, fields, problem }) => {
    const place = `${name}, line ${line}`;
    if (problem !== undefined) throw new UserError(`${place}, cannot be read: ${problem}`);
    if (fields.length !== columns.length)
      throw new UserError(`${place}, has ${fields.length} fields; the header has ${columns.length}`);
    return { place, id: fields[id]!.trim(), captions: [fields[caption]!] };
  });
}
