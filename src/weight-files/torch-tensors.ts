/** Makes tensors of a file from their descriptions in a pickle and the places of their storages. */

import { UserError } from "../platform/errors.js";
import { shown } from "../platform/shown.js";
import { dtypeBytes } from "./dtypes.js";
import { reach, readView } from "./strided.js";
import type { TorchTensor } from "./torch-classes.js";
import { FileTensor } from "./weight-file.js";

/** The bytes of a storage in the file. */
export interface StoragePlace {
  readonly bytes: number;
  /** Fills `target` from `position` of the storage. */
  read(target: Uint8Array, position: number): Promise<void>;
}

/** Most bytes of a tensor that repeats elements, in a file of fewer bytes. */
const SMALL = 2 ** 20;

/**
 * The tensors of a file. `placeOf` finds a storage by its key, undefined if there is none. `fileBytes` bounds tensors that repeat
 * elements (stride 0): one byte of a storage could stand for any number of them. Throws a `UserError` that begins with `fileName`.
 */
export function fileTensors(
  tensors: ReadonlyMap<string, TorchTensor>,
  placeOf: (key: string) => StoragePlace | undefined,
  fileName: string,
  fileBytes: number,
): Map<string, FileTensor> {
  const result = new Map<string, FileTensor>();
  for (const [name, tensor] of tensors) {
    const { storage, dtype, shape, stride } = tensor;
    const fail = (what: string): never => {
      throw new UserError(`${fileName}: the tensor "${shown(name)}" ${what}`);
    };
    const place = placeOf(storage.key);
    if (!place) return fail(`has its values in the storage ${shown(storage.key)}, which the file lacks`);
    const elementBytes = dtypeBytes[dtype];
    // Offsets of views of a storage count in its own elements.
    const first = storage.offset * storage.elementBytes + tensor.offset * elementBytes;
    const extent = reach(shape, stride) * elementBytes;
    if (extent > 0 && first + extent > place.bytes) {
      fail(
        `ends at byte ${first + extent} of the storage ${shown(storage.key)}, which has ${place.bytes} bytes (cut short?)`,
      );
    }
    const bytes = shape.reduce((product, size) => product * size, elementBytes);
    if (bytes > Math.max(fileBytes, SMALL)) {
      fail(`repeats its elements to ${bytes} bytes, more than the file has: store it contiguously`);
    }
    const readBytes = () =>
      readView((target, position) => place.read(target, first + position), shape, stride, elementBytes);
    result.set(name, new FileTensor(name, dtype, shape, bytes, readBytes));
  }
  return result;
}
