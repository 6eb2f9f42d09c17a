/**
 * The safetensors format: 8 bytes little-endian header length, a JSON header
 * `{name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {string: string}}` padded with spaces, then the
 * tensors' bytes, little-endian and row-major, without gaps. Offsets count from the end of the header.
 *
 * A file is untrusted input: every inconsistency of header and bytes is a `UserError` that names the file, the tensor and the
 * inconsistency. Nothing is allocated from an unchecked size.
 *
 * Typed arrays are used in the machine's byte order; every machine with WebGPU is little-endian.
 */

import { UserError } from "../../platform/errors.js";
import { isRecord, parseJson } from "../../platform/json.js";
import { shown } from "../../platform/shown.js";
import { bfloat16ToFloat32, FLOAT16_MAX, float32ToFloat16 } from "../tensor/float16.js";

/**
 * A tensor as stored. float16 is read as its bits, and written from bits or from numbers, which are rounded (see float16.ts);
 * bfloat16 is held as float32 in memory.
 */
export type StoredTensor =
  | { dtype: "F32" | "BF16"; shape: readonly number[]; data: Float32Array }
  | { dtype: "F16"; shape: readonly number[]; data: Uint16Array | Float32Array }
  | { dtype: "U32"; shape: readonly number[]; data: Uint32Array }
  | { dtype: "I32"; shape: readonly number[]; data: Int32Array }
  | { dtype: "I64"; shape: readonly number[]; data: BigInt64Array }
  | { dtype: "U8"; shape: readonly number[]; data: Uint8Array };

/** Supported element types of a safetensors file. */
export type StoredDtype = StoredTensor["dtype"];

