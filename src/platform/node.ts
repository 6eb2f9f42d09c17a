/** The Node platform: atomic files, pictures by sharp, hashing, signals, and the locations of npm packages. */

import { createHash, randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  createReadStream,
  existsSync,
  readFileSync,
  readlinkSync,
  type Stats,
  statSync,
} from "node:fs";
import * as fs from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { UserError } from "./errors.js";
import type { PictureBox } from "./picture-box.js";
import { PictureDecoder } from "./picture-decoder.js";
import { readPictureHeader } from "./picture-header.js";
import type { Files, ImageCodec, Platform, RgbImage } from "./platform.js";
import { encodeRgbPng } from "./png.js";
import { sharpIfInstalled } from "./sharp-pictures.js";
import { decodeText } from "./text.js";

/** Plain-language meanings of the operating system's error codes. */
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
  ["EEXIST", "something of that name already exists"],
  ["ENOTEMPTY", "the folder of that name is not empty"],
  ["EXDEV", "the two places are on different disks"],
  ["EBUSY", "it is in use by another program"],
  ["ETXTBSY", "it is a program that is running"],
  ["EFBIG", "it is too large for this disk"],
  ["EIO", "the disk reports an error"],
  ["ENFILE", "too many files are open on this machine"],
  ["EINVAL", "its name is not valid here"],
]);

/** The reason for a system error, as the end of a sentence. */
export function reason(error: unknown): string {
  const code = errorCode(error);
  return REASONS.get(code) ?? (error instanceof Error ? error.message : String(error));
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Runs a file operation. Turns a system error into a `UserError` that names the path. */
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
    // The parent is missing: "it does not exist" would wrongly blame the file to be written.
    if (errorCode(error) === "ENOENT") {
      throw new UserError(`Cannot write ${path}: the folder that should hold it does not exist.`);
    }
    throw error;
  }
}

/** A path's status; null if nothing of that name exists. Throws other errors, such as missing permissions. */
async function statusOf(path: string): Promise<Stats | null> {
  try {
    return await fs.stat(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error))) return null;
    throw error;
  }
}

/** Reads the whole file. Refuses pipes and devices, which may never end. */
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
      // UTF-8 bytes sort like code points; JavaScript sorts by UTF-16 units.
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
  const sharp = await sharpIfInstalled();
  if (sharp === null) return encodeRgbPng({ width, height, data });
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

const decoder = new PictureDecoder();

/** Decodes the part of a picture that lies in `box`; else as `ImageCodec.decode`. */
export async function decodePart(
  bytes: Uint8Array,
  size: number,
  fit: "contain" | "cover",
  box: PictureBox | undefined,
): Promise<Uint8Array> {
  return (await decoder.decode(bytes, { size, fit, box })).data;
}

const images: ImageCodec = {
  decode: (bytes, size, fit, options) => decoder.decode(bytes, { size, fit, ...options }),
  encodePng,
};

/** A decoded picture: rows from the top, `data.length / (width · height)` bytes a pixel: RGB or RGBA. */
export interface DecodedPixels {
  width: number;
  height: number;
  data: Uint8Array;
  /** Whether the file is a PNG with a palette. */
  palette: boolean;
}

/**
 * Decodes a picture in its own size. The alpha channel stays, unless `alpha` is false: then it is flattened on white. Otherwise
 * as `ImageCodec.decode`, with its bounds on memory and time. Throws a `UserError`, one clause.
 */
export async function decodePixels(
  bytes: Uint8Array,
  options: { readonly alpha?: boolean; readonly svg?: "bounded" | "trusted" | undefined } = {},
): Promise<DecodedPixels> {
  const { alpha = true, svg } = options;
  const { width, height, data } = await decoder.decode(bytes, { size: null, fit: "contain", alpha, svg });
  return { width, height, data, palette: hasPalette(bytes) };
}

function hasPalette(bytes: Uint8Array): boolean {
  const [colourType, palette] = [25, 3];
  return readPictureHeader(bytes, true).format === "png" && bytes[colourType] === palette;
}

/** Files on disk, pictures by sharp, Node's clock and hashes. */
export const nodePlatform: Platform = {
  name: "node",
  files,
  images,
  now: () => performance.now(),
  hash: async (algorithm, data) => createHash(algorithm.replace("-", "")).update(data).digest("hex"),
};

/**
 * The `node_modules` folder that contains `packageName`, found by Node's module resolution (so it also works when this
 * project is itself a dependency). Callers need the folder because data packages do not export all their files.
 * Throws a `UserError` if the package is not installed.
 */
export function modulesDirectory(packageName: string): string {
  const found = findModulesDirectory(packageName);
  if (found === null) {
    throw new UserError(
      `The npm package ${packageName} is not installed: npm install ${packageName} (in a checkout of mc-diffusion: npm ci).`,
    );
  }
  return found;
}

/** As `modulesDirectory`, but null if the package is not installed. */
export function findModulesDirectory(packageName: string): string | null {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(packageName) ?? []) {
    if (existsSync(join(folder, packageName, "package.json"))) return folder;
  }
  return null;
}

/** The absolute path, which does not depend on the working directory. */
export function absolutePath(path: string): string {
  return resolve(path);
}

/** The folder of the weights that ship with the package. */
export function shippedWeights(): string {
  return fileURLToPath(new URL("../../weights/emoji", import.meta.url));
}

/** Lower-case hexadecimal SHA-256 of a file of any size. */
export function fileHash(path: string): Promise<string> {
  return describe("read", path, async () => {
    const hash = createHash("sha256");
    await pipeline(createReadStream(path), hash);
    return hash.digest("hex");
  });
}

/** The file of WordNet's data that ships with the package. */
export function shippedWordNet(): string {
  return fileURLToPath(new URL("../../wordnet/wordnet-3.0.txt.gz", import.meta.url));
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

/** The reason why a file cannot be written to this path, as a clause; null if none can be seen now. */
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

/** Whether the reader of standard output is gone. Work that only serves that reader may then stop. */
export function isOutputGone(): boolean {
  return standardOutputIsGone;
}

/**
 * Lets a command continue when its output has no reader any more. Otherwise a closed pipe (`| head`) or terminal would end the
 * process at its next line, in the middle of work on the GPU. Also ignores SIGHUP under `nohup`: Node resets that at its start.
 */
export function outliveTerminal(): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", () => {
    standardOutputIsGone = true;
  });
  if (startedByNohup()) process.on("SIGHUP", () => {});
}

/**
 * Whether `nohup` started the process: the shell's variable `_` names it, or standard input is a write-only /dev/null, with which
 * nohup replaces a terminal.
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

/** Shell exit codes of processes ended by a signal. */
export const signalExitCode = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGUSR1: 138 } as const;
export type StopSignal = keyof typeof signalExitCode;

/**
 * Calls `handler` on the first Ctrl-C, SIGTERM or SIGHUP (not under `nohup`), with `warned` also on SIGUSR1, by which Slurm warns
 * of the end of a job's time, so that a training loop can save and end normally.
 * Then restores the default: the next signal ends the process at once, even if it is waiting for a file or a driver and cannot
 * run JavaScript. Returns a function that restores the default at any time.
 */
export function onInterrupt(
  handler: (signal: StopSignal) => void,
  { warned = false }: { warned?: boolean } = {},
): () => void {
  const signals = (Object.keys(signalExitCode) as StopSignal[]).filter(
    (signal) => (signal !== "SIGHUP" || !startedByNohup()) && (signal !== "SIGUSR1" || warned),
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
