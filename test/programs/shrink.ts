/** Makes a failing program smaller as long as it fails in the same way. */

import { sizeOf, Tape } from "../reference/tape.js";
import { namesRead, pruned, smallestMargin } from "./generate.js";
import {
  apply,
  evaluate,
  type Instruction,
  type Leaf,
  leafValue,
  type Pass,
  type Program,
  type Values,
} from "./program.js";

function renamed(body: readonly Instruction[], from: string, to: string): Instruction[] {
  const other = (name: string) => (name === from ? to : name);
  return body.map((instruction) => ({
    ...instruction,
    inputs: instruction.inputs.map(other),
    ...(instruction.block && {
      block: {
        ...instruction.block,
        result: other(instruction.block.result),
        body: renamed(instruction.block.body, from, to),
      },
    }),
  }));
}

/** Without instructions whose results nothing reads. */
function live(body: readonly Instruction[], kept: ReadonlySet<string>): Instruction[] {
  let now = [...body];
  for (;;) {
    const read = new Set([...namesRead(now), ...kept]);
    const next = now.filter(({ name, op }) => read.has(name) || statementOps.has(op));
    if (next.length === now.length) return now;
    now = next;
  }
}

const statementOps = new Set(["copyInto", "fill", "write"]);

/** A body without what is at `path`, which `change` puts other instructions for. */
function edited(
  body: readonly Instruction[],
  path: readonly number[],
  change: (instruction: Instruction) => readonly Instruction[],
): Instruction[] {
  const [at, ...rest] = path as [number, ...number[]];
  return body.flatMap((instruction, i) => {
    if (i !== at) return [instruction];
    if (rest.length === 0) return change(instruction);
    const block = instruction.block!;
    return [{ ...instruction, block: { ...block, body: edited(block.body, rest, change) } }];
  });
}

function paths(body: readonly Instruction[], before: readonly number[] = []): number[][] {
  return body.flatMap(({ block }, i) => [
    [...before, i],
    ...(block ? paths(block.body, [...before, i]) : []),
  ]);
}

function at(body: readonly Instruction[], [first, ...rest]: readonly number[]): Instruction {
  const instruction = body[first!]!;
  return rest.length === 0 ? instruction : at(instruction.block!.body, rest);
}

/** What each name of the program holds in float64, and whether it wants a gradient. */
function valuesOf(program: Program): Values {
  const tape = new Tape();
  const values: Values = new Map(program.leaves.map((leaf) => [leaf.name, leafValue(leaf)]));
  for (const pass of program.passes) {
    for (const { leaf, data } of pass.written) values.get(leaf)!.write(data);
    for (const instruction of pass.body) apply(tape, instruction, values);
  }
  return values;
}