/** A safetensors file in memory. */
export interface SafetensorsFile {
  /** Tensors by name, in the order of their bytes. */
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

const BYTES: Record<StoredDtype, number> = { I64: 8, F32: 4, U32: 4, I32: 4, F16: 2, BF16: 2, U8: 1 };
const METADATA = "__metadata__";
const LENGTH_BYTES = 8;
/** The reference implementation's limit; a header beyond it is an attack or not a header. */
const MAX_HEADER_BYTES = 100_000_000;

/**
 * Writes tensors as a safetensors file. The same tensors and metadata give the same bytes for any order of the maps: wide
 * element types first, then by name, so that every tensor is aligned to its element size.
 *
 * Throws a `UserError` when a finite value is beyond float16's range in an `F16` tensor; an `Error` when a shape does
 * not match its data, or for `BF16`, which is read only.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sorted = [...tensors].sort(
    ([nameA, a], [nameB, b]) => BYTES[b.dtype] - BYTES[a.dtype] || (nameA < nameB ? -1 : 1),
  );
  // Serialise a list of pairs by hand: an object would put integer-like names first and lose "__proto__".
  const header: string[] = [];
  if (Object.keys(metadata).length > 0) {
    const pairs = Object.keys(metadata)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${JSON.stringify(String(metadata[key]))}`);
    header.push(`"${METADATA}":{${pairs.join(",")}}`);
  }
  const parts: { begin: number; bytes: Uint8Array }[] = [];
  let end = 0;
  for (const [name, tensor] of sorted) {
    const bytes = tensorBytes(name, tensor);
    const begin = end;
    end += bytes.byteLength;
    parts.push({ begin, bytes });
    const entry = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, end] };
    header.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const text = new TextEncoder().encode(`{${header.join(",")}}`);
  const headerLength = Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(LENGTH_BYTES + headerLength + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerLength);
  file.set(text, LENGTH_BYTES);
  for (const { begin, bytes } of parts) file.set(bytes, LENGTH_BYTES + headerLength + begin);
  return file;
}

function tensorBytes(name: string, tensor: StoredTensor): Uint8Array {
  if (name === METADATA) throw new Error(`safetensors: "${METADATA}" cannot be a tensor's name`);
  const elements = tensor.shape.reduce((product, size) => product * size, 1);
  if (elements !== tensor.data.length) {
    throw new Error(
      `safetensors: tensor "${name}" has shape [${tensor.shape.join(", ")}] but ${tensor.data.length} elements`,
    );
  }
  if (tensor.dtype === "BF16") {
    throw new Error(`safetensors: tensor "${name}": BF16 is read only, write F16 or F32`);
  }
  if (tensor.dtype !== "F16" || tensor.data instanceof Uint16Array) {
    return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  }
  const halves = float32ToFloat16(tensor.data);
  for (let i = 0; i < halves.length; i++) {
    if ((halves[i]! & 0x7fff) === 0x7c00 && Number.isFinite(tensor.data[i]!)) {
      throw new UserError(
        `tensor "${name}" holds ${tensor.data[i]} at element ${i}, beyond float16's ±${FLOAT16_MAX}: store it as float32`,
      );
    }
  }
  return new Uint8Array(halves.buffer);
}

/**
 * Reads a whole safetensors file. `fileName` is for messages only. Tensors share the memory of `bytes` where the
 * format's alignment allows it and no conversion is needed; otherwise they are copies.
 */
export function decodeSafetensors(bytes: Uint8Array, fileName: string): SafetensorsFile {
  const fail = (what: string): never => {
    throw new UserError(`${fileName} is not a valid safetensors file: ${what}`);
  };
  const text = headerText(bytes, fail);
  const header = parseHeader(text, fail);
  const dataStart = LENGTH_BYTES + header.byteLength;
  const dataLength = bytes.byteLength - dataStart;

  const metadata: [string, string][] = [];
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header.json)) {
    if (name === METADATA) {
      if (!isRecord(value)) fail(`${METADATA} is not an object`);
      for (const [key, item] of Object.entries(value as Record<string, unknown>)) {
        if (typeof item !== "string") fail(`${METADATA} "${shown(key)}" is ${describe(item)}, not a string`);
        metadata.push([key, item as string]);
      }
    } else {
      entries.push(checkEntry(name, value, dataLength, fail));
    }
  }

  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  let previous = "";
  for (const entry of entries) {
    if (entry.begin < covered) {
      fail(
        `tensor "${shown(entry.name)}" begins at byte ${entry.begin}, inside tensor "${shown(previous)}" which ends at ${covered}`,
      );
    }
    if (entry.begin > covered) {
      fail(
        `bytes ${covered} to ${entry.begin}, before tensor "${shown(entry.name)}", belong to no tensor (a gap is not allowed)`,
      );
    }
    covered = entry.end;
    previous = entry.name;
  }
  if (covered !== dataLength) {
    fail(`the tensors end at byte ${covered} but the file has ${dataLength} bytes of data`);
  }

  const tensors = new Map<string, StoredTensor>();
  for (const entry of entries) tensors.set(entry.name, readTensor(bytes, dataStart, entry));
  return { tensors, metadata: Object.fromEntries(metadata) };
}

type Fail = (what: string) => never;

interface Entry {
  name: string;
  dtype: StoredDtype;
  shape: number[];
  begin: number;
  end: number;
}

function headerText(bytes: Uint8Array, fail: Fail): Uint8Array {
  if (bytes.byteLength < LENGTH_BYTES) {
    fail(`it has ${bytes.byteLength} bytes, fewer than the ${LENGTH_BYTES} of the header length`);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true);
  const room = bytes.byteLength - LENGTH_BYTES;
  if (length > BigInt(room))
    fail(`its header should have ${length} bytes but only ${room} follow (cut short?)`);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    fail(`its header has ${length} bytes, more than the ${MAX_HEADER_BYTES} allowed`);
  }
  return bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + Number(length));
}

function parseHeader(bytes: Uint8Array, fail: Fail): { json: Record<string, unknown>; byteLength: number } {
  if (bytes[0] !== 0x7b) fail(`its header does not begin with "{"`);
  let json: unknown;
  let text = "";
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    json = parseJson(text);
  } catch (error) {
    fail(`its header is not JSON in UTF-8 (${shown((error as Error).message)})`);
  }
  if (!isRecord(json)) fail("its header is not a JSON object");
  const duplicate = duplicateKey(text);
  if (duplicate !== null) fail(`its header has the name "${shown(duplicate)}" twice`);
  return { json: json as Record<string, unknown>, byteLength: bytes.byteLength };
}

