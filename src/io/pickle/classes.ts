/** The classes of Python's library that hold plain data. Everything else stays opaque. */

import { PickleError } from "./bytes.js";
import { PickleObject } from "./values.js";

/** Makes the value of a call. */
export type Construct = (args: readonly unknown[]) => unknown;

/** Finds how a class is made; undefined if it is not known. */
export type FindClass = (module: string, name: string) => Construct | undefined;

/** A list argument: lists, tuples and sets alike. */
function itemsOf(value: unknown): unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  if (value instanceof Set) return [...value];
  throw new PickleError("a collection that is made of no list");
}

function mapOf(value: unknown): Map<unknown, unknown> {
  if (value instanceof Map) return new Map(value);
  const map = new Map<unknown, unknown>();
  for (const pair of itemsOf(value)) {
    if (!Array.isArray(pair) || pair.length !== 2) throw new PickleError("a dict that is made of no pairs");
    map.set(pair[0], pair[1]);
  }
  return map;
}

/** bytes as protocols 0 to 2 write them: a text and an encoding. */
function bytesOf(text: unknown, encoding: unknown): Uint8Array {
  if (text instanceof Uint8Array) return text;
  if (text === undefined) return new Uint8Array();
  if (typeof text !== "string" || typeof encoding !== "string" || !/^latin-?1$/i.test(encoding)) {
    throw new PickleError("bytes in an encoding that is not Latin-1");
  }
  if (/[^\0-\xff]/.test(text)) {
    throw new PickleError("bytes that are no Latin-1 text");
  }
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const BUILTINS: Readonly<Record<string, Construct>> = {
  list: ([items]) => [...itemsOf(items)],
  tuple: ([items]) => [...itemsOf(items)],
  set: ([items]) => new Set(itemsOf(items)),
  frozenset: ([items]) => new Set(itemsOf(items)),
  dict: ([items]) => mapOf(items),
  bytes: ([text, encoding]) => bytesOf(text, encoding),
  bytearray: ([text, encoding]) => bytesOf(text, encoding),
};

const KNOWN: ReadonlyMap<string, Construct> = new Map([
  // Python 2 and 3.
  ...["__builtin__", "builtins"].flatMap((module) =>
    Object.entries(BUILTINS).map(([name, make]) => [`${module}.${name}`, make] as const),
  ),
  ["collections.OrderedDict", ([items]) => mapOf(items)],
  ["collections.Counter", ([items]) => mapOf(items)],
  ["collections.defaultdict", ([, items]) => mapOf(items)],
  ["_codecs.encode", ([text, encoding]) => bytesOf(text, encoding)],
]);

/** Classes of Python's library that hold plain data. */
export const plainClasses: FindClass = (module, name) => KNOWN.get(`${module}.${name}`);

/** The items of a dict, or of an object that may be a subclass of it. */
export function dictItems(target: unknown): Map<unknown, unknown> {
  if (target instanceof Map) return target;
  if (target instanceof PickleObject) return target.items;
  throw new PickleError("items for something that is no dict");
}

/** Adds items to a list or a set, or to an object that may be a subclass of them. */
export function addItems(target: unknown, items: readonly unknown[]): void {
  if (target instanceof Set) for (const item of items) target.add(item);
  else if (Array.isArray(target)) for (const item of items) target.push(item);
  else if (target instanceof PickleObject) for (const item of items) target.list.push(item);
  else throw new PickleError("items for something that is no list");
}
