/** Reads pickles of plain data: lists, dicts, texts, numbers. See opcodes.ts for why that is safe. */

import { UserError } from "../../platform/errors.js";
import { shown } from "../../platform/shown.js";
import { PickleError } from "./bytes.js";
import type { PickleOptions } from "./machine.js";
import { runPickle } from "./opcodes.js";
import { PickleClass, PickleObject, type PlainValue } from "./values.js";

/** Larger pickles are refused: a state dict of 100,000 tensors needs a quarter of it. */
export const MOST_PICKLE_BYTES = 64 * 2 ** 20;
/** Deepest nesting that callers, which recurse, have to expect. */
export const DEEPEST = 100;
/** Most values of plain data, counted as often as they are referred to: ten lists of ten lists … would never end otherwise. */
const MOST_VALUES = 10_000_000;

/** Runs a whole pickle. Throws a `UserError` that begins with `fileName`. */
export function loadPickle(
  bytes: Uint8Array,
  fileName: string,
  options?: PickleOptions,
): { value: unknown; length: number } {
  if (bytes.length > MOST_PICKLE_BYTES) {
    throw new UserError(
      `${fileName} is a pickle of ${bytes.length} bytes; at most ${MOST_PICKLE_BYTES} are read, so that a made-up file cannot use up the memory`,
    );
  }
  try {
    return runPickle(bytes, options);
  } catch (error) {
    throw pickleFailure(error, fileName);
  }
}

/** A `PickleError` as a `UserError` that names the file; other errors as they are. */
export function pickleFailure(error: unknown, fileName: string): unknown {
  return error instanceof PickleError
    ? new UserError(`${fileName} is not a pickle that can be read: ${shown(error.message)}`)
    : error;
}

/**
 * Reads a pickle of plain data, protocols 0 to 5. No code of it can run. Throws a `UserError` that names `fileName` if the pickle is
 * damaged, contains itself, is nested more than 100 deep, or holds an object that is no plain data (named in the message).
 */
export function readPickle(bytes: Uint8Array, fileName: string): PlainValue {
  const { value } = loadPickle(bytes, fileName);
  const fail = (what: string): never => {
    throw new UserError(`${fileName} holds ${what}`);
  };
  const sizes = new Map<object, number>();
  const open = new Set<object>();
  /** Checks a value. Returns how many values it consists of. */
  const check = (item: unknown, depth: number): number => {
    if (typeof item !== "object" || item === null || item instanceof Uint8Array) return 1;
    if (item instanceof PickleObject) {
      return fail(`a value of ${shown(item.type.fullName)}; only lists, dicts, texts and numbers are read`);
    }
    if (item instanceof PickleClass) {
      return fail(`${shown(item.fullName)}; only lists, dicts, texts and numbers are read`);
    }
    const known = sizes.get(item);
    if (known !== undefined) return known;
    if (open.has(item)) fail("a list or dict that contains itself");
    if (depth >= DEEPEST) fail(`lists or dicts that are nested more than ${DEEPEST} deep`);
    open.add(item);
    let size = 1;
    const parts =
      item instanceof Map ? [item.keys(), item.values()] : [(item as unknown[] | Set<unknown>).values()];
    for (const part of parts) for (const inner of part) size += check(inner, depth + 1);
    if (size > MOST_VALUES) fail(`lists of the same lists with more than ${MOST_VALUES} values`);
    open.delete(item);
    sizes.set(item, size);
    return size;
  };
  check(value, 0);
  return value as PlainValue;
}
