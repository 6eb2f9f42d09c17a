/**
 * PyTorch's zip format and TorchScript archives: a zip archive with one folder of any name that holds `data.pkl`, the object with
 * references to storages, and `data/KEY`, the bytes of each storage. A TorchScript archive has `constants.pkl` beside it, and its
 * object is a tree of modules.
 */

import { crc32 } from "../io/crc32.js";
import { loadPickle, MOST_PICKLE_BYTES } from "../io/pickle/pickle.js";
import type { ArchiveEntry, OpenArchive } from "../platform/archive.js";
import type { DiskFile } from "../platform/disk.js";
import { UserError } from "../platform/errors.js";
import { shown } from "../platform/shown.js";
import { nameTensors } from "./named-tensors.js";
import { storageOf, torchClasses } from "./torch-classes.js";
import { fileTensors, type StoragePlace } from "./torch-tensors.js";
import type { WeightFile } from "./weight-file.js";

const PICKLE = "data.pkl";

/** Opens a PyTorch or TorchScript archive. The file stays open until `close`. */
export async function openTorchArchive(
  file: DiskFile,
  path: string,
  openArchive: OpenArchive,
): Promise<WeightFile> {
  const entries = await openArchive(file, path);
  const pickles = [...entries.keys()].filter((name) => /^([^/]+\/)?data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    throw new UserError(
      `${path} is a zip archive with ${pickles.length === 0 ? "no" : "more than one"} ${PICKLE}, so it is no file of PyTorch`,
    );
  }
  const root = pickles[0]!.slice(0, -PICKLE.length);
  await checkByteOrder(entries.get(`${root}byteorder`), path);

  const pickle = entries.get(pickles[0]!)!;
  const fileName = `${path}: ${shown(pickle.name)}`;
  if (pickle.bytes > MOST_PICKLE_BYTES) {
    throw new UserError(`${fileName} has ${pickle.bytes} bytes; at most ${MOST_PICKLE_BYTES} are read`);
  }
  const bytes = new Uint8Array(pickle.bytes);
  await readEntry(pickle, bytes, 0, path);
  const { value } = loadPickle(bytes, fileName, { classes: torchClasses, persistent: storageOf });
  const named = nameTensors(value, fileName);

  const placeOf = (key: string): StoragePlace | undefined => {
    const entry = entries.get(`${root}data/${key}`);
    return (
      entry && {
        bytes: entry.bytes,
        read: (target, position) => readEntry(entry, target, position, path),
      }
    );
  };
  return {
    path,
    kind: entries.has(`${root}constants.pkl`) ? "TorchScript" : "PyTorch zip",
    files: [path],
    tensors: fileTensors(named.tensors, placeOf, fileName, file.bytes),
    metadata: named.metadata,
    beside: named.beside,
    close: () => file.close(),
  };
}

/** Reads a part of an entry. Checks its CRC where the part is the whole; a stored CRC of 0 means that it was not computed. */
async function readEntry(
  entry: ArchiveEntry,
  target: Uint8Array,
  position: number,
  path: string,
): Promise<void> {
  await entry.read(target, position);
  if (position !== 0 || target.length !== entry.bytes || entry.crc === 0) return;
  if (crc32(target) !== entry.crc) {
    throw new UserError(
      `${path}: the entry ${shown(entry.name)} is damaged: its CRC-32 is not the one that the archive states`,
    );
  }
}

async function checkByteOrder(entry: ArchiveEntry | undefined, path: string): Promise<void> {
  if (!entry) return; // before PyTorch 2.1
  const text = new Uint8Array(Math.min(entry.bytes, 16));
  await entry.read(text, 0);
  const order = String.fromCharCode(...text);
  if (order !== "little") {
    throw new UserError(
      `${path}: the entry ${shown(entry.name)} states the byte order "${shown(order)}"; only "little" is read`,
    );
  }
}
