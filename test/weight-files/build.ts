/** Builds pickles, zip archives and PyTorch files byte by byte, right or wrong ones, for tests. */

import { deflateRawSync } from "node:zlib";
import { crc32 } from "../../dist/platform/crc32.js";

/** Opcodes in place of a value. */
export class Raw {
  constructor(readonly bytes: Uint8Array) {}
}
/** A class or function by name. */
export class Global {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}
}
/** A call of a class. */
export class Call {
  constructor(
    readonly type: Global,
    readonly args: readonly Picklable[],
    readonly state?: Picklable,
  ) {}
}
/** A reference to data outside of the pickle. */
export class Persistent {
  constructor(readonly id: readonly Picklable[]) {}
}
/** A Python tuple. */
export class Tuple {
  constructor(readonly items: readonly Picklable[]) {}
}

export type Picklable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Raw
  | Global
  | Call
  | Persistent
  | Tuple
  | readonly Picklable[]
  | ReadonlyMap<Picklable, Picklable>;

const ascii = (text: string) => Buffer.from(text, "latin1");
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

/** A pickle of protocol 2. */
export function pickleOf(value: Picklable): Buffer {
  return Buffer.concat([ascii("\x80\x02"), code(value), ascii(".")]);
}

function code(value: Picklable): Buffer {
  if (value === null) return ascii("N");
  if (typeof value === "boolean") return ascii(value ? "\x88" : "\x89");
  if (typeof value === "string") {
    const text = Buffer.from(value);
    return Buffer.concat([ascii("X"), u32(text.length), text]);
  }
  if (typeof value === "bigint" || (Number.isInteger(value) && Math.abs(value as number) >= 2 ** 31)) {
    const bytes = Buffer.alloc(12);
    bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(value as number)));
    bytes.writeInt32LE(Number(BigInt(value as number) >> 64n), 8);
    return Buffer.concat([ascii("\x8a\x0c"), bytes]);
  }
  if (typeof value === "number") {
    if (Number.isInteger(value)) {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32LE(value);
      return Buffer.concat([ascii("J"), bytes]);
    }
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return Buffer.concat([ascii("G"), bytes]);
  }
  if (value instanceof Raw) return Buffer.from(value.bytes);
  if (value instanceof Global) return ascii(`c${value.module}\n${value.name}\n`);
  if (value instanceof Tuple) return Buffer.concat([ascii("("), ...value.items.map(code), ascii("t")]);
  if (value instanceof Persistent) return Buffer.concat([code(new Tuple(value.id)), ascii("Q")]);
  if (value instanceof Call) {
    const made = Buffer.concat([code(value.type), code(new Tuple(value.args)), ascii("R")]);
    return value.state === undefined ? made : Buffer.concat([made, code(value.state), ascii("b")]);
  }
  if (value instanceof Map) {
    const pairs = [...(value as ReadonlyMap<Picklable, Picklable>)].flat(1) as Picklable[];
    return Buffer.concat([ascii("}("), ...pairs.map(code), ascii("u")]);
  }
  return Buffer.concat([ascii("]("), ...(value as readonly Picklable[]).map(code), ascii("e")]);
}

export interface ZipFile {
  name: string;
  data: Uint8Array;
  /** What the directory says, where it is not the truth. */
  crc?: number;
  size?: number;
  deflated?: boolean;
  encrypted?: boolean;
  /** Where the directory says that the entry is. */
  offset?: number;
}

/** A zip archive. */
export function zipOf(files: readonly ZipFile[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const file of files) {
    const stored = file.deflated ? deflateRawSync(file.data) : Buffer.from(file.data);
    const name = Buffer.from(file.name);
    const fields = Buffer.alloc(26); // from "version needed" to "extra length"
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(file.encrypted ? 1 : 0, 2);
    fields.writeUInt16LE(file.deflated ? 8 : 0, 4);
    fields.writeUInt32LE(file.crc ?? crc32(file.data), 10);
    fields.writeUInt32LE(file.deflated ? stored.length : (file.size ?? stored.length), 14);
    fields.writeUInt32LE(file.size ?? file.data.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14); // from "comment length" to the offset
    tail.writeUInt32LE(file.offset ?? position, 10);
    directory.push(Buffer.concat([ascii("PK\x01\x02"), Buffer.from([20, 0]), fields, tail, name]));
    const local = Buffer.concat([ascii("PK\x03\x04"), fields, name, stored]);
    parts.push(local);
    position += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(position, 12);
  return Buffer.concat([...parts, central, ascii("PK\x05\x06"), end]);
}

/** A float32 tensor as PyTorch pickles it. */
export function tensorOf(
  key: string,
  size: number | bigint,
  offset: number | bigint,
  shape: readonly (number | bigint)[],
  stride: readonly (number | bigint)[],
  storage = "FloatStorage",
): Call {
  const reference = new Persistent(["storage", new Global("torch", storage), key, "cpu", size]);
  return new Call(new Global("torch._utils", "_rebuild_tensor_v2"), [
    reference,
    offset,
    new Tuple(shape),
    new Tuple(stride),
    false,
    new Call(new Global("collections", "OrderedDict"), []),
  ]);
}

/** float32 numbers as bytes. */
export function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** A file in PyTorch's zip format. */
export function torchZip(
  root: Picklable,
  storages: Readonly<Record<string, Uint8Array>>,
  more: readonly ZipFile[] = [],
): Buffer {
  return zipOf([
    { name: "archive/data.pkl", data: pickleOf(root) },
    ...Object.entries(storages).map(([key, data]) => ({ name: `archive/data/${key}`, data })),
    ...more,
    { name: "archive/version", data: ascii("3\n") },
  ]);
}

/** A file in PyTorch's format before the zip. `counts` are the numbers of elements where they are not the truth. */
export function torchLegacy(
  root: Picklable,
  storages: Readonly<Record<string, Uint8Array>>,
  options: { elementBytes?: number; counts?: Readonly<Record<string, bigint>>; little?: boolean } = {},
): Buffer {
  const { elementBytes = 4, counts = {}, little = true } = options;
  const system = new Map<Picklable, Picklable>([
    ["protocol_version", 1001],
    ["little_endian", little],
  ]);
  return Buffer.concat([
    pickleOf(0x1950a86a20f9469cfc6cn),
    pickleOf(1001),
    pickleOf(system),
    pickleOf(root),
    pickleOf(Object.keys(storages)),
    ...Object.entries(storages).flatMap(([key, data]) => [
      u64(counts[key] ?? data.length / elementBytes),
      Buffer.from(data),
    ]),
  ]);
}