/** Programs that are smaller by one step. */
function* smaller(program: Program): Generator<Program> {
  const { passes } = program;
  const withPass = (i: number, pass: Pass): Program => ({
    ...program,
    passes: passes.map((other, k) => (k === i ? pass : other)),
  });
  if (passes.length > 1)
    for (let i = passes.length - 1; i >= 0; i--)
      yield { ...program, passes: passes.filter((_, k) => k !== i) };
  if (program.packed) yield { ...program, packed: false };
  const values = valuesOf(program);
  for (const [i, pass] of passes.entries()) {
    if (pass.carried) yield withPass(i, { ...pass, carried: false });
    if (pass.written.length > 0) yield withPass(i, { ...pass, written: [] });
    if (pass.zeroed.length > 0) yield withPass(i, { ...pass, zeroed: [] });
    if (pass.checked.length > 1) {
      for (const name of pass.checked) yield withPass(i, { ...pass, checked: [name] });
      yield withPass(i, { ...pass, checked: [] });
    } else if (pass.checked.length === 1) yield withPass(i, { ...pass, checked: [] });
    // Differentiate something earlier.
    for (const { name } of pass.body) {
      const value = values.get(name);
      if (name === pass.root || !value?.requiresGrad) continue;
      if (value.size === 1) yield withPass(i, { ...pass, root: name, dy: null });
      const ones = constantLeaf(program, value.shape, new Array<number>(value.size).fill(1));
      const next = withPass(i, { ...pass, root: name, dy: ones.name });
      yield { ...next, leaves: [...program.leaves, ones] };
    }
    for (const path of paths(pass.body).reverse()) {
      const instruction = at(pass.body, path);
      const { name, inputs, block } = instruction;
      const value = values.get(name);
      const replaced = (by: string): Pass => {
        const body = renamed(
          edited(pass.body, path, () => []),
          name,
          by,
        );
        return {
          ...pass,
          body,
          root: pass.root === name ? by : pass.root,
          checked: pass.checked.filter((checked) => checked !== name),
        };
      };
      if (!value) {
        yield withPass(i, { ...pass, body: edited(pass.body, path, () => []) });
        continue;
      }
      // Put what is inside a block outside.
      if (block) {
        let body = edited(pass.body, path, () => block.body);
        block.parameters.forEach((parameter, k) => {
          body = renamed(body, parameter, inputs[k]!);
        });
        body = renamed(body, name, block.result);
        const other = (checked: string) => (checked === name ? block.result : checked);
        yield withPass(i, { ...pass, body, root: other(pass.root), checked: pass.checked.map(other) });
      }
      if (name === pass.root) continue;
      // Leave the instruction out: one of its inputs takes the place of its result, or a leaf.
      for (const input of inputs) {
        const given = values.get(input)!;
        if (given.rank === value.rank && given.shape.every((length, axis) => length === value.shape[axis]))
          yield withPass(i, replaced(input));
      }
      for (const data of [
        Array.from(value.data, (number) => Math.round(128 * number) / 128),
        ...(value.size > 1 ? [Array.from(value.data, (_, k) => (k % 5) - 2 + 0.5)] : []),
      ]) {
        const leaf = constantLeaf(program, value.shape, data, value.requiresGrad);
        yield { ...withPass(i, replaced(leaf.name)), leaves: [...program.leaves, leaf] };
      }
    }
  }
  for (const leaf of program.leaves) {
    const without = (changed: Leaf): Program => ({
      ...program,
      leaves: program.leaves.map((other) => (other === leaf ? changed : other)),
    });
    if (leaf.grad) yield without({ ...leaf, grad: false });
    if (leaf.dtype === "f32" && leaf.data.some((value) => value !== 1))
      yield without({ ...leaf, data: leaf.data.map(() => 1) });
  }
}

function constantLeaf(
  program: Program,
  shape: readonly number[],
  data: readonly number[],
  grad = false,
): Leaf {
  const taken = new Set(program.leaves.map(({ name }) => name));
  let number = 0;
  while (taken.has(`y${number}`)) number++;
  return { name: `y${number}`, shape: [...shape], data, dtype: "f32", grad };
}

/** Whether the program still means something: all names known, arguments where ops are smooth, something to differentiate. */
function sound(program: Program): boolean {
  try {
    const tape = new Tape();
    for (const values of evaluate(program, tape).values())
      if (values && !values.every(Number.isFinite)) return false;
    const last = valuesOf(program);
    return (
      tape.margin >= smallestMargin &&
      program.passes.every(({ root, dy }) => {
        const value = last.get(root);
        return value !== undefined && value.node !== null && (dy !== null || value.size === 1);
      })
    );
  } catch {
    return false;
  }
}

/** The order of instructions and data by which programs are smaller. */
function weight(program: Program): number {
  const { leaves, passes, packed } = program;
  const instructions = passes.flatMap(({ body }) => paths(body)).length;
  const elements = leaves.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const plain = leaves.filter(
    ({ data, dtype }) => dtype === "u32" || data.every((value) => value === 1),
  ).length;
  const extras = passes.reduce(
    (sum, { checked, carried, written, zeroed, dy }) =>
      sum + checked.length + Number(carried) + written.length + zeroed.length + Number(dy !== null),
    passes.length + Number(packed),
  );
  const wanting = leaves.filter(({ grad }) => grad).length;
  return 1e6 * instructions + 1e4 * (leaves.length + extras) + 100 * wanting + elements / 100 - plain;
}

/** The smallest program found for which `fails` holds, as it does for `program`. */
export async function shrink(
  program: Program,
  fails: (program: Program) => Promise<boolean>,
  mostTries = 2000,
): Promise<Program> {
  let best = program;
  let tries = 0;
  for (let found = true; found && tries < mostTries; ) {
    found = false;
    for (const candidate of smaller(best)) {
      const kept = (pass: Pass) => new Set([...pass.checked, pass.root, ...(pass.dy ? [pass.dy] : [])]);
      const tidy = pruned({
        ...candidate,
        passes: candidate.passes.map((pass) => ({ ...pass, body: live(pass.body, kept(pass)) })),
      });
      if (weight(tidy) >= weight(best) || !sound(tidy)) continue;
      if (++tries > mostTries) break;
      if (await fails(tidy)) {
        best = tidy;
        found = true;
        break;
      }
    }
  }
  return best;
}
