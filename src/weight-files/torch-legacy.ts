/**
 * PyTorch's format before the zip: five pickles (a magic number, the protocol, the machine's sizes, the object, the keys of its
 * storages in order), then for each key the number of elements in 8 bytes and the elements.
 */

import { PickleError } from "../io/pickle/bytes.js";
import type { PickleOptions } from "../io/pickle/machine.js";
import { runPickle } from "../io/pickle/opcodes.js";
import { MOST_PICKLE_BYTES, pickleFailure } from "../io/pickle/pickle.js";
import type { DiskFile } from "../platform/disk.js";
import { UserError } from "../platform/errors.js";
import { shown } from "../platform/shown.js";
import { nameTensors } from "./named-tensors.js";
import { storageOf, TorchStorage, torchClasses } from "./torch-classes.js";
import { fileTensors, type StoragePlace } from "./torch-tensors.js";
import type { WeightFile } from "./weight-file.js";

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
/** Bytes that are read first; most files have their pickles there. */
const FIRST_BYTES = 2 ** 16;

/** Opens a file in PyTorch's older format. The file stays open until `close`. */
export async function openTorchLegacy(file: DiskFile, path: string): Promise<WeightFile> {
  const storages = new Map<string, TorchStorage>();
  const persistent = (id: unknown): unknown => {
    const storage = storageOf(id);
    if (storage instanceof TorchStorage) {
      const known = storages.get(storage.key);
      if (known && known.dtype !== storage.dtype) {
        throw new PickleError(`storage ${storage.key} with two types`);
      }
      storages.set(storage.key, storage);
    }
    return storage;
  };
  const pickles = await readPickles(file, path, { classes: torchClasses, persistent });
  const [, protocol, system, value, keys] = pickles.values;
  if (protocol !== PROTOCOL) {
    throw new UserError(
      `${path} has version ${described(protocol)} of PyTorch's older format; ${PROTOCOL} is read`,
    );
  }
  if (!(system instanceof Map) || system.get("little_endian") !== true) {
    throw new UserError(`${path} was not written on a little-endian machine; convert it there`);
  }
  const fileName = `${path}: its object`;
  const named = nameTensors(value, fileName);
  const places = await storagePlaces(file, path, pickles.length, keys, storages);
  return {
    path,
    kind: "PyTorch legacy",
    files: [path],
    tensors: fileTensors(named.tensors, (key) => places.get(key), fileName, file.bytes),
    metadata: named.metadata,
    beside: named.beside,
    close: () => file.close(),
  };
}

/** Runs the five pickles. Reads as much of the file as they need. */
async function readPickles(
  file: DiskFile,
  path: string,
  options: PickleOptions,
): Promise<{ values: unknown[]; length: number }> {
  const most = Math.min(file.bytes, MOST_PICKLE_BYTES);
  for (let size = Math.min(FIRST_BYTES, most); ; size = Math.min(2 * size, most)) {
    const bytes = new Uint8Array(size);
    await file.read(bytes, 0);
    const values: unknown[] = [];
    let length = 0;
    try {
      while (values.length < 5) {
        const pickle = runPickle(bytes.subarray(length), options);
        length += pickle.length;
        values.push(pickle.value);
        if (values[0] !== MAGIC) {
          throw new UserError(
            `${path} is a pickle, but no file of PyTorch: it does not begin with PyTorch's number`,
          );
        }
      }
      return { values, length };
    } catch (error) {
      if (error instanceof PickleError && error.isCutShort && size < most) continue;
      throw pickleFailure(error, `${path}: its pickle ${values.length + 1} of 5`);
    }
  }
}

/** The places of the storages behind the pickles, by key. */
async function storagePlaces(
  file: DiskFile,
  path: string,
  begin: number,
  keys: unknown,
  storages: ReadonlyMap<string, TorchStorage>,
): Promise<Map<string, StoragePlace>> {
  const places = new Map<string, StoragePlace>();
  const count = new Uint8Array(8);
  let position = begin;
  for (const key of Array.isArray(keys) ? (keys as unknown[]) : [keys]) {
    const storage = typeof key === "string" ? storages.get(key) : undefined;
    if (!storage) {
      throw new UserError(`${path} lists the storage ${described(key)}, which its object does not use`);
    }
    if (position + count.length > file.bytes) {
      throw new UserError(`${path} ends before its storage ${shown(storage.key)} (cut short?)`);
    }
    await file.read(count, position);
    position += count.length;
    const bytes = new DataView(count.buffer).getBigUint64(0, true) * BigInt(storage.elementBytes);
    if (bytes > BigInt(file.bytes - position)) {
      throw new UserError(
        `${path}: its storage ${shown(storage.key)} should have ${bytes} bytes but only ${file.bytes - position} follow (cut short?)`,
      );
    }
    const start = position;
    places.set(storage.key, {
      bytes: Number(bytes),
      read: (target, offset) => file.read(target, start + offset),
    });
    position += Number(bytes);
  }
  return places;
}

/** A value of a message; lists and objects are not written out. */
function described(value: unknown): string {
  return typeof value === "object" ? "(an object)" : shown(String(value), 40);
}
