/** Splits by lists of pictures: a folder of text files named after the splits, or one file with the split in each line. */

import { UserError } from "../platform/errors.js";
import type { FolderFiles } from "../platform/platform.js";
import { shown } from "../platform/shown.js";
import { splitNamed } from "./caption-rows.js";

/** Split by the name of a picture, of its path without extension, or of its folder; see `splitListed`. */
export type SplitLists = ReadonlyMap<string, string>;

/**
 * Reads lists of pictures.
 *
 * - A folder: its `.txt` files whose names contain train, val, valid, dev or test, as `trainImages.txt`; one picture, or one
 *   folder of pictures, a line. Files with "trainval" in their names come first, so that train and val correct them.
 * - A file: a picture or folder and its split in each line, separated by a tab, a comma or blanks.
 *
 * Throws a `UserError` if it is neither.
 */
export async function readSplitLists(files: FolderFiles, path: string): Promise<SplitLists> {
  if (await files.isDirectory(path)) {
    const names = (await files.list(path)).filter((name) => /\.txt$/i.test(name));
    return mergeLists(files, path, names);
  }
  const splits = new Map<string, string>();
  for (const [i, line] of linesOf(await files.readText(path)).entries()) {
    if (line === "") continue;
    const [, name, word] = /^(.*?)[\s,]+(\S+)$/.exec(line) ?? [];
    const split = word === undefined ? undefined : splitNamed(word);
    if (name === undefined || split === undefined) {
      throw new UserError(
        `${path}:${i + 1}: expected a picture and its split (train, validation or test), found ${shown(JSON.stringify(line), 100)}`,
      );
    }
    splits.set(keyOf(name), split);
  }
  return splits;
}

/** Reads those of the text files in a folder whose names contain a split. Throws a `UserError` if there is none for train. */
export async function mergeLists(
  files: FolderFiles,
  folder: string,
  names: readonly string[],
): Promise<SplitLists> {
  const lists = names.flatMap((name) => {
    const split = splitInName(name);
    return split === undefined ? [] : [{ name, split, rank: /trainval/i.test(name) ? 0 : 1 }];
  });
  if (!lists.some(({ split }) => split === "train")) {
    throw new UserError(
      `${folder} has no list of training pictures; data.split takes a folder with train.txt, validation.txt and test.txt, found: ${names.join(", ") || "no .txt file"}`,
    );
  }
  const splits = new Map<string, string>();
  for (const { name, split } of lists.sort((a, b) => a.rank - b.rank)) {
    for (const line of linesOf(await files.readText(`${folder}/${name}`)))
      if (line !== "") splits.set(keyOf(line), split);
  }
  return splits;
}

/** The split that a file name contains: "Flickr_8k.devImages.txt" is validation. */
export function splitInName(name: string): string | undefined {
  if (/train/i.test(name)) return "train";
  if (/val|dev/i.test(name)) return "validation";
  return /test/i.test(name) ? "test" : undefined;
}

/** The split of a picture by any of its names, the first that a list has; undefined if none has. */
export function splitListed(lists: SplitLists, names: readonly string[]): string | undefined {
  for (const name of names) {
    const split = lists.get(keyOf(name));
    if (split !== undefined) return split;
  }
  return undefined;
}

/** Lines without blanks at their ends. */
export function linesOf(text: string): string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .map((line) => line.trim());
}

/** Spelling by which names are compared: no extension, no case, no "./" or "images/" in front. */
function keyOf(name: string): string {
  return name
    .trim()
    .replace(/^(\.\/)?(images\/)?/i, "")
    .replace(/\.(png|jpe?g|webp)$/i, "")
    .toLowerCase();
}
