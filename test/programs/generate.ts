/** Draws programs at random. What it draws is computed in float64 on the way, so that arguments stay where ops are smooth. */

import { broadcastShape, sizeOf, Tape, type Value } from "../reference/tape.js";
import { type Kind, kinds } from "./kinds.js";
import {
  apply,
  type Block,
  type Instruction,
  type Leaf,
  leafValue,
  type Options,
  type Pass,
  type Program,
  type Values,
} from "./program.js";
import { Random } from "./random.js";

/** A tensor that an instruction may read. */
export interface Found {
  readonly name: string;
  readonly value: Value;
}

const mostElements = 400;
const mostAxes = 5;
/** Values beyond it are not computed with: they only lose digits. */
const largest = 30;
/** How far arguments stay from kinks and poles, relative to their size: a thousand times what float32 may move them. */
export const smallestMargin = 1e-3;
const deepest = 2;

/** What instructions are appended to, and what they see. */
interface Frame {
  readonly body: Instruction[];
  readonly visible: Found[];
  /** Whether only leaves are visible beside `visible`, and nothing may be written: inside a checkpoint. */
  readonly closed: boolean;
  readonly outer: Frame | null;
}

const viewOps = new Set(["reshape", "transpose", "slice", "detach"]);
/** Results that may or may not share the memory of an input, as it suits the engine. */
const maybeSharing = new Set(["contiguous", "straightThrough"]);

export class Draw {
  readonly random: Random;
  readonly leaves: Leaf[] = [];
  private tape = new Tape();
  private readonly values: Values = new Map();
  private frame: Frame = { body: [], visible: [], closed: false, outer: null };
  private depth = 0;
  private readonly used = new Set<string>();
  /** Memory that something may still read for a gradient. */
  private readonly frozen = new Set<Float64Array>();
  /** Memory outside of the tape, which may be written until it is frozen. */
  private readonly free = new Set<Float64Array>();
  private count = 0;

  constructor(random: Random) {
    this.random = random;
  }

  // -------------------------------------------------------------- what kinds ask for

  /** The results of instructions in sight, and those of the innermost block that nothing reads yet. */
  private results(): { all: Found[]; fresh: Found[] } {
    const all: Found[] = [];
    for (let frame: Frame | null = this.frame; frame; frame = frame.closed ? null : frame.outer)
      all.push(...frame.visible);
    return { all, fresh: this.frame.visible.filter(({ name }) => !this.used.has(name)) };
  }

  /** One of the tensors in sight that `fits`, rather a result that nothing reads yet; null if there is none. */
  any(fits: (found: Found) => boolean): Found | null {
    const { all, fresh } = this.results();
    const leaves = this.leaves
      .filter(({ dtype }) => dtype === "f32")
      .map(({ name }) => ({ name, value: this.values.get(name)! }));
    const order = this.random.chance(0.6) ? [fresh, all, leaves] : [[...all, ...leaves]];
    for (const found of order) {
      const fitting = found.filter(fits);
      if (fitting.length > 0) return this.random.of(fitting);
    }
    return null;
  }

  /** The name of a tensor of this shape: one in sight, which shares no memory with `apart`, or a new leaf. */
  like(shape: readonly number[], apart?: Value): string {
    const found = this.any(
      ({ value }) =>
        value.storage !== apart?.storage &&
        value.rank === shape.length &&
        value.shape.every((length, axis) => length === shape[axis]),
    );
    return found && this.random.chance(0.4) ? found.name : this.leaf(shape).name;
  }

  /** Something whose shape broadcasts with that of x; no element near 0 if it is to be divided by. */
  broadcastable(x: Found, divisor: boolean): Found {
    const fits = this.any(({ value }) => {
      const shape = broadcastShape(value.shape, x.value.shape);
      return shape !== null && sizeOf(shape) <= mostElements && (!divisor || awayFromZero(value));
    });
    if (fits && this.random.chance(0.6)) return fits;
    const kept = x.value.shape.slice(this.random.chance(0.3) ? this.random.whole(0, x.value.rank) : 0);
    let shape = kept.map((length) => (this.random.chance(0.35) ? 1 : length));
    // The other way round: x is repeated.
    if (this.random.chance(0.2))
      shape = x.value.shape.map((length) => (length === 1 ? this.length() : length));
    return this.leaf(shape, divisor);
  }

