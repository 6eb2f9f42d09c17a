/** Files stored by a page: the origin private file system (OPFS), for runs, checkpoints and caches in a browser. */
import { UserError } from "./errors.js";
import type { Files } from "./platform.js";
import { decodeText } from "./text.js";

const REASONS: ReadonlyMap<string, string> = new Map([
  ["NotFoundError", "it does not exist"],
  ["TypeMismatchError", "it is a folder where a file was expected, or the reverse"],
  ["QuotaExceededError", "the browser grants this site no more storage"],
  ["NoModificationAllowedError", "another tab or worker is using it"],
  ["InvalidModificationError", "it is not empty"],
  ["SecurityError", "the browser grants this page no storage (a private window?)"],
]);

/** Runs a file operation. Turns a browser error into a `UserError` that names the path. */
async function describe<T>(action: string, path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
    throw new UserError(`Cannot ${action} ${path}: ${REASONS.get(name) ?? message}.`);
  }
}

function isMissing(error: unknown): boolean {
  return (
    error instanceof DOMException && (error.name === "NotFoundError" || error.name === "TypeMismatchError")
  );
}

/** The names between slashes, without "." and empty ones. */
function split(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

async function folderAt(names: readonly string[], create = false): Promise<FileSystemDirectoryHandle> {
  let folder = await navigator.storage.getDirectory();
  for (const name of names) folder = await folder.getDirectoryHandle(name, { create });
  return folder;
}

async function fileAt(path: string, create = false): Promise<FileSystemFileHandle> {
  const names = split(path);
  const folder = await folderAt(names.slice(0, -1)).catch((error: unknown) => {
    // The parent is missing: "it does not exist" would wrongly blame the file to be written.
    if (create && isMissing(error))
      throw new UserError(`Cannot write ${path}: the folder that should hold it does not exist.`);
    throw error;
  });
  return folder.getFileHandle(names.at(-1) ?? "", { create });
}

async function read(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await (await fileAt(path)).getFile()).arrayBuffer());
}

/** Replaces a file atomically: closing the stream writes all data at once, so a reader never sees half a file. */
async function write(path: string, data: Uint8Array | string): Promise<void> {
  await throughStream(await fileAt(path, true), data, 0);
}

/**
 * Appends to a file. A worker appends in place. A window has only streams, which copy the whole file first: the longer the
 * log, the slower each line. (In one long training Chromium also lost such a copy, with a NotFoundError.)
 */
async function append(path: string, text: string): Promise<void> {
  const handle: AppendableHandle = await fileAt(path, true);
  const access = await handle.createSyncAccessHandle?.();
  if (access === undefined) return throughStream(handle, text, (await handle.getFile()).size);
  try {
    access.write(new TextEncoder().encode(text), { at: access.getSize() });
  } finally {
    access.close();
  }
}

/** TypeScript's DOM types lack this worker-only method. */
interface AppendableHandle extends FileSystemFileHandle {
  createSyncAccessHandle?(): Promise<{
    getSize(): number;
    write(data: Uint8Array, options: { at: number }): number;
    close(): void;
  }>;
}

async function throughStream(
  handle: FileSystemFileHandle,
  data: Uint8Array | string,
  from: number,
): Promise<void> {
  const stream = await handle.createWritable({ keepExistingData: from > 0 });
  try {
    if (from > 0) await stream.seek(from);
    await stream.write(typeof data === "string" ? data : data.slice());
    await stream.close();
  } catch (error) {
    await stream.abort().catch(() => {});
    throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return folderAt(split(path)).then(
    () => true,
    () => false,
  );
}

async function exists(path: string): Promise<boolean> {
  return fileAt(path).then(
    () => true,
    () => isDirectory(path),
  );
}

async function list(path: string): Promise<string[]> {
  const folder = await folderAt(split(path));
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  return names.sort(byCodePoint);
}

/** JavaScript sorts by UTF-16 units, in which U+FF5E comes after U+1F600. */
function byCodePoint(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((character, i) => character !== right[i]);
  if (at < 0) return left.length - right.length;
  return at >= right.length ? 1 : left[at]!.codePointAt(0)! - right[at]!.codePointAt(0)!;
}

async function remove(path: string): Promise<void> {
  const names = split(path);
  try {
    const folder = await folderAt(names.slice(0, -1));
    await folder.removeEntry(names.at(-1) ?? "", { recursive: true });
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function copy(path: string, to: string): Promise<void> {
  if (!(await isDirectory(path))) return write(to, await read(path));
  await folderAt(split(to), true);
  for (const name of await list(path)) await copy(`${path}/${name}`, `${to}/${name}`);
}

/** Copies and then removes, as browsers cannot move folders. A tab closed in between may leave parts of both. */
async function rename(path: string, to: string): Promise<void> {
  if (await exists(to)) throw new UserError(`Cannot rename ${path} to ${to}: the new name is taken.`);
  if (!(await exists(path))) throw new UserError(`Cannot rename ${path} to ${to}: it does not exist.`);
  if (!(await isDirectory(split(to).slice(0, -1).join("/"))))
    throw new UserError(`Cannot rename ${path} to ${to}: the folder that should hold it does not exist.`);
  await copy(path, to);
  await remove(path);
}

/**
 * Files in the origin private file system. Paths are relative to its root. `write` replaces a file atomically; `rename` is not
 * atomic (see there).
 */
export const opfsFiles: Files = {
  read: (path) => describe("read", path, () => read(path)),
  readText: (path) => describe("read", path, async () => decodeText(await read(path), path)),
  write: (path, data) => describe("write", path, () => write(path, data)),
  append: (path, data) => describe("append to", path, () => append(path, data)),
  exists,
  isDirectory,
  list: (path) => describe("list", path, () => list(path)),
  makeDirectory: (path) =>
    describe("make the folder", path, async () => {
      await folderAt(split(path), true);
    }),
  remove: (path) => describe("remove", path, () => remove(path)),
  rename: (path, to) => describe("rename", `${path} to ${to}`, () => rename(path, to)),
};
