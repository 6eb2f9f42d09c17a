/** Safetensors files, read tensor by tensor. */

import { headerBytes, LENGTH_BYTES, parseHeader } from "../engine/weights/safetensors-header.js";
import type { DiskFile } from "../platform/disk.js";
import { dtypeBytes } from "./dtypes.js";
import { FileTensor, type WeightFile } from "./weight-file.js";

/** Reads the header of a safetensors file. The file stays open until `close`. */
export async function openSafetensors(file: DiskFile, path: string): Promise<WeightFile> {
  const start = new Uint8Array(LENGTH_BYTES);
  await file.read(start.subarray(0, Math.min(LENGTH_BYTES, file.bytes)), 0);
  const length = headerBytes(start, file.bytes, path);
  const header = new Uint8Array(length);
  await file.read(header, LENGTH_BYTES);
  const dataStart = LENGTH_BYTES + length;
  const { entries, metadata } = parseHeader(header, file.bytes - dataStart, dtypeBytes, path);
  const tensors = new Map<string, FileTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const readBytes = async () => {
      const bytes = new Uint8Array(end - begin);
      await file.read(bytes, dataStart + begin);
      return bytes;
    };
    tensors.set(name, new FileTensor(name, dtype, shape, end - begin, readBytes));
  }
  return {
    path,
    kind: "safetensors",
    files: [path],
    tensors,
    metadata,
    beside: [],
    close: () => file.close(),
  };
}
