/**
 * A file of weights as other programs write it: its tensors by name, each read from the disk when it is asked for.
 *
 * Opening a file reads its table of contents alone. Every tensor of it is checked then: names, types and shapes fit, and its
 * bytes lie inside of the file. Errors are `UserError`s that name the file and the entry.
 */

import type { StoredTensor } from "../engine/weights/safetensors.js";
import type { OpenArchive } from "../platform/archive.js";
import type { Disk } from "../platform/disk.js";
import type { Files } from "../platform/platform.js";
import { type FileDtype, type FileValues, toFloat32, valuesOf } from "./dtypes.js";

/** What a file of weights is. A folder or an index of shards has the kind of its shards. */
export type WeightFileKind = "safetensors" | "PyTorch zip" | "PyTorch legacy" | "TorchScript";

/** An open file of weights. */
export interface WeightFile {
  /** As it was given. */
  readonly path: string;
  readonly kind: WeightFileKind;
  /** The files with the tensors: `path` itself, or the shards of an index. */
  readonly files: readonly string[];
  /** Tensors by name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /** Texts and numbers beside the tensors: `__metadata__` of safetensors, plain values beside a state dict. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Keys of a training checkpoint whose values are not read: states of optimisers, callbacks. */
  readonly beside: readonly string[];
  /** Closes the file. Tensors cannot be read after that. */
  close(): Promise<void>;
}

/** Reads the bytes of a tensor in row-major order, little-endian. */
type ReadBytes = () => Promise<Uint8Array>;

/** A tensor of a file. Reading it reads only its part of the file; every read returns memory of its own. */
export class FileTensor {
  constructor(
    readonly name: string,
    readonly dtype: FileDtype,
    readonly shape: readonly number[],
    /** Bytes of its values in row-major order. */
    readonly bytes: number,
    private readonly readFile: ReadBytes,
  ) {}

  /** The number of its values. */
  get size(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** The values as stored: row-major, little-endian bytes. */
  readBytes(): Promise<Uint8Array> {
    return this.readFile();
  }

  /** The values, row-major, as numbers: see `FileValues`. Exact. */
  async read(): Promise<FileValues> {
    return valuesOf(this.dtype, await this.readFile());
  }

  /** The values, row-major, as float32. */
  async readFloat32(): Promise<Float32Array> {
    return toFloat32(await this.read());
  }

  /** The tensor in memory, as `loadWeights` and `mapWeights` take it. Types that they do not know become F32 or I32. */
  async load(): Promise<StoredTensor> {
    const { dtype, shape } = this;
    const bytes = await this.readFile();
    if (dtype === "F16") return { dtype, shape, data: valuesOf("U16", bytes) as Uint16Array };
    const data = valuesOf(dtype, bytes);
    if (data instanceof BigInt64Array) return { dtype: "I64", shape, data };
    if (data instanceof Int32Array) return { dtype: "I32", shape, data };
    if (data instanceof Uint32Array) return { dtype: "U32", shape, data };
    if (data instanceof Uint8Array) return { dtype: "U8", shape, data };
    if (data instanceof Int16Array || data instanceof Uint16Array || data instanceof Int8Array) {
      return { dtype: "I32", shape, data: Int32Array.from(data) };
    }
    return { dtype: "F32", shape, data: toFloat32(data) };
  }
}

/** The tensors in memory, all or those of `names`, by name, for `loadWeights` and `mapWeights`. */
export async function loadTensors(
  { tensors }: WeightFile,
  names: Iterable<string> = tensors.keys(),
): Promise<Map<string, StoredTensor>> {
  const loaded = new Map<string, StoredTensor>();
  for (const name of names) {
    const tensor = tensors.get(name);
    if (tensor) loaded.set(name, await tensor.load());
  }
  return loaded;
}

/** Where files of weights are read. */
export interface WeightPlace {
  readonly files: Pick<Files, "readText" | "exists" | "isDirectory" | "list">;
  readonly disk: Pick<Disk, "open">;
  readonly openArchive: OpenArchive;
}
