/**
 * Zip archives read in place, by yauzl: it reads the central directory and finds where an entry's bytes begin. Only stored
 * entries are accepted, so no entry is larger than the file and nothing can expand.
 */

import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from "yauzl";
import type { ArchiveEntry } from "./archive.js";
import type { DiskFile } from "./disk.js";
import { UserError } from "./errors.js";
import { shown } from "./shown.js";

/** Lets yauzl read a file that is already open. */
class Reader extends RandomAccessReader {
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
    this.file.read(buffer.subarray(offset, offset + length), position).then(
      () => callback(null, length),
      (error: Error) => callback(error),
    );
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
    const zip = await fromRandomAccessReaderPromise(new Reader(file), file.bytes, { autoClose: false });
    for await (const entry of zip.eachEntry()) {
      const { fileName: name, uncompressedSize: bytes, crc32: crc } = entry;
      if (name.endsWith("/")) continue;
      if (entries.has(name)) throw new Error(`it has the entry ${name} twice`);
      if (entry.isEncrypted()) throw new Error(`its entry ${name} is encrypted`);
      if (entry.compressionMethod !== 0) {
        throw new UserError(
          `${path}: the entry ${shown(name)} is compressed, which PyTorch does not do; unpack the archive and pack it again without compression (zip -0 -r)`,
        );
      }
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
