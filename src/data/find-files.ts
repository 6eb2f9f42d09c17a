/** Finds the files of a data set wherever they were unpacked. */

import type { FolderFiles } from "../platform/platform.js";
import { IMAGE_NAME } from "./caption-rows.js";

/** A folder and what lies in it. */
export interface FoundFolder {
  /** Path from the folder of the data set; "" is that folder. */
  readonly path: string;
  readonly names: readonly string[];
}

/** Files that macOS leaves beside others. */
const ASIDE = /^\._/;
/** Names that are files for certain, as looking at each of 100,000 would take long. */
const FILE =
  /\.(jpe?g|png|webp|gif|txt|token|jsonl?|csv|pickle|pkl|t7|h5|mat|npy|npz|zip|gz|tgz|tar|md|pdf)$/i;

/**
 * The folders in `folder` down to `depth` levels below it, nearest first, without those that `skip` matches by name. Names are
 * sorted.
 */
export async function findFolders(
  files: FolderFiles,
  folder: string,
  depth: number,
  skip: RegExp = /^$/,
): Promise<FoundFolder[]> {
  const found: FoundFolder[] = [];
  let level = [""];
  for (let n = 0; n <= depth && level.length > 0; n++) {
    const next: string[] = [];
    for (const path of level) {
      const names = (await files.list(joined(folder, path))).filter((name) => !ASIDE.test(name));
      found.push({ path, names });
      if (n === depth) continue;
      for (const name of names) {
        if (FILE.test(name) || name.startsWith(".") || skip.test(name)) continue;
        const inner = joined(path, name);
        if (await files.isDirectory(joined(folder, inner))) next.push(inner);
      }
    }
    level = next;
  }
  return found;
}

/** Path of the nearest file or folder of that name; undefined if there is none. */
export function nearest(found: readonly FoundFolder[], name: string | RegExp): string | undefined {
  for (const { path, names } of found) {
    const match = names.find((each) => (typeof name === "string" ? each === name : name.test(each)));
    if (match !== undefined) return joined(path, match);
  }
  return undefined;
}

/** Paths of all files and folders whose name matches, nearest first. */
export function allNamed(found: readonly FoundFolder[], name: RegExp): string[] {
  return found.flatMap(({ path, names }) =>
    names.filter((each) => name.test(each)).map((each) => joined(path, each)),
  );
}

/** Paths of the picture files by name; several if folders hold files of the same name. */
export function pictureIndex(found: readonly FoundFolder[]): Map<string, string[]> {
  const index = new Map<string, string[]>();
  for (const { path, names } of found) {
    for (const name of names) {
      if (!IMAGE_NAME.test(name)) continue;
      const known = index.get(name);
      if (known) known.push(joined(path, name));
      else index.set(name, [joined(path, name)]);
    }
  }
  return index;
}

/** "a/b"; an empty part is left out. */
export function joined(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

/** The folder of a path; "" if it has none. */
export function parent(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** The first entries of a folder, for messages that say what was found instead. */
export function glimpse(found: readonly FoundFolder[]): string {
  const names = found[0]?.names ?? [];
  if (names.length === 0) return "it is empty";
  return `it holds ${names.slice(0, 6).join(", ")}${names.length > 6 ? ` and ${names.length - 6} more` : ""}`;
}
