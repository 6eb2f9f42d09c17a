/** The constructors of PyTorch that tensors in a pickle need, and what they make: descriptions of tensors, without their values. */

import { PickleError } from "../io/pickle/bytes.js";
import type { Construct, FindClass } from "../io/pickle/classes.js";
import { PickleClass, type PickleObject } from "../io/pickle/values.js";
import { dtypeBytes, type FileDtype } from "./dtypes.js";

/** The bytes that tensors view: an entry of an archive, or a part of a file. */
export class TorchStorage {
  constructor(
    readonly key: string,
    /** Null for bytes without a type, whose tensors name their own. */
    readonly dtype: FileDtype | null,
    /** Elements; bytes where there is no type. */
    readonly size: number,
    /** First element of a view of a storage, as very old files have them. */
    readonly offset = 0,
  ) {}

  /** Bytes of an element. */
  get elementBytes(): number {
    return this.dtype === null ? 1 : dtypeBytes[this.dtype];
  }
}

/** A tensor as a view of a storage: element i is storage[offset + Σ iₖ · strideₖ]. */
export class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly dtype: FileDtype,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly stride: readonly number[],
  ) {}
}

const STORAGES: ReadonlyMap<string, FileDtype | null> = new Map<string, FileDtype | null>([
  ["DoubleStorage", "F64"],
  ["FloatStorage", "F32"],
  ["HalfStorage", "F16"],
  ["BFloat16Storage", "BF16"],
  ["LongStorage", "I64"],
  ["IntStorage", "I32"],
  ["ShortStorage", "I16"],
  ["CharStorage", "I8"],
  ["ByteStorage", "U8"],
  ["BoolStorage", "BOOL"],
  ["ComplexFloatStorage", "C64"],
  ["UntypedStorage", null],
  ["_UntypedStorage", null],
]);

const DTYPES: ReadonlyMap<string, FileDtype> = new Map<string, FileDtype>([
  ["float64", "F64"],
  ["float32", "F32"],
  ["float16", "F16"],
  ["bfloat16", "BF16"],
  ["float8_e4m3fn", "F8_E4M3"],
  ["float8_e5m2", "F8_E5M2"],
  ["int64", "I64"],
  ["int32", "I32"],
  ["int16", "I16"],
  ["int8", "I8"],
  ["uint64", "U64"],
  ["uint32", "U32"],
  ["uint16", "U16"],
  ["uint8", "U8"],
  ["bool", "BOOL"],
  ["complex64", "C64"],
]);

/** A whole number ≥ 0 that a double holds exactly. */
function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** The storage that a persistent id stands for: ("storage", type, key, location, elements), in the older format with a view behind. */
export function storageOf(id: unknown): unknown {
  if (!Array.isArray(id)) throw new PickleError("a reference to something that is no storage");
  // A class with its source code, as the older format keeps it beside a whole module.
  if (id[0] === "module" && id[1] instanceof PickleClass) return id[1];
  const [kind, type, key, , size, view] = id as unknown[];
  if (kind !== "storage" || !(type instanceof PickleClass) || typeof key !== "string") {
    throw new PickleError("a reference to something that is no storage");
  }
  const dtype = STORAGES.get(type.name);
  if (dtype === undefined || !/^torch(\.|$)/.test(type.module)) {
    throw new PickleError(`a storage of the type ${type.fullName}, which is not read`);
  }
  if (!isSize(size)) throw new PickleError(`storage ${key} with a size that is no whole number`);
  if (view === undefined || view === null) return new TorchStorage(key, dtype, size);
  const [, offset, length] = Array.isArray(view) ? (view as unknown[]) : [];
  if (!isSize(offset) || !isSize(length) || offset + length > size) {
    throw new PickleError(`storage ${key} with a view that lies outside of it`);
  }
  return new TorchStorage(key, dtype, length, offset);
}

/** Checks a tensor against the declared size of its storage. */
function tensor(
  storage: unknown,
  offset: unknown,
  shape: unknown,
  stride: unknown,
  type?: unknown,
): TorchTensor {
  if (!(storage instanceof TorchStorage)) throw new PickleError("a tensor without a storage");
  const dtype = type instanceof PickleClass ? DTYPES.get(type.name) : storage.dtype;
  if (dtype === undefined || dtype === null) {
    throw new PickleError(
      `a tensor of the type ${type instanceof PickleClass ? type.fullName : "?"}, which is not read`,
    );
  }
  const where = `a tensor of storage ${storage.key}`;
  if (!Array.isArray(shape) || !Array.isArray(stride) || shape.length !== stride.length) {
    throw new PickleError(`${where} whose shape and strides do not match`);
  }
  if (!isSize(offset) || !shape.every(isSize) || !stride.every(isSize)) {
    throw new PickleError(`${where} whose offset, shape or strides are no whole numbers ≥ 0`);
  }
  const elements = shape.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(elements * dtypeBytes[dtype])) {
    throw new PickleError(`${where} with more elements than a file can have`);
  }
  if (elements > 0) {
    const last = shape.reduce((index, size, axis) => index + (size - 1) * stride[axis]!, offset);
    const room = Math.floor((storage.size * storage.elementBytes) / dtypeBytes[dtype]);
    if (last >= room) {
      throw new PickleError(`${where} that reaches to element ${last}, but the storage has ${room} elements`);
    }
  }
  return new TorchTensor(storage, dtype, offset, [...shape], [...stride]);
}

const KNOWN: ReadonlyMap<string, Construct> = new Map<string, Construct>([
  [
    "torch._utils._rebuild_tensor",
    ([storage, offset, shape, stride]) => tensor(storage, offset, shape, stride),
  ],
  [
    "torch._utils._rebuild_tensor_v2",
    ([storage, offset, shape, stride]) => tensor(storage, offset, shape, stride),
  ],
  [
    "torch._utils._rebuild_tensor_v3",
    ([storage, offset, shape, stride, , , dtype]) => tensor(storage, offset, shape, stride, dtype),
  ],
  ["torch._utils._rebuild_parameter", ([data]) => data],
  ["torch._utils._rebuild_parameter_with_state", ([data]) => data],
  ["torch.Size", ([sizes]) => (Array.isArray(sizes) ? [...sizes] : [])],
  // Lists of one type in TorchScript archives.
  ...["intlist", "tensorlist", "doublelist", "boollist"].map(
    (list) => [`torch.jit._pickle.build_${list}`, ([items]: readonly unknown[]) => items] as const,
  ),
  ["torch.jit._pickle.restore_type_tag", ([value]) => value],
]);

/** Constructors of PyTorch that tensors need. */
export const torchClasses: FindClass = (module, name) => KNOWN.get(`${module}.${name}`);

/** Whether an object is a tensor of a kind that is not read: sparse, quantized, on the meta device, of a subclass. */
export function isUnreadTensor(value: PickleObject): boolean {
  return /^torch\._utils\._rebuild_/.test(value.type.fullName);
}