  /** A new leaf of whole numbers below `limit`. */
  ids(shape: readonly number[], limit: number): Leaf {
    const data = Array.from({ length: sizeOf(shape) }, () => this.random.whole(0, limit - 1));
    return this.addLeaf({ name: `i${this.count++}`, shape, data, dtype: "u32", grad: false });
  }

  /** A new mask [batch, keys] that leaves each row something. */
  mask(batch: number, keys: number): string {
    const data = Array.from({ length: batch }, () => {
      const row = Array.from({ length: keys }, () => (this.random.chance(0.6) ? 1 : 0));
      row[this.random.whole(0, keys - 1)] = 1;
      return row;
    }).flat();
    return this.addLeaf({ name: `m${this.count++}`, shape: [batch, keys], data, dtype: "u32", grad: false })
      .name;
  }

  /** Something with four axes. */
  picture(): Found {
    const found = this.any(({ value }) => value.rank === 4);
    if (found && this.random.chance(0.6)) return found;
    const [height, width] = [this.random.whole(1, 5), this.random.whole(1, 5)];
    return this.leaf([this.random.whole(1, 2), height, width, this.channels()]);
  }

  channels(): number {
    return this.random.of([1, 2, 3, 4, 4, 5, 8]);
  }

  /** Of an axis: mostly odd and small. */
  length(): number {
    return this.random.of([1, 2, 3, 3, 4, 5, 5, 7, 8, 9, 11]);
  }

  /** A shape of that many elements, with at most five axes. */
  shapeOfSize(size: number): number[] {
    const shape: number[] = [];
    let rest = size;
    while (shape.length < mostAxes - 1 && this.random.chance(0.6)) {
      const divisors = Array.from({ length: rest }, (_, i) => i + 1).filter((d) => rest % d === 0);
      const length = this.random.of(divisors);
      shape.push(length);
      rest /= length;
    }
    if (rest > 1 || this.random.chance(0.5)) shape.splice(this.random.whole(0, shape.length), 0, rest);
    return shape;
  }

  /** Appends an instruction that another one needs; returns its name. */
  insert(op: string, inputs: readonly string[], options: Options): string {
    const instruction = { name: `v${this.count++}`, op, inputs, options };
    this.append(instruction);
    return instruction.name;
  }

  /** Something outside of the tape that may be written: nothing reads it for a gradient. */
  writable(): Found | null {
    for (let frame: Frame | null = this.frame; frame; frame = frame.outer) if (frame.closed) return null;
    return this.any(({ value: { storage } }) => this.free.has(storage) && !this.frozen.has(storage));
  }

  // -------------------------------------------------------------- leaves

  private leaf(shape: readonly number[], awayFromZero = false): Found {
    const data = Array.from({ length: sizeOf(shape) }, () => {
      const value = this.random.normal();
      return awayFromZero ? Math.sign(value || 1) * (Math.abs(value) + 0.5) : value;
    });
    const grad = this.random.chance(0.75);
    const { name } = this.addLeaf({ name: `x${this.count++}`, shape, data, dtype: "f32", grad });
    return { name, value: this.values.get(name)! };
  }

  /** A leaf to multiply or differentiate with: no gradient of its own. */
  private weights(shape: readonly number[]): string {
    const data = Array.from({ length: sizeOf(shape) }, () => this.random.normal());
    return this.addLeaf({ name: `w${this.count++}`, shape, data, dtype: "f32", grad: false }).name;
  }

  private addLeaf(leaf: Leaf): Leaf {
    this.leaves.push(leaf);
    const value = leafValue(leaf);
    this.values.set(leaf.name, value);
    if (!leaf.grad && leaf.dtype === "f32") this.free.add(value.storage);
    return leaf;
  }

  private firstLeaves(): void {
    for (let count = this.random.whole(1, 3); count > 0; count--) {
      if (this.random.chance(0.15)) this.leaf([this.random.of([19, 67, 96, 130, 195])]);
      else if (this.random.chance(0.1)) this.leaf([this.random.of([2, 3]), this.random.of([64, 67])]);
      else
        this.leaf(Array.from({ length: this.random.whole(0, 4) }, () => this.random.of([1, 2, 3, 4, 5, 7])));
    }
  }

  // -------------------------------------------------------------- instructions

