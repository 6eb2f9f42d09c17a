/**
 * The header of a safetensors file: 8 bytes little-endian header length, a JSON header
 * `{name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {string: string}}` padded with spaces, then the
 * tensors' bytes, little-endian and row-major, without gaps. Offsets count from the end of the header.
 *
 * A file is untrusted input: every inconsistency of header and bytes is a `UserError` that names the file, the tensor and the
 * inconsistency. Nothing is allocated from an unchecked size.
 */

import { UserError } from "../../platform/errors.js";
import { isRecord, parseJson } from "../../platform/json.js";
import { shown } from "../../platform/shown.js";

/** The entry of a header that is no tensor. */
export const METADATA = "__metadata__";
/** Bytes of the header's length, before the header. */
export const LENGTH_BYTES = 8;
/** The reference implementation's limit; a header beyond it is an attack or not a header. */
const MAX_HEADER_BYTES = 100_000_000;

/** A tensor of a header. Its bytes are `begin` … `end`, counted from the end of the header. */
export interface HeaderEntry<Dtype extends string> {
  name: string;
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

type Fail = (what: string) => never;

function failureOf(fileName: string): Fail {
  return (what) => {
    throw new UserError(`${fileName} is not a valid safetensors file: ${what}`);
  };
}

/** The header's length in bytes, from the beginning of a file of `fileBytes` bytes. */
export function headerBytes(start: Uint8Array, fileBytes: number, fileName: string): number {
  const fail = failureOf(fileName);
  if (fileBytes < LENGTH_BYTES) {
    fail(`it has ${fileBytes} bytes, fewer than the ${LENGTH_BYTES} of the header length`);
  }
  const length = new DataView(start.buffer, start.byteOffset, start.byteLength).getBigUint64(0, true);
  const room = fileBytes - LENGTH_BYTES;
  if (length > BigInt(room))
    fail(`its header should have ${length} bytes but only ${room} follow (cut short?)`);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    fail(`its header has ${length} bytes, more than the ${MAX_HEADER_BYTES} allowed`);
  }
  return Number(length);
}

/**
 * Parses a header and checks that its tensors cover the `dataLength` bytes after it without gap or overlap. `sizes` are the bytes
 * of an element of each supported type. The entries are in the order of their bytes.
 */
export function parseHeader<Dtype extends string>(
  bytes: Uint8Array,
  dataLength: number,
  sizes: Readonly<Record<Dtype, number>>,
  fileName: string,
): { entries: HeaderEntry<Dtype>[]; metadata: Record<string, string> } {
  const fail = failureOf(fileName);
  const metadata: [string, string][] = [];
  const entries: HeaderEntry<Dtype>[] = [];
  for (const [name, value] of Object.entries(parseText(bytes, fail))) {
    if (name === METADATA) {
      if (!isRecord(value)) fail(`${METADATA} is not an object`);
      for (const [key, item] of Object.entries(value as Record<string, unknown>)) {
        if (typeof item !== "string") fail(`${METADATA} "${shown(key)}" is ${describe(item)}, not a string`);
        metadata.push([key, item as string]);
      }
    } else {
      entries.push(checkEntry(name, value, dataLength, sizes, fail));
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

  return { entries, metadata: Object.fromEntries(metadata) };
}

function parseText(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
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
  return json as Record<string, unknown>;
}

function checkEntry<Dtype extends string>(
  name: string,
  value: unknown,
  dataLength: number,
  sizes: Readonly<Record<Dtype, number>>,
  fail: Fail,
): HeaderEntry<Dtype> {
  const wrong = (what: string): never => fail(`tensor "${shown(name)}": ${what}`);
  if (!isRecord(value)) return wrong("its entry is not an object with dtype, shape and data_offsets");
  const { dtype, shape, data_offsets: offsets, ...rest } = value;
  const unknownKey = Object.keys(rest)[0];
  if (unknownKey !== undefined) wrong(`unknown field "${shown(unknownKey)}"`);
  if (typeof dtype !== "string" || !Object.hasOwn(sizes, dtype)) {
    return wrong(`dtype ${describe(dtype)} is not one of ${Object.keys(sizes).join(", ")}`);
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
  const needed = shape.reduce((product, size) => product * size, 1) * sizes[dtype as Dtype];
  if (needed !== end - begin) {
    wrong(`${dtype} of shape ${describe(shape)} needs ${needed} bytes but data_offsets give ${end - begin}`);
  }
  return { name, dtype: dtype as Dtype, shape, begin, end };
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
