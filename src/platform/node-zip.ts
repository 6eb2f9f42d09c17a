/**
 * Zip archives read in place, by yauzl: it reads the central directory and finds where an entry's bytes begin. Only stored
 * entries are accepted, so no entry is larger than the file and nothing can expand.
 */

import * as zlib from "node:zlib";
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from "yauzl";
import type { ArchiveEntry } from "./archive.js";
import type { DiskFile } from "./disk.js";
import { UserError } from "./errors.js";
import { shown } from "./shown.js";

/** CRC-32 by Node; undefined before Node 20.15. Some fifty times as fast as JavaScript. */
export const nativeCrc32: ((bytes: Uint8Array) => number) | undefined = zlib.crc32;

/** As many entries as any archive of weights has, each of which takes memory. */
const MOST_ENTRIES = 200_000;
/** Bytes that are read at once while the directory is read, whose entries are small. */
const READ_AHEAD = 2 ** 16;

/** Lets yauzl read a file that is already open. */
class Reader extends RandomAccessReader {
  /** Bytes from `ahead.start` on, while the directory is read. */
  private ahead = { start: 0, bytes: new Uint8Array() };
  readsAhead = true;

  constructor(private readonly file: DiskFile) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    if (position + length > this.file.bytes) {
      callback(null, 0); // yauzl reports the end of the file
      return;
    }
    this.fill(buffer.subarray(offset, offset + length), position).then(
      () => callback(null, length),
      (error: Error) => callback(error),
    );
  }

  private async fill(target: Uint8Array, position: number): Promise<void> {
    if (!this.readsAhead || target.length > READ_AHEAD) return this.file.read(target, position);
    const { start, bytes } = this.ahead;
    if (position < start || position + target.length > start + bytes.length) {
      const read = new Uint8Array(Math.min(READ_AHEAD, this.file.bytes - position));
      await this.file.read(read, position);
      this.ahead = { start: position, bytes: read };
    }
    const from = position - this.ahead.start;
    target.set(this.ahead.bytes.subarray(from, from + target.length));
  }
}

/** Lists the entries of a zip archive; see `OpenArchive`. */
export async function openZip(file: DiskFile, path: string): Promise<ReadonlyMap<string, ArchiveEntry>> {
  const damaged = (error: unknown): UserError =>
    error instanceof UserError
      ? error
      : new UserError(
          `${path} is a damaged or incomplete zip archive: ${shown(error instanceof Error ? error.message : String(error))}`,
        );
  const entries = new Map<string, ArchiveEntry>();
  try {
    const reader = new Reader(file);
    const zip = await fromRandomAccessReaderPromise(reader, file.bytes, { autoClose: false });
    for await (const entry of zip.eachEntry()) {
      const { fileName: name, uncompressedSize: bytes, crc32: crc } = entry;
      if (name.endsWith("/")) continue;
      if (entries.size === MOST_ENTRIES) throw new Error(`it has more than ${MOST_ENTRIES} entries`);
      if (entries.has(name)) throw new Error(`it has the entry ${name} twice`);
      if (entry.isEncrypted()) throw new Error(`its entry ${name} is encrypted`);
      if (entry.compressionMethod !== 0) {
        throw new UserError(
          `${path}: the entry ${shown(name)} is compressed, which PyTorch does not do; unpack the archive and pack it again without compression (zip -0 -r)`,
        );
      }
      if (bytes > file.bytes)
        throw new Error(`its entry ${name} should have ${bytes} bytes, more than the file`);
      const begin = onceOf(() => dataStart(zip, entry));
      entries.set(name, {
        name,
        bytes,
        crc,
        async read(target, position) {
          try {
            await file.read(target, (await begin()) + position);
          } catch (error) {
            throw damaged(error);
          }
        },
      });
    }
    reader.readsAhead = false;
  } catch (error) {
    throw damaged(error);
  }
  return entries;
}

async function dataStart(zip: ZipFile, entry: Entry): Promise<number> {
  return (await zip.readLocalFileHeaderPromise(entry, { minimal: true })).fileDataStart;
}

function onceOf<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
