/** The Node platform: atomic files, pictures by sharp, hashing, signals, and where npm packages lie. */

import { createHash, randomBytes } from "node:crypto";
import { accessSync, constants, existsSync, readFileSync, readlinkSync, type Stats, statSync } from "node:fs";
import * as fs from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "./errors.js";
import { PictureDecoder } from "./picture-decoder.js";
import type { Files, ImageCodec, Platform, RgbImage } from "./platform.js";
import { loadSharp } from "./sharp-pictures.js";
import { decodeText } from "./text.js";

/** What the operating system's error codes mean to the person at the keyboard. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "it does not exist"],
  ["EACCES", "permission is denied"],
  ["EPERM", "the operation is not permitted"],
  ["EISDIR", "it is a folder, and a file was expected"],
  ["ENOTDIR", "a part of its path is a file, and a folder was expected"],
  ["ENOSPC", "the disk is full"],
  ["EDQUOT", "the disk quota is used up"],
  ["EROFS", "the disk is read-only"],
  ["EMFILE", "too many files are open"],
  ["ENAMETOOLONG", "its name is too long"],
  ["ELOOP", "its symbolic links run in a circle"],
  ["EEXIST", "there is something of that name already"],
  ["ENOTEMPTY", "the folder of that name is not empty"],
  ["EXDEV", "the two places are on different disks"],
  ["EBUSY", "it is in use by another program"],
  ["ETXTBSY", "it is a program that runs"],
  ["EFBIG", "it is too large for this disk"],
  ["EIO", "the disk fails"],
  ["ENFILE", "too many files are open on this machine"],
  ["EINVAL", "its name is not possible here"],
]);

/** Why the system refused, as the end of a sentence. */
export function reason(error: unknown): string {
  const code = errorCode(error);
  return REASONS.get(code) ?? (error instanceof Error ? error.message : String(error));
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Runs a file operation; whatever the system throws becomes a `UserError` that names the path. */
async function describe<T>(action: string, path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot ${action} ${path}: ${reason(error)}.`);
  }
}

async function writeAtomically(path: string, data: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  try {
    const handle = await fs.open(temporary, "wx");
    try {
      await handle.writeFile(data);
      // Without this a power cut after the rename could leave a complete name on an empty file.
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => {});
    // The parent is what lacks: "it does not exist" would wrongly accuse the file that is being made.
    if (errorCode(error) === "ENOENT") {
      throw new UserError(`Cannot write ${path}: the folder that should hold it does not exist.`);
    }
    throw error;
  }
}

/** Null where there is nothing of that name; throws what else is in the way, such as permissions. */
async function statusOf(path: string): Promise<Stats | null> {
  try {
    return await fs.stat(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error))) return null;
    throw error;
  }
}

/** The whole file. Pipes and devices, which may never end, are refused. */
async function readWhole(path: string): Promise<Buffer> {
  const status = await fs.stat(path);
  if (!status.isFile() && !status.isDirectory())
    throw new UserError(`Cannot read ${path}: it is a pipe, a socket or a device, and a file was expected.`);
  return fs.readFile(path);
}

const files: Files = {
  read: (path) => describe("read", path, () => readWhole(path)),
  readText: (path) => describe("read", path, async () => decodeText(await readWhole(path), path)),
  write: (path, data) => describe("write", path, () => writeAtomically(path, data)),
  append: (path, data) => describe("append to", path, () => fs.appendFile(path, data)),
  exists: (path) => describe("look at", path, async () => (await statusOf(path)) !== null),
  isDirectory: (path) =>
    describe("look at", path, async () => (await statusOf(path))?.isDirectory() ?? false),
  list: (path) =>
    describe("list", path, async () => {
      const names = await fs.readdir(path);
      // UTF-8 bytes sort like code points; JavaScript's own order is that of UTF-16 units.
      return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  makeDirectory: (path) =>
    describe("make the folder", path, async () => {
      await fs.mkdir(path, { recursive: true });
    }),
  rename: (path, to) =>
    describe("rename", `${path} to ${to}`, async () => {
      // The system would silently replace a file or an empty folder.
      if (existsSync(to)) throw new UserError(`Cannot rename ${path} to ${to}: the new name is taken.`);
      await fs.rename(path, to);
    }),
  remove: (path) => describe("remove", path, () => fs.rm(path, { recursive: true, force: true })),
};

async function encodePng({ width, height, data }: RgbImage): Promise<Uint8Array> {
  if (data.length !== width * height * 3) {
    throw new RangeError(`encodePng: ${data.length} bytes for ${width}×${height} pixels of 3 bytes`);
  }
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

const decoder = new PictureDecoder();
const images: ImageCodec = {
  decode: (bytes, size, fit, options) => decoder.decode(bytes, size, fit, options),
  encodePng,
};

/** Files on disk, sharp for pictures, Node's own clock and hashes. */
export const nodePlatform: Platform = {
  name: "node",
  files,
  images,
  now: () => performance.now(),
  hash: async (algorithm, data) => createHash(algorithm.replace("-", "")).update(data).digest("hex"),
};

/**
 * The `node_modules` folder that holds `packageName`, found as Node finds modules (so it also works when this
 * project is itself a dependency). Data packages hide files from `import`, hence the folder.
 * Throws a `UserError` when the package is not installed.
 */
export function modulesDirectory(packageName: string): string {
  const found = findModulesDirectory(packageName);
  if (found === null) {
    throw new UserError(
      `The npm package ${packageName} is not installed; run npm ci in the project's folder.`,
    );
  }
  return found;
}

