/** Parts of the npm package @sparticuz/chromium (x64 Linux), unpacked once into the user's cache. */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { UserError } from "./errors.js";
import { parseJson } from "./json.js";
import { cacheDirectory, findModulesDirectory } from "./node.js";

/**
 * The folder `name`-version in the cache, with `files` unpacked from the package's `archives` (`….tar.br`, or `….br` for
 * a single file). Puts the files side by side, without the archives' folders. Null if the package is not installed.
 * Throws if the archives lack a file or nothing can be written.
 */
export async function unpackChromium(
  name: string,
  archives: readonly string[],
  files: readonly string[],
): Promise<string | null> {
  const modules = findModulesDirectory("@sparticuz/chromium");
  if (modules === null) return null;
  const source = join(modules, "@sparticuz/chromium");
  const { version } = JSON.parse(await fs.readFile(join(source, "package.json"), "utf8")) as {
    version: string;
  };
  const paths = archives.map((archive) => join(source, "bin", archive));
  const folder = `${name}-${version}`;
  try {
    // Do not create a home folder that does not exist (service accounts).
    if (process.env.XDG_CACHE_HOME || existsSync(homedir())) {
      return await unpackOnce(paths, files, cacheDirectory(), folder);
    }
  } catch {
    // Read-only homes (containers, build services) are handled below.
  }
  return unpackOnce(paths, files, await privateTemporary(), folder);
}

/** A folder in the temporary directory that only this user can write to, as libraries are loaded from it. */
async function privateTemporary(): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `mc-diffusion-${uid}`);
  await fs.mkdir(folder, { mode: 0o700 }).catch(() => {});
  const status = await fs.lstat(folder);
  if (!status.isDirectory() || status.uid !== uid || (status.mode & 0o022) !== 0) {
    throw new UserError(`${folder} belongs to another user or is writable by others; remove it.`);
  }
  return folder;
}

/**
 * Unpacks `files` of `archives` to `parent/name`, unless they are there already. Processes may race: each unpacks to a separate
 * folder and renames it, and the first one wins. A folder with the final name was complete when it was made; its files are
 * verified, because they may have changed since.
 */
async function unpackOnce(
  archives: readonly string[],
  files: readonly string[],
  parent: string,
  name: string,
): Promise<string> {
  const folder = join(parent, name);
  if (await isWhole(folder, files)) return folder;
  await fs.mkdir(parent, { recursive: true });
  const temporary = join(parent, `${name}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`);
  try {
    await fs.mkdir(temporary);
    const found = new Map<string, Buffer>();
    for (const archive of archives) {
      const data = brotliDecompressSync(await fs.readFile(archive));
      if (archive.endsWith(".tar.br")) for (const [file, part] of untar(data)) found.set(file, part);
      else found.set(basename(archive, ".br"), data);
    }
    const hashes: Record<string, string> = {};
    for (const file of files) {
      const data = found.get(file);
      if (data === undefined) throw new UserError(`${archives.join(", ")} lack ${file}; run npm ci again.`);
      await fs.writeFile(join(temporary, file), data, { mode: 0o755 });
      hashes[file] = createHash("sha256").update(data).digest("hex");
    }
    await fs.writeFile(join(temporary, MANIFEST), JSON.stringify(hashes));
    await fs.rename(temporary, folder).catch(async (error: unknown) => {
      if (await isWhole(folder, files)) return;
      // Its files were cleaned up in part, cut by a full disk, or are of an older version.
      await fs.rm(folder, { recursive: true, force: true });
      await fs.rename(temporary, folder).catch(async () => {
        if (!(await isWhole(folder, files))) throw error;
      });
    });
  } finally {
    await fs.rm(temporary, { recursive: true, force: true });
  }
  return folder;
}

/** The file that lists the SHA-256 of each unpacked file. */
const MANIFEST = "sha256.json";

/** Whether all files are there, unchanged. A truncated library would crash the process that loads it (SIGBUS). */
async function isWhole(folder: string, files: readonly string[]): Promise<boolean> {
  try {
    const hashes = parseJson(await fs.readFile(join(folder, MANIFEST), "utf8")) as Record<string, unknown>;
    for (const file of files) {
      const hash = createHash("sha256");
      for await (const part of createReadStream(join(folder, file), { highWaterMark: 2 ** 20 }))
        hash.update(part);
      if (hash.digest("hex") !== hashes[file]) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/** The regular files of a tar archive by base name (ustar: 512-byte headers, size in octal at byte 124, type at 156). */
function untar(tar: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const name = tar.toString("utf8", at, at + 100).replace(/\0.*$/s, "");
    const size = Number.parseInt(tar.toString("latin1", at + 124, at + 136), 8);
    const type = String.fromCharCode(tar[at + 156] ?? 0);
    if (type === "0" || type === "\0") files.set(basename(name), tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
