/**
 * Pictures decoded once and kept on disk, so that a data set of any size needs little memory and a second start no decoding.
 *
 * The cache has a folder per data set and picture size, with two kinds of files:
 *
 * - `….pictures`, written once and never changed: the raw pixels of some pictures, then a JSON index (for each picture the hash
 *   of its source file and of its pixels), then `TRAILER` bytes that hold the length of the index. A file gets its name when it
 *   is complete. Processes that work at the same time write separate files.
 * - `stamps.json`: for each picture the stamp (size and times) of its source file and the hash of its bytes at that time, so that
 *   unchanged sources are not read. It is a hint; pixels are only ever looked up by the hash of their source.
 *
 * Pixels are checked against their hash when they are first read. Damaged entries are removed and decoded again.
 */

import { crc32 } from "../platform/crc32.js";
import { type Disk, type DiskFile, type DiskWriter, unfinished } from "../platform/disk.js";
import { UserError } from "../platform/errors.js";
import { parseJson } from "../platform/json.js";
import type { PictureBox } from "../platform/picture-box.js";
import type { Files, Platform } from "../platform/platform.js";
import type { Images } from "./dataset.js";

/** The source of a picture. */
export interface PictureOrigin {
  /** Its name in messages and in the cache; different for each picture of a data set. */
  readonly name: string;
  /** A string that changes whenever the source may have changed; null if that cannot be known. */
  stamp(): Promise<string | null>;
  /** The source file. Throws a `UserError` if it cannot be read. */
  read(): Promise<Uint8Array>;
  /** The part of the picture that is used; all of it if absent. */
  readonly box?: PictureBox;
}

export interface PictureCache {
  /** Folder for this data set, picture size and way of decoding only. */
  readonly folder: string;
  readonly files: Files;
  readonly disk: Disk;
}

export interface DecodedPicturesOptions {
  readonly size: number;
  /** Decodes a source file, or the part of it in `box`, to pixels [size, size, 3]. Throws a `UserError` if it is not a picture. */
  decode(bytes: Uint8Array, box?: PictureBox): Promise<Uint8Array>;
  readonly hash: Platform["hash"];
  /** Without a cache, decoded pictures stay in memory up to `memory`, and the others are decoded each time. */
  readonly cache?: PictureCache | undefined;
  /** Maximum bytes of decoded pictures in memory. */
  readonly memory?: number;
  /** Whether the origins are the whole data set: cache entries of other pictures may then be removed. */
  readonly whole?: boolean;
  /** Called with a sentence about a problem of the cache. No such problem ends the work. */
  readonly onProblem?: (sentence: string) => void;
  /** Bytes of pixels per file of the cache, the most that an interruption loses. */
  readonly fileBytes?: number;
}

const FORMAT = "mcd-pictures-1";
/** The format in 16 bytes, then the bytes and the CRC-32 of the index, both u32. */
const TRAILER = 24;
const SUFFIX = ".pictures";
const STAMPS = "stamps.json";
/** Pictures in progress at the same time: reading, hashing and decoding overlap. */
const IN_FLIGHT = 8;
const MEMORY = 512 * 2 ** 20;
const FILE_BYTES = 256 * 2 ** 20;
/** A file that has not been written to for this long belongs to a process that has ended. */
const ABANDONED_MS = 3_600_000;

/** A complete file of the cache. */
interface Part {
  readonly path: string;
  readonly file: DiskFile;
  readonly contents: readonly string[];
}

/** Location of the pixels of a content. */
interface Place {
  readonly part: Part;
  readonly slot: number;
  readonly check: string;
  verified: boolean;
}

export class DecodedPictures implements Images {
  readonly count: number;
  readonly #origins: readonly PictureOrigin[];
  readonly #options: DecodedPicturesOptions;
  readonly #each: number;
  /** Content by picture number; null = the source has not been read. */
  readonly #contents: (string | null)[];
  readonly #places = new Map<string, Place>();
  /** Pixels that the cache does not hold, by content. */
  readonly #kept = new Map<string, Uint8Array>();
  #keptBytes = 0;
  #parts: Part[] = [];
  readonly #stamps = new Map<string, { stamp: string; content: string }>();
  #stampsChanged = false;
  #opened: Promise<void> | null = null;
  #cache: PictureCache | null;
  #writer: PartWriter | null = null;

  constructor(origins: readonly PictureOrigin[], options: DecodedPicturesOptions) {
    this.count = origins.length;
    this.#origins = origins;
    this.#options = options;
    this.#each = options.size ** 2 * 3;
    this.#contents = new Array(origins.length).fill(null);
    this.#cache = options.cache ?? null;
  }

  /** Bytes of pixels held in memory. */
  get memoryBytes(): number {
    return this.#keptBytes;
  }

  content(number: number): string | null {
    return this.#contents[number]!;
  }