  private append(instruction: Instruction): void {
    const { name, op, inputs, block } = instruction;
    // What is inside of a block has been applied already.
    if (block) this.values.set(name, this.values.get(block.result)!);
    else apply(this.tape, instruction, this.values);
    this.frame.body.push(instruction);
    const result = this.values.get(name);
    for (const input of inputs) this.used.add(input);
    const storages = inputs.map((input) => this.values.get(input)!.storage);
    let closed = false;
    for (let frame: Frame | null = this.frame; frame; frame = frame.outer) closed ||= frame.closed;
    if (closed || maybeSharing.has(op) || (result?.requiresGrad && !viewOps.has(op)))
      for (const storage of storages) this.frozen.add(storage);
    if (!result) return;
    if (maybeSharing.has(op)) this.frozen.add(result.storage);
    else if (!result.requiresGrad && !viewOps.has(op) && !block) this.free.add(result.storage);
    this.frame.visible.push({ name, value: result });
  }

  /** Whether everything that was computed since `from` may stay. */
  private sound(from: number): boolean {
    return (
      this.tape.margin >= smallestMargin &&
      this.frame.body.slice(from).every(({ name }) => {
        const value = this.values.get(name);
        if (!value) return true;
        return (
          value.size <= mostElements &&
          value.rank <= mostAxes &&
          value.data.every((number) => Math.abs(number) <= largest)
        );
      })
    );
  }

  /** Tries to append one instruction of this kind; leaves nothing behind if it does not work. */
  private attempt(op: string, kind: Kind): boolean {
    const { body, visible } = this.frame;
    const before = { body: body.length, visible: visible.length, leaves: this.leaves.length };
    const used = new Set(this.used);
    const frozen = new Set(this.frozen);
    this.tape.margin = Number.POSITIVE_INFINITY;
    const drawn = kind.draw(this);
    if (drawn) {
      this.append({ name: `v${this.count++}`, op, ...drawn });
      if (this.sound(before.body)) return true;
    }
    body.length = before.body;
    visible.length = before.visible;
    this.leaves.length = before.leaves;
    replace(this.used, used);
    replace(this.frozen, frozen);
    return false;
  }

  private instruction(): void {
    const entries = Object.entries(kinds);
    const total = entries.reduce((sum, [, { weight }]) => sum + weight, 0);
    for (let tries = 0; tries < 40; tries++) {
      let at = this.random.uniform() * total;
      const [op, kind] = entries.find(([, { weight }]) => {
        at -= weight;
        return at < 0;
      })!;
      if (this.attempt(op, kind)) return;
    }
  }

  private statements(count: number): void {
    for (let i = 0; i < count; i++) {
      if (this.depth < deepest && this.random.chance(0.12)) this.block();
      else this.instruction();
    }
  }

  private block(): void {
    const kind = this.random.of(["scope", "scope", "checkpoint", "checkpoint", "noGrad"] as const);
    const outer = this.frame;
    const inputs: Found[] = [];
    const parameters: Found[] = [];
    if (kind === "checkpoint") {
      for (let count = this.random.whole(1, 2); count > 0; count--) {
        const input = this.any(() => true);
        if (!input) return;
        inputs.push(input);
        parameters.push({ name: `c${this.count++}`, value: input.value });
        this.values.set(parameters.at(-1)!.name, input.value);
      }
    }
    const closed = kind === "checkpoint";
    this.frame = { body: [], visible: closed ? [...parameters] : [], closed, outer };
    const { body, visible } = this.frame;
    const { recording } = this.tape;
    if (kind === "noGrad") this.tape.recording = false;
    this.depth++;
    this.statements(this.random.whole(1, 4));
    this.depth--;
    this.tape.recording = recording;
    this.frame = outer;
    const made = visible.slice(parameters.length);
    // A checkpoint that depends on nothing that wants a gradient has none to pass back.
    const results = made.filter(
      ({ value }) => kind !== "checkpoint" || (value.requiresGrad && value.node !== null),
    );
    if (results.length === 0) {
      // Writes alone do not need the block; a checkpoint has none.
      if (!closed)
        for (const instruction of body) if (!this.values.has(instruction.name)) outer.body.push(instruction);
      return;
    }
    const unused = results.filter(({ name }) => !this.used.has(name));
    const result = this.random.of(unused.length > 0 ? unused : results);
    for (const { name } of made) this.used.add(name);
    const block: Block = { kind, parameters: parameters.map(({ name }) => name), body, result: result.name };
    const name = `v${this.count++}`;
    this.append({ name, op: kind, inputs: inputs.map(({ name }) => name), options: {}, block });
  }

