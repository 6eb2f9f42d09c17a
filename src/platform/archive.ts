/** Reading an archive in place: its entries are ranges of a file. Node only (node-zip.ts). */

import type { DiskFile } from "./disk.js";

/** A file in an archive. */
export interface ArchiveEntry {
  readonly name: string;
  readonly bytes: number;
  /** CRC-32 of its content. */
  readonly crc: number;
  /** Fills `target` from `position` of the entry's content. Throws a `UserError` if the archive is damaged there. */
  read(target: Uint8Array, position: number): Promise<void>;
}

/**
 * Lists the entries of an archive by name, in the order of its directory. Nothing is unpacked. Throws a `UserError` that names
 * `path`, and the entry if one is compressed, encrypted or twice there.
 */
export type OpenArchive = (file: DiskFile, path: string) => Promise<ReadonlyMap<string, ArchiveEntry>>;