  file(number: number): Promise<Uint8Array> {
    return this.#origins[number]!.read();
  }

  /**
   * Decodes the pictures that the cache lacks, several at a time. Returns the errors of pictures that cannot be read, by picture
   * number. `onProgress` is called only if something has to be decoded.
   */
  async prepare(
    numbers: readonly number[],
    onProgress?: (done: number, total: number) => void,
  ): Promise<Map<number, UserError>> {
    await this.#open();
    const unreadable = new Map<number, UserError>();
    let [next, done, decoded, failed] = [0, 0, 0, false];
    const worker = async () => {
      while (next < numbers.length && !failed) {
        const number = numbers[next++]!;
        try {
          const content = await this.#identify(number);
          if (typeof content !== "string") {
            if (decoded++ === 0) onProgress?.(done, numbers.length);
            await this.#keep(content.content, await this.#decode(content.bytes, number));
          }
        } catch (error) {
          if (!(error instanceof UserError)) {
            failed = true;
            throw error;
          }
          unreadable.set(number, error);
        }
        done++;
        if (decoded > 0) onProgress?.(done, numbers.length);
      }
    };
    const workers = await Promise.allSettled(Array.from({ length: IN_FLIGHT }, worker));
    await this.#finishPart();
    await this.#tidy();
    for (const outcome of workers) if (outcome.status === "rejected") throw outcome.reason;
    return unreadable;
  }

  async read(numbers: ArrayLike<number>, target: Uint8Array): Promise<void> {
    await this.#open();
    const each = this.#each;
    if (target.length !== numbers.length * each) {
      throw new RangeError(
        `${numbers.length} pictures have ${numbers.length * each} bytes, not ${target.length}`,
      );
    }
    await Promise.all(
      Array.from(numbers, (number, i) => this.#readOne(number, target.subarray(i * each, (i + 1) * each))),
    );
  }

  async close(): Promise<void> {
    const parts = this.#parts;
    this.#parts = [];
    this.#places.clear();
    this.#opened = null;
    for (const { file } of parts) await file.close();
  }

  async #readOne(number: number, target: Uint8Array): Promise<void> {
    const known = this.#contents[number];
    const place = known ? this.#places.get(known) : undefined;
    if (known && place && (await this.#readPlace(known, place, target))) return;
    const kept = known && this.#kept.get(known);
    if (kept) {
      target.set(kept);
      return;
    }
    // Never prepared, damaged, or beyond the memory limit: read from the source.
    const { name } = this.#origins[number]!;
    const bytes = await this.#origins[number]!.read();
    const content = await this.#contentOf(bytes, number);
    if (known && content !== known) throw new UserError(`${name} was changed while it was in use`);
    this.#contents[number] = content;
    const found = this.#places.get(content);
    if (found && (await this.#readPlace(content, found, target))) return;
    const pixels = await this.#decode(bytes, number).catch((error: unknown) => {
      throw error instanceof UserError ? new UserError(`${name} cannot be read: ${error.message}`) : error;
    });
    target.set(pixels);
    this.#remember(content, pixels);
  }

  /** Returns false if the cache no longer holds these pixels. */
  async #readPlace(content: string, place: Place, target: Uint8Array): Promise<boolean> {
    const { part, slot } = place;
    try {
      await part.file.read(target, slot * this.#each);
      if (!place.verified && (await this.#hash(target)) !== place.check) throw new UserError("another hash");
      place.verified = true;
      return true;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
    if (this.#places.get(content) === place) this.#places.delete(content);
    await this.#discard(part.path);
    return false;
  }

  /** The content of a picture that is available without decoding, or the bytes to decode. */
  async #identify(number: number): Promise<string | { content: string; bytes: Uint8Array }> {
    const origin = this.#origins[number]!;
    const has = (content: string) =>
      this.#places.has(content) || this.#kept.has(content) || this.#writer?.has(content);
    const before = this.#contents[number];
    if (before && has(before)) return before;
    const stamp = await this.#stamp(origin);
    const noted = this.#stamps.get(origin.name);
    if (stamp !== null && noted?.stamp === stamp && has(noted.content)) {
      this.#contents[number] = noted.content;
      return noted.content;
    }
    const bytes = await origin.read();
    const content = await this.#contentOf(bytes, number);
    this.#contents[number] = content;
    if (stamp !== null && this.#cache) {
      this.#stamps.set(origin.name, { stamp, content });
      this.#stampsChanged = true;
    }
    return has(content) ? content : { content, bytes };
  }

  async #decode(bytes: Uint8Array, number: number): Promise<Uint8Array> {
    const pixels = await this.#options.decode(bytes, this.#origins[number]!.box);
    if (pixels.length !== this.#each) {
      throw new RangeError(`a decoded picture has ${pixels.length} bytes, not ${this.#each}`);
    }
    return pixels;
  }

  /** The stamp of the source and of its box. */
  async #stamp(origin: PictureOrigin): Promise<string | null> {
    const stamp = await origin.stamp();
    return stamp === null || !origin.box ? stamp : `${stamp} ${boxText(origin.box)}`;
  }

  /** The hash of a source file; of the same file with another box, another one. */
  async #contentOf(bytes: Uint8Array, number: number): Promise<string> {
    const { box } = this.#origins[number]!;
    const content = await this.#hash(bytes);
    return box ? this.#hash(new TextEncoder().encode(`${content} ${boxText(box)}`)) : content;
  }

  async #hash(bytes: Uint8Array): Promise<string> {
    return (await this.#options.hash("sha-256", bytes)).slice(0, 32);
  }

  /** Stores pixels in the cache, or in memory if there is none. */
  async #keep(content: string, pixels: Uint8Array): Promise<void> {
    try {
      const check = this.#cache ? await this.#hash(pixels) : "";
      while (this.#cache) {
        this.#writer ??= new PartWriter(this.#cache);
        const writer = this.#writer;
        // The file may have become full.
        if (!(await writer.append(content, check, pixels))) continue;
        const full = writer.bytes >= (this.#options.fileBytes ?? FILE_BYTES);
        if (full && this.#writer === writer) await this.#finishPart();
        return;
      }
    } catch (error) {
      await this.#goWithout(error);
    }
    this.#remember(content, pixels);
  }

  #remember(content: string, pixels: Uint8Array): void {
    if (this.#kept.has(content) || this.#keptBytes + pixels.length > (this.#options.memory ?? MEMORY)) return;
    this.#kept.set(content, pixels);
    this.#keptBytes += pixels.length;
  }

  async #finishPart(): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    if (!writer || !this.#cache) return;
    try {
      const path = await writer.finish(this.#options.size);
      if (path !== null) await this.#openPart(path);
    } catch (error) {
      await this.#goWithout(error);
    }
  }

  /** Stops writing to the cache after an error. Its contents are still read. */
  async #goWithout(error: unknown): Promise<void> {
    if (!(error instanceof UserError)) throw error;
    const writer = this.#writer;
    this.#writer = null;
    const first = this.#cache !== null;
    this.#cache = null;
    await writer?.abandon();
    if (first) {
      this.#options.onProblem?.(
        `decoded pictures are not kept for the next start, and what does not fit into memory is decoded each time: ${error.message}`,
      );
    }
  }

  #open(): Promise<void> {
    this.#opened ??= this.#readCache();
    return this.#opened;
  }

