/** A folder of pictures with one caption file of our own formats beside them. */

import { UserError } from "../platform/errors.js";
import type { FolderFiles } from "../platform/platform.js";
import { shown } from "../platform/shown.js";
import { type CaptionRow, IMAGE_NAME, type Problem, parseCaptions } from "./caption-rows.js";
import type { Dataset } from "./dataset.js";
import type { ListedPicture } from "./listing.js";
import { type FolderOptions, type FolderPlatform, loadListed } from "./load-listed.js";

/** The caption files that a folder may have: one of them. */
export const CAPTION_FILES = ["captions.jsonl", "captions.csv", "captions.txt"] as const;

/** A data set read from a folder, and what was left out. */
export interface FolderDataset {
  readonly dataset: Dataset;
  /** Rows and pictures left out by `skipBad`, one line each, in the order of the caption file. */
  readonly skipped: readonly string[];
  /** Number of picture files in the folder that no row names. */
  readonly uncaptioned: number;
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
 * are ignored. Pictures without a split in their rows are divided by `loadListed`.
 *
 * Throws a `UserError` that lists every bad row, missing file and unreadable picture by line, unless `skipBad`.
 */
export async function loadFolder(
  platform: FolderPlatform,
  folder: string,
  options: FolderOptions = {},
): Promise<FolderDataset> {
  const { files } = platform;
  const name = await findCaptionFile(files, folder);
  const { rows, problems } = parseCaptions(name, await files.readText(`${folder}/${name}`));
  const place = (line: number) => `${name}:${line}: `;
  const pictures = mergeRows(rows, problems, place);
  const { dataset, skipped } = await loadListed(
    platform,
    {
      folder,
      source: `${folder}/${name}`,
      pictures,
      problems: problems.map(({ line, text }) => ({ order: line, text: `${place(line)}${text}` })),
    },
    options,
  );
  const named = new Set(rows.map(({ file }) => file));
  const uncaptioned = (await files.list(folder)).filter((file) => IMAGE_NAME.test(file) && !named.has(file));
  return { dataset, skipped, uncaptioned: uncaptioned.length };
}

async function findCaptionFile(files: FolderFiles, folder: string): Promise<string> {
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

/**
 * Collects the rows of each picture; a caption that occurs twice counts once. Adds to `problems` a split that contradicts an
 * earlier row.
 */
export function mergeRows(
  rows: readonly CaptionRow[],
  problems: Problem[],
  place: (line: number) => string,
): ListedPicture[] {
  const entries = new Map<string, { line: number; captions: Set<string>; split: string | undefined }>();
  for (const { line, file, captions, split } of rows) {
    const entry = entries.get(file);
    if (entry === undefined) {
      entries.set(file, { line, captions: new Set(captions), split });
      continue;
    }
    if (split !== undefined && entry.split !== undefined && split !== entry.split) {
      problems.push({ line, text: `${shown(file)} is in split ${split} here and in ${entry.split} before` });
      continue;
    }
    entry.split ??= split;
    for (const caption of captions) entry.captions.add(caption);
  }
  return [...entries].map(([file, { line, captions, split }]) => {
    return { id: file, file, captions: [...captions], split, order: line, place: place(line) };
  });
}
