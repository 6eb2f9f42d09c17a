/** The stack machine that runs a pickle: its stack, its memo, and calls of the constructors that are known. */

import { type PickleBytes, PickleError } from "./bytes.js";
import { addItems, dictItems, type FindClass, plainClasses } from "./classes.js";
import { PickleClass, PickleObject } from "./values.js";

/** Objects that a pickle may make, values it may remember, and values on its stack: an opcode of one byte makes an object of many. */
const MOST_OBJECTS = 1_000_000;

export interface PickleOptions {
  /** Constructors beside those of `plainClasses`. */
  classes?: FindClass;
  /** Resolves a persistent id, by which a pickle refers to data outside of it. */
  persistent?: (id: unknown) => unknown;
}

export class PickleMachine {
  private readonly stack: unknown[] = [];
  /** Heights of the stack at the open marks. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, unknown>();
  private readonly classes = new Map<string, PickleClass>();
  private objects = 0;

  constructor(
    readonly source: PickleBytes,
    private readonly options: PickleOptions,
  ) {}

  push(value: unknown): void {
    if (this.stack.length >= MOST_OBJECTS) throw tooMuch();
    this.stack.push(value);
  }

  /** Pushes a value that takes memory of its own. */
  make(value: object): void {
    if (++this.objects > MOST_OBJECTS) throw tooMuch();
    this.push(value);
  }

  mark(): void {
    if (this.marks.length >= MOST_OBJECTS) throw tooMuch();
    this.marks.push(this.stack.length);
  }

  /** Drops the top of the stack: a value, or a mark. */
  drop(): void {
    if (this.marks.at(-1) === this.stack.length) this.marks.pop();
    else this.pop();
  }

  /** The height below which the current part of the stack ends. */
  private floor(): number {
    return this.marks.at(-1) ?? 0;
  }

  top(): unknown {
    if (this.stack.length <= this.floor()) throw new PickleError("an operand that is missing");
    return this.stack.at(-1);
  }

  pop(): unknown {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  popMany(count: number): unknown[] {
    if (this.stack.length - count < this.floor()) throw new PickleError("an operand that is missing");
    return this.stack.splice(this.stack.length - count);
  }

  popMark(): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw new PickleError("a mark that is missing");
    return this.stack.splice(mark);
  }

  /** Adds the values above the mark to the list or set below it. */
  append(items: readonly unknown[]): void {
    addItems(this.top(), items);
  }

  /** Adds keys and values in turn to the dict on top. */
  setItems(pairs: readonly unknown[]): void {
    setPairs(dictItems(this.top()), pairs);
  }

  /** Makes a dict of keys and values in turn. */
  makeDict(pairs: readonly unknown[]): void {
    this.make(setPairs(new Map(), pairs));
  }

  /** Sets the state of the object on top. Attributes of other values, as the `_metadata` of a state dict, are no data. */
  build(state: unknown): void {
    const target = this.top();
    if (target instanceof PickleObject) target.state = state;
  }

  /** Remembers the top, under the next number if none is given. */
  remember(key: unknown = this.memo.size): void {
    if (typeof key !== "number" || key < 0) throw new PickleError("a place in the memo that is none");
    this.memo.set(key, this.top());
    if (this.memo.size > MOST_OBJECTS) throw tooMuch();
  }

  /** Pushes a remembered value. */
  recall(key: unknown): void {
    if (typeof key !== "number" || !this.memo.has(key)) throw new PickleError("an empty place in the memo");
    this.push(this.memo.get(key));
  }

  /** The class of this name, one object for all mentions of it. */
  classOf(module: unknown, name: unknown): PickleClass {
    if (typeof module !== "string" || typeof name !== "string")
      throw new PickleError("a class without a name");
    const key = `${module} ${name}`;
    let found = this.classes.get(key);
    if (!found) {
      found = new PickleClass(
        module,
        name,
        this.options.classes?.(module, name) ?? plainClasses(module, name),
      );
      this.classes.set(key, found);
      if (++this.objects > MOST_OBJECTS) throw tooMuch();
    }
    return found;
  }

  /** Pushes the value of a call: data for a known class, else an opaque object. */
  call(type: unknown, args: unknown): void {
    if (!(type instanceof PickleClass)) throw new PickleError("a call of something that is no class");
    if (!Array.isArray(args))
      throw new PickleError(`a call of ${type.fullName} without a tuple of arguments`);
    const value = type.construct ? type.construct(args) : new PickleObject(type, args);
    // A call may copy a large value that a byte or two refer to.
    this.objects += copied(value);
    this.make(value as object);
  }

  /** Pushes what a persistent id stands for. */
  refer(id: unknown): void {
    if (!this.options.persistent) throw new PickleError("a reference to data outside of it");
    this.make(this.options.persistent(id) as object);
  }
}

function setPairs(map: Map<unknown, unknown>, pairs: readonly unknown[]): Map<unknown, unknown> {
  if (pairs.length % 2 !== 0) throw new PickleError("a key without a value");
  for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  return map;
}

function tooMuch(): PickleError {
  return new PickleError(`more than ${MOST_OBJECTS} objects`);
}

/** Memory that a call may have copied, counted in objects. */
function copied(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  if (value instanceof Map || value instanceof Set) return value.size;
  return value instanceof Uint8Array ? value.length / 64 : 0;
}