  async #readCache(): Promise<void> {
    const cache = this.#cache;
    if (!cache) return;
    const { files, disk, folder } = cache;
    try {
      await files.makeDirectory(folder);
      for (const name of await files.list(folder)) {
        const path = `${folder}/${name}`;
        if (name.endsWith(SUFFIX)) await this.#openPart(path);
        else if (name.endsWith(unfinished) && (await disk.age(path)) > ABANDONED_MS) await files.remove(path);
      }
      await this.#readStamps(cache);
    } catch (error) {
      await this.#goWithout(error);
    }
  }

  async #readStamps({ files, folder }: PictureCache): Promise<void> {
    const path = `${folder}/${STAMPS}`;
    if (!(await files.exists(path))) return;
    let value: unknown;
    try {
      value = parseJson(await files.readText(path));
    } catch {
      return; // It is a hint.
    }
    for (const row of Array.isArray(value) ? value : []) {
      const [name, stamp, content] = Array.isArray(row) ? row : [];
      if ([name, stamp, content].every((word) => typeof word === "string"))
        this.#stamps.set(name, { stamp, content });
    }
  }

  async #openPart(path: string): Promise<void> {
    const { disk } = this.#cache!;
    let file: DiskFile;
    try {
      file = await disk.open(path);
    } catch (error) {
      if (error instanceof UserError) return; // Another process has removed it.
      throw error;
    }
    const index = await readIndex(file, this.#options.size, this.#each);
    if (index === null) {
      await file.close();
      await this.#discard(path);
      return;
    }
    const part = { path, file, contents: index.contents };
    this.#parts.push(part);
    index.contents.forEach((content, slot) => {
      if (!this.#places.has(content))
        this.#places.set(content, { part, slot, check: index.checks[slot]!, verified: false });
    });
  }

  readonly #discarded = new Set<string>();

  async #discard(path: string): Promise<void> {
    if (this.#discarded.has(path)) return;
    this.#discarded.add(path);
    this.#options.onProblem?.(`${path} is damaged; its pictures are decoded again`);
    // Removal fails in a read-only cache; the damage is then found again.
    await this.#cache?.files.remove(path).catch(() => {});
  }

  /** Writes the stamps. Removes files whose pictures have all changed or also lie in another file. */
  async #tidy(): Promise<void> {
    const cache = this.#cache;
    if (!cache) return;
    if (this.#options.whole) {
      const names = new Set(this.#origins.map(({ name }) => name));
      for (const name of this.#stamps.keys()) {
        if (names.has(name)) continue;
        this.#stamps.delete(name);
        this.#stampsChanged = true;
      }
    }
    try {
      if (this.#stampsChanged) {
        const rows = [...this.#stamps].map(([name, { stamp, content }]) => [name, stamp, content]);
        await cache.files.write(`${cache.folder}/${STAMPS}`, JSON.stringify(rows));
        this.#stampsChanged = false;
      }
      const wanted = new Set([...this.#stamps.values()].map(({ content }) => content));
      for (const content of this.#contents) if (content) wanted.add(content);
      for (const { path, contents } of this.#parts) {
        const useful = contents.some(
          (content) => wanted.has(content) && this.#places.get(content)?.part.path === path,
        );
        // A recent file may belong to a process that has not yet written its stamps. A removed file can still be read here
        // because it is open.
        if (!useful && (await cache.disk.age(path)) > ABANDONED_MS) await cache.files.remove(path);
      }
    } catch (error) {
      await this.#goWithout(error);
    }
  }
}

const boxText = ({ x, y, width, height }: PictureBox) => [x, y, width, height].join(" ");

interface PartIndex {
  readonly contents: string[];
  readonly checks: string[];
}

/** Reads the index of a file of the cache; null if the file is damaged or of another kind. */
async function readIndex(file: DiskFile, size: number, each: number): Promise<PartIndex | null> {
  if (file.bytes < TRAILER) return null;
  const trailer = new Uint8Array(TRAILER);
  try {
    await file.read(trailer, file.bytes - TRAILER);
    const view = new DataView(trailer.buffer);
    const bytes = view.getUint32(16, true);
    const start = file.bytes - TRAILER - bytes;
    if (new TextDecoder().decode(trailer.subarray(0, 16)) !== FORMAT.padEnd(16) || start < 0) return null;
    const text = new Uint8Array(bytes);
    await file.read(text, start);
    if (crc32(text) !== view.getUint32(20, true)) return null;
    const index = parseJson(new TextDecoder().decode(text)) as PartIndex & { size: number };
    const { contents, checks } = index;
    if (index.size !== size || contents.length !== checks.length || start !== contents.length * each)
      return null;
    return { contents, checks };
  } catch (error) {
    if (error instanceof UserError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Writes a file of the cache. */
class PartWriter {
  readonly #cache: PictureCache;
  readonly #contents = new Map<string, string>();
  #path = "";
  #file: DiskWriter | null = null;
  /** Serialises the writes. */
  #last: Promise<void> = Promise.resolve();
  #ended = false;
  #failed = false;
  bytes = 0;

  constructor(cache: PictureCache) {
    this.#cache = cache;
  }

  has(content: string): boolean {
    return this.#contents.has(content);
  }

  /** Returns false if the file has already ended. */
  async append(content: string, check: string, pixels: Uint8Array): Promise<boolean> {
    if (this.#ended) return false;
    if (this.#contents.has(content)) return true;
    this.#contents.set(content, check);
    this.bytes += pixels.length;
    await this.#then(async (file) => file.write(pixels));
    return true;
  }

  /** Ends the file and returns its path; null if it is empty. */
  async finish(size: number): Promise<string | null> {
    this.#ended = true;
    if (this.#contents.size === 0) return null;
    const index = { size, contents: [...this.#contents.keys()], checks: [...this.#contents.values()] };
    const text = new TextEncoder().encode(JSON.stringify(index));
    const trailer = new Uint8Array(TRAILER);
    trailer.set(new TextEncoder().encode(FORMAT.padEnd(16)));
    const view = new DataView(trailer.buffer);
    view.setUint32(16, text.length, true);
    view.setUint32(20, crc32(text), true);
    try {
      await this.#then(async (file) => {
        await file.write(text);
        await file.write(trailer);
        await file.finish();
      });
    } catch (error) {
      await this.abandon();
      throw error;
    }
    return this.#path;
  }

  async abandon(): Promise<void> {
    this.#ended = true;
    await this.#last.catch(() => {});
    await this.#file?.abandon();
  }

  #then(work: (file: DiskWriter) => Promise<void>): Promise<void> {
    const next = this.#last.then(async () => {
      if (this.#failed) throw new UserError("an earlier write failed");
      if (!this.#file) {
        const name = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
        this.#path = `${this.#cache.folder}/${name}${SUFFIX}`;
        this.#file = await this.#cache.disk.create(this.#path);
      }
      await work(this.#file);
    });
    this.#last = next.catch(() => {
      this.#failed = true;
    });
    return next;
  }
}