  // -------------------------------------------------------------- passes

  private pass(first: boolean): Pass | null {
    this.frame = { body: [], visible: [], closed: false, outer: null };
    const { body, visible } = this.frame;
    const wanted = this.leaves.filter(({ grad }) => grad);
    const zeroed = first ? [] : wanted.filter(() => this.random.chance(0.3)).map(({ name }) => name);
    const written = first
      ? []
      : wanted
          .filter(() => this.random.chance(0.2))
          .map(({ name, data }) => ({ leaf: name, data: data.map(() => this.random.normal()) }));
    for (const { leaf, data } of written) this.values.get(leaf)!.write(data);
    this.statements(first ? this.random.whole(3, 14) : this.random.whole(2, 6));
    const outputs = visible.filter(({ name }) => !this.used.has(name));
    const differentiable = outputs.filter(({ value }) => value.requiresGrad);
    if (differentiable.length === 0) return null;
    const checked = visible.filter(({ name }) => !this.used.has(name) || this.random.chance(0.15));
    const carried = this.random.chance(0.2);
    const only = this.random.of(differentiable);
    const ending = { zeroed, written, body, carried, checked: checked.map(({ name }) => name) };
    if (this.random.chance(0.35)) {
      // Sometimes the gradient to begin with is a view, too.
      let dy = this.weights(only.value.shape);
      if (!carried && this.random.chance(0.4)) {
        const { shape, rank } = only.value;
        const swapped = shape.map((length, axis) =>
          axis === 0 ? shape[rank - 1]! : axis === rank - 1 ? shape[0]! : length,
        );
        if (rank >= 2) dy = this.insert("transpose", [this.weights(swapped)], { a: 0, b: rank - 1 });
      }
      return { ...ending, root: only.name, dy };
    }
    let total: string | null = null;
    for (const { name, value } of differentiable) {
      const weighted = this.random.chance(0.85)
        ? this.insert("mul", [name, this.weights(value.shape)], {})
        : name;
      const part = this.insert(this.random.chance(0.7) ? "sum" : "mean", [weighted], {
        axes: null,
        keepDims: false,
      });
      total = total ? this.insert("add", [total, part], {}) : part;
    }
    return { ...ending, checked: [...ending.checked, total!], root: total!, dy: null };
  }

  program(seed: number): Program | null {
    this.firstLeaves();
    const passes: Pass[] = [];
    for (let count = this.random.chance(0.3) ? 2 : 1; count > 0; count--) {
      const pass = this.pass(passes.length === 0);
      if (!pass) return null;
      passes.push(pass);
    }
    return pruned({ seed, leaves: this.leaves, packed: this.random.chance(0.25), passes });
  }
}

function awayFromZero(value: Value): boolean {
  return value.data.every((number) => Math.abs(number) > 0.2);
}

function replace<T>(set: Set<T>, by: Set<T>): void {
  set.clear();
  for (const item of by) set.add(item);
}

/** Every name that instructions read, also inside of blocks. */
export function namesRead(body: readonly Instruction[]): string[] {
  return body.flatMap(({ inputs, block }) => [
    ...inputs,
    ...(block ? [block.result, ...namesRead(block.body)] : []),
  ]);
}

/** Without leaves that nothing reads. */
export function pruned(program: Program): Program {
  const read = new Set(
    program.passes.flatMap(({ body, dy, root }) => [...namesRead(body), root, ...(dy ? [dy] : [])]),
  );
  const leaves = program.leaves.filter(({ name }) => read.has(name));
  const kept = new Set(leaves.map(({ name }) => name));
  const passes = program.passes.map((pass) => ({
    ...pass,
    zeroed: pass.zeroed.filter((name) => kept.has(name)),
    written: pass.written.filter(({ leaf }) => kept.has(leaf)),
  }));
  return { ...program, leaves, passes };
}

/** The program of a seed: the same on every machine. */
export function generate(seed: number): Program {
  const random = new Random(seed);
  for (;;) {
    const program = new Draw(random).program(seed);
    if (program) return program;
  }
}