function checkEntry(name: string, value: unknown, dataLength: number, fail: Fail): Entry {
  const wrong = (what: string): never => fail(`tensor "${shown(name)}": ${what}`);
  if (!isRecord(value)) return wrong("its entry is not an object with dtype, shape and data_offsets");
  const { dtype, shape, data_offsets: offsets, ...rest } = value;
  const unknownKey = Object.keys(rest)[0];
  if (unknownKey !== undefined) wrong(`unknown field "${shown(unknownKey)}"`);
  if (typeof dtype !== "string" || !Object.hasOwn(BYTES, dtype)) {
    return wrong(`dtype ${describe(dtype)} is not one of ${Object.keys(BYTES).join(", ")}`);
  }
  if (!isSizes(shape)) return wrong(`shape ${describe(shape)} is not a list of whole numbers ≥ 0`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    return wrong(`data_offsets ${describe(offsets)} is not a pair of whole numbers ≥ 0`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) wrong(`data_offsets [${begin}, ${end}] end before they begin`);
  if (end > dataLength) {
    wrong(`data_offsets [${begin}, ${end}] lie beyond the ${dataLength} bytes of data (cut short?)`);
  }
  const needed = shape.reduce((product, size) => product * size, 1) * BYTES[dtype as StoredDtype];
  if (needed !== end - begin) {
    wrong(`${dtype} of shape ${describe(shape)} needs ${needed} bytes but data_offsets give ${end - begin}`);
  }
  return { name, dtype: dtype as StoredDtype, shape, begin, end };
}

function readTensor(bytes: Uint8Array, dataStart: number, entry: Entry): StoredTensor {
  const { dtype, shape } = entry;
  const length = (entry.end - entry.begin) / BYTES[dtype];
  let buffer = bytes.buffer;
  let offset = bytes.byteOffset + dataStart + entry.begin;
  if (offset % BYTES[dtype] !== 0) {
    buffer = buffer.slice(offset, offset + length * BYTES[dtype]);
    offset = 0;
  }
  switch (dtype) {
    case "F32":
      return { dtype, shape, data: new Float32Array(buffer, offset, length) };
    case "F16":
      return { dtype, shape, data: new Uint16Array(buffer, offset, length) };
    case "BF16":
      return { dtype, shape, data: bfloat16ToFloat32(new Uint16Array(buffer, offset, length)) };
    case "U32":
      return { dtype, shape, data: new Uint32Array(buffer, offset, length) };
    case "I32":
      return { dtype, shape, data: new Int32Array(buffer, offset, length) };
    case "I64":
      return { dtype, shape, data: new BigInt64Array(buffer, offset, length) };
    case "U8":
      return { dtype, shape, data: new Uint8Array(buffer, offset, length) };
  }
}

/** The first key that occurs twice in an object of a valid JSON text, or null. `JSON.parse` silently keeps the last. */
function duplicateKey(json: string): string | null {
  const open: (Set<string> | null)[] = []; // one entry an open bracket; null for a list
  for (let i = 0; i < json.length; i++) {
    const c = json[i];
    if (c === "{") open.push(new Set());
    else if (c === "[") open.push(null);
    else if (c === "}" || c === "]") open.pop();
    else if (c === '"') {
      const start = i++;
      while (json[i] !== '"') i += json[i] === "\\" ? 2 : 1;
      let next = i + 1;
      while (/\s/.test(json[next] ?? "")) next++;
      const keys = open.at(-1);
      if (json[next] !== ":" || keys === null || keys === undefined) continue;
      const key = JSON.parse(json.slice(start, i + 1)) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return null;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Formats a value for a message: as JSON, truncated to a readable length. */
function describe(value: unknown): string {
  return shown(JSON.stringify(value) ?? "missing", 80);
}