/** As `modulesDirectory`, but null when the package is not installed. */
export function findModulesDirectory(packageName: string): string | null {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(packageName) ?? []) {
    if (existsSync(join(folder, packageName, "package.json"))) return folder;
  }
  return null;
}

/** A path that means the same from every working directory. */
export function absolutePath(path: string): string {
  return resolve(path);
}

/** The folder of the weights that come with the package. */
export function shippedWeights(): string {
  return fileURLToPath(new URL("../../weights/emoji", import.meta.url));
}

/** The version of this package. */
export async function packageVersion(): Promise<string> {
  const path = fileURLToPath(new URL("../../package.json", import.meta.url));
  return (JSON.parse(await fs.readFile(path, "utf8")) as { version: string }).version;
}

/** The user's cache folder for this project: `$XDG_CACHE_HOME/mc-diffusion` or `~/.cache/mc-diffusion`. It may not exist yet. */
export function cacheDirectory(): string {
  // The specification says to ignore a relative path.
  const base = process.env.XDG_CACHE_HOME;
  return join(base?.startsWith("/") ? base : join(homedir(), ".cache"), "mc-diffusion");
}

/** What keeps a file of this path from being written, in a few words; null if nothing does that can be seen now. */
export function outputProblem(path: string): string | null {
  const folder = dirname(path);
  if (!existsSync(folder)) return `there is no folder ${folder}`;
  if (!statSync(folder).isDirectory()) return `${folder} is no folder`;
  if (existsSync(path) && statSync(path).isDirectory()) return "it is a folder; give the name of a file";
  try {
    accessSync(folder, constants.W_OK);
    return null;
  } catch (error) {
    return `${folder} cannot be written: ${reason(error)}`;
  }
}

let standardOutputIsGone = false;

/** Whether a reader of standard output has gone away: whose work was for that reader alone may stop. */
export function isOutputGone(): boolean {
  return standardOutputIsGone;
}

/**
 * Lets a command's work go on when nobody reads its output any more: a closed pipe (`| head`) or a terminal that is gone would
 * otherwise end the process at its next line, in the middle of work on the GPU. Under `nohup` a hang-up is ignored, which
 * Node forgets at its start.
 */
export function outliveTerminal(): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", () => {
    standardOutputIsGone = true;
  });
  if (startedByNohup()) process.on("SIGHUP", () => {});
}

/**
 * Whether the process was started by `nohup`: the shell says so in `_`, or standard input is what nohup makes of a terminal,
 * /dev/null that can only be written.
 */
function startedByNohup(): boolean {
  if (/(^|\/)nohup$/.test(process.env._ ?? "")) return true;
  try {
    const writeOnly = 1;
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync("/proc/self/fdinfo/0", "utf8"))![1]!;
    return readlinkSync("/proc/self/fd/0") === "/dev/null" && (Number.parseInt(flags, 8) & 3) === writeOnly;
  } catch {
    return false; // no /proc: not Linux
  }
}

/** The shell's exit code of a process that a signal ended. */
export const signalExitCode = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
export type StopSignal = keyof typeof signalExitCode;

/**
 * Calls `handler` once on the first Ctrl-C, SIGTERM or SIGHUP (not under `nohup`), so that a training loop can save and end by
 * itself. From then on signals do what they do by default, end the process at once, whatever it is at: even where it waits for
 * a file or a driver and JavaScript could not run. Returns a function that restores this at any time.
 */
export function onInterrupt(handler: (signal: StopSignal) => void): () => void {
  const signals = (Object.keys(signalExitCode) as StopSignal[]).filter(
    (signal) => signal !== "SIGHUP" || !startedByNohup(),
  );
  const restore = () => {
    for (const signal of signals) process.off(signal, listener);
  };
  const listener = (signal: NodeJS.Signals): void => {
    restore();
    handler(signal as StopSignal);
  };
  for (const signal of signals) process.on(signal, listener);
  return restore;
}
