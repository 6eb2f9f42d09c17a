/**
 * The data of a run, kept in its folder as data.json: name, content, split and captions of each picture, and the vocabulary. A
 * resumed run compares it with the data it finds.
 */

import type { Dataset } from "../data/dataset.js";
import { UserError } from "../platform/errors.js";
import { parseJson } from "../platform/json.js";
import type { Files, Platform } from "../platform/platform.js";
import type { Tokenizer } from "../text/tokenizer.js";

const FORMAT = "mc-diffusion-run-data-1";
const FILE = "data.json";
/** Number of names listed per line of differences; the rest is counted. */
const LISTED = 5;

export interface KeptPicture {
  readonly name: string;
  /** A hash of its file; null if the run never read it. */
  readonly content: string | null;
  readonly split: string;
  /** A hash of its captions. */
  readonly captions: string;
}

/** The fingerprint of a run's data. */
export interface RunData {
  readonly pictures: readonly KeptPicture[];
  /** A hash of the words in their order. */
  readonly vocabulary: string;
}

export async function describeData(
  dataset: Dataset,
  tokenizer: Tokenizer,
  hash: Platform["hash"],
): Promise<RunData> {
  const pictures: KeptPicture[] = [];
  for (const { id, image, split, captions } of dataset.records) {
    const text = (await hash("sha-256", JSON.stringify(captions))).slice(0, 16);
    pictures.push({ name: id, content: dataset.images.content(image), split, captions: text });
  }
  return { pictures, vocabulary: await vocabularyHash(tokenizer, hash) };
}

export function vocabularyHash(tokenizer: Tokenizer, hash: Platform["hash"]): Promise<string> {
  const { words, ...others } = tokenizer.toJSON();
  // Word vocabularies are identified by their words alone.
  return hash("sha-256", JSON.stringify(words ?? others));
}

/** Writes the fingerprint into a run's folder. Keeps the stored entries of pictures that were not read this time. */
export async function keepData(
  files: Files,
  run: string,
  data: RunData,
  before: RunData | null = null,
): Promise<void> {
  const known = new Map(before?.pictures.map(({ name, content }) => [name, content]));
  const rows = data.pictures.map(({ name, content, split, captions }) => [
    name,
    content ?? known.get(name) ?? null,
    split,
    captions,
  ]);
  const record = { format: FORMAT, vocabulary: data.vocabulary, pictures: rows };
  await files.write(`${run}/${FILE}`, `${JSON.stringify(record)}\n`);
}

/** Reads a run's fingerprint; null if it has none, as in runs of older versions. Throws a `UserError` if it is damaged. */
export async function keptData(files: Files, run: string): Promise<RunData | null> {
  const path = `${run}/${FILE}`;
  if (!(await files.exists(path))) return null;
  const damaged = (): never => {
    throw new UserError(
      `${path} is damaged, so the run's data cannot be compared with the present data; remove it to go on with the data as it is`,
    );
  };
  let value: unknown;
  try {
    value = parseJson(await files.readText(path));
  } catch (error) {
    if (error instanceof SyntaxError) return damaged();
    throw error;
  }
  const { format, vocabulary, pictures } = (value ?? {}) as Record<string, unknown>;
  if (format !== FORMAT || typeof vocabulary !== "string" || !Array.isArray(pictures)) return damaged();
  return {
    vocabulary,
    pictures: pictures.map((row: unknown) => {
      const [name, content, split, captions] = Array.isArray(row) ? row : [];
      const whole = [name, split, captions].every((word) => typeof word === "string");
      if (!whole || (content !== null && typeof content !== "string")) return damaged();
      return { name, content, split, captions };
    }),
  };
}

/** Describes the differences, one line for each kind; empty if there are none. */
export function dataDifferences(before: RunData, now: RunData): string[] {
  const old = new Map(before.pictures.map((picture) => [picture.name, picture]));
  const names = new Set(now.pictures.map(({ name }) => name));
  const both = now.pictures.flatMap((picture) => {
    const known = old.get(picture.name);
    return known ? [{ name: picture.name, from: known, to: picture }] : [];
  });
  const lines: string[] = [];
  const tell = (kind: (pictures: string) => string, found: readonly string[]) => {
    if (found.length === 0) return;
    const shown = found.slice(0, LISTED).join(", ");
    const rest = found.length > LISTED ? ` and ${found.length - LISTED} more` : "";
    lines.push(`${kind(found.length === 1 ? "1 picture" : `${found.length} pictures`)}: ${shown}${rest}`);
  };
  tell(
    (count) => `${count} removed`,
    before.pictures.flatMap(({ name }) => (names.has(name) ? [] : [name])),
  );
  tell(
    (count) => `${count} added`,
    now.pictures.flatMap(({ name }) => (old.has(name) ? [] : [name])),
  );
  tell(
    (count) => `${count} changed`,
    both.flatMap(({ name, from, to }) =>
      from.content !== null && to.content !== null && from.content !== to.content ? [name] : [],
    ),
  );
  tell(
    (count) => `captions of ${count} rewritten`,
    both.flatMap(({ name, from, to }) => (from.captions === to.captions ? [] : [name])),
  );
  tell(
    (count) => `${count} in another split`,
    both.flatMap(({ name, from, to }) =>
      from.split === to.split ? [] : [`${name} (${from.split} → ${to.split})`],
    ),
  );
  if (before.vocabulary !== now.vocabulary) lines.push("vocabulary.json holds other words");
  return lines;
}
