/** What a pickle describes, as values of JavaScript. Nothing here runs code of the file. */

/** A class or function that a pickle names. */
export class PickleClass {
  constructor(
    readonly module: string,
    readonly name: string,
    /** Makes the value of a call of it. Missing for a class that is not known: its instances stay opaque. */
    readonly construct?: (args: readonly unknown[]) => unknown,
  ) {}

  /** Module and name, with a dot. */
  get fullName(): string {
    return `${this.module}.${this.name}`;
  }
}

/** An instance of a class that is not known: what the pickle says of it, unread. */
export class PickleObject {
  /** What its `__setstate__` would get. */
  state: unknown;
  /** Items of a subclass of dict. */
  readonly items = new Map<unknown, unknown>();
  /** Items of a subclass of list or set. */
  readonly list: unknown[] = [];

  constructor(
    readonly type: PickleClass,
    readonly args: readonly unknown[],
  ) {}
}

/**
 * Values without objects: None is null, int a number or, beyond 2⁵³, a bigint, bytes a Uint8Array, tuples and lists arrays, dict,
 * OrderedDict, defaultdict and Counter a Map, set and frozenset a Set. Python 2's str is text, UTF-8 if it is valid, else Latin-1.
 */
export type PlainValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PlainValue[]
  | Map<PlainValue, PlainValue>
  | Set<PlainValue>;
