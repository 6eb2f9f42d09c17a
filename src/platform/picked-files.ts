/** Files that the user picked or dropped, as a folder: code that reads folders in Node can read them in a page. */
import { UserError } from "./errors.js";
import type { FolderFiles } from "./platform.js";
import { decodeText } from "./text.js";

/** Blobs by their paths ("folder/sub/a.png") as read-only files. A folder exists if a file lies in it. */
export function pickedFiles(blobs: ReadonlyMap<string, Blob>): FolderFiles {
  const isDirectory = async (path: string) => [...blobs.keys()].some((name) => name.startsWith(`${path}/`));
  const find = (path: string): Blob => {
    const blob = blobs.get(path);
    if (blob === undefined) throw new UserError(`Cannot read ${path}: it is not among the files picked.`);
    return blob;
  };
  /** Browsers refuse to read a file that was changed or removed after it was picked. */
  const readable = async <T>(path: string, reading: Promise<T>): Promise<T> =>
    reading.catch(() => {
      throw new UserError(`Cannot read ${path}: it was moved or changed since it was picked.`);
    });
  const read = async (path: string) => new Uint8Array(await readable(path, find(path).arrayBuffer()));
  return {
    read,
    readText: async (path) => decodeText(await read(path), path),
    exists: async (path) => blobs.has(path) || isDirectory(path),
    isDirectory,
    async list(path) {
      if (!(await isDirectory(path)))
        throw new UserError(`Cannot list ${path}: none of its files was picked.`);
      const below = [...blobs.keys()].filter((name) => name.startsWith(`${path}/`));
      return [...new Set(below.map((name) => name.slice(path.length + 1).split("/")[0]!))].sort();
    },
  };
}
