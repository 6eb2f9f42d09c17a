/** The Node platform: atomic files, pictures by sharp, hashing, signals, and where npm packages lie. */

import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import * as fs from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Metadata, Sharp, SharpOptions } from "sharp";
import { UserError } from "./errors.js";
import type { Files, ImageCodec, Platform, RgbImage } from "./platform.js";
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
]);

function reason(error: unknown): string {
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
  exists: (path) =>
    fs.access(path).then(
      () => true,
      () => false,
    ),
  isDirectory: (path) =>
    fs.stat(path).then(
      (status) => status.isDirectory(),
      () => false,
    ),
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

/** Larger pictures are refused: 100 million pixels are 300 MB as RGB, far above any photograph. */
const MAX_PIXELS = 100_000_000;
/** librsvg's own resolution: at this density one SVG pixel is one image pixel. */
const SVG_DENSITY = 72;
const ACCEPTED = "PNG, JPEG, WebP or SVG";

type Loader = (input: Uint8Array, options: SharpOptions) => Sharp;
let loader: Promise<Loader> | undefined;

/** sharp, loaded on first use: a command that shows its help need not wait for it. */
function loadSharp(): Promise<Loader> {
  loader ??= import("sharp").then(
    ({ default: sharp }) => {
      // Many small pictures at once: one thread each, and nothing cached that the caller keeps anyway.
      sharp.concurrency(1);
      sharp.cache(false);
      return sharp;
    },
    (error: unknown) => {
      const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
      throw new UserError(
        `The image library sharp does not load on this machine (${why}); run npm ci again.`,
      );
    },
  );
  return loader;
}

type ImageFormat = "png" | "jpeg" | "webp" | "svg";

/** The format by its first bytes; a name's ending proves nothing. */
function sniff(bytes: Uint8Array): ImageFormat {
  if (bytes.length === 0) throw new UserError(`the file is empty, and a ${ACCEPTED} image was expected`);
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4096));
  const latin = head.toString("latin1");
  if (latin.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (latin.startsWith("\xff\xd8\xff")) return "jpeg";
  if (latin.startsWith("RIFF") && latin.slice(8, 12) === "WEBP") return "webp";
  const text = head.toString("utf8").replace(/^\uFEFF/, "");
  // A comment or a document type may be long enough to push `<svg` out of the head, so `<?xml` is enough.
  if (/^\s*<\?xml/.test(text) || /^\s*(<!--[\s\S]*?-->\s*)*(<!DOCTYPE\s+svg[\s\S]*?)?<svg[\s>]/i.test(text))
    return "svg";
  throw new UserError(`the file is ${guess(latin, text)}, and a ${ACCEPTED} image was expected`);
}

function guess(latin: string, text: string): string {
  if (latin.startsWith("GIF8")) return "a GIF image";
  if (latin.startsWith("BM")) return "a BMP image";
  if (latin.startsWith("II*\0") || latin.startsWith("MM\0*")) return "a TIFF image";
  if (/^....ftypavi[fs]/s.test(latin)) return "an AVIF image";
  if (/^....ftyp(heic|heix|mif1)/s.test(latin)) return "a HEIC image";
  if (latin.startsWith("%PDF")) return "a PDF document";
  if (latin.startsWith("version https://git-lfs"))
    return "a Git LFS pointer (run git lfs pull to fetch the picture)";
  if (/^\s*<(!doctype html|html)/i.test(text)) return "a web page";
  const start = text.slice(0, 20);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what tells bytes from text
  if (!/[\x00-\x08\x0e-\x1f\uFFFD]/.test(start)) return `text that begins ${JSON.stringify(start.trim())}`;
  return "not an image that can be recognised";
}

/** libvips answers with several lines, the first of which may be a file name of ours: keep one clear clause. */
function unreadable(format: ImageFormat, error: unknown): UserError {
  const lines = (error instanceof Error ? error.message : String(error)).split("\n");
  const detail = (lines.find((line) => line.trim() !== "") ?? "no reason given").trim().replace(/[.]+$/, "");
  return new UserError(`the ${format.toUpperCase()} image is damaged or cannot be read (${detail})`);
}

/**
 * The density that makes librsvg draw at (just above) the wanted size, instead of scaling a picture of another
 * size: the drawing stays crisp, and a drawing that is large on paper costs little. sharp takes 1 to 100000.
 */
function svgDensity(width: number, height: number, size: number, fit: "contain" | "cover"): number {
  const side = fit === "contain" ? Math.max(width, height) : Math.min(width, height);
  return Math.min(Math.max((SVG_DENSITY * size) / side, 1), 100_000);
}

async function decode(bytes: Uint8Array, size: number, fit: "contain" | "cover"): Promise<RgbImage> {
  const format = sniff(bytes);
  const sharp = await loadSharp();
  let header: Metadata;
  try {
    header = await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (error) {
    throw unreadable(format, error);
  }
  const { width = 0, height = 0 } = header;
  const density = format === "svg" ? svgDensity(width, height, size, fit) : SVG_DENSITY;
  if (width * height * (density / SVG_DENSITY) ** 2 > MAX_PIXELS) {
    throw new UserError(
      `the image is ${width}×${height} pixels, and at most ${MAX_PIXELS / 1e6} million pixels are read; scale it down first`,
    );
  }
  try {
    const options: SharpOptions = { failOn: "error", limitInputPixels: MAX_PIXELS };
    if (format === "svg") options.density = density;
    const { data, info } = await sharp(bytes, options)
      .autoOrient()
      .flatten({ background: "#ffffff" })
      .resize(size, size, { fit, background: "#ffffff" })
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels after conversion to RGB`);
    return {
      width: info.width,
      height: info.height,
      data: new Uint8Array(data.buffer, data.byteOffset, data.length),
    };
  } catch (error) {
    throw unreadable(format, error);
  }
}

async function encodePng({ width, height, data }: RgbImage): Promise<Uint8Array> {
  if (data.length !== width * height * 3) {
    throw new RangeError(`encodePng: ${data.length} bytes for ${width}×${height} pixels of 3 bytes`);
  }
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

const images: ImageCodec = { decode, encodePng };

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

/**
 * Lets a command's work go on when nobody reads its output any more: a closed pipe (`| head`) or a terminal that is gone would
 * otherwise end the process at its next line, in the middle of work on the GPU. Under `nohup` a hang-up is ignored, which
 * Node forgets at its start.
 */
export function outliveTerminal(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
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
