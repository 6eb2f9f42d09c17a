/** Small programs over the engine's ops: what they are, how they look as code, and what they give in float64. */

import { type Tape, Value } from "../reference/tape.js";
import { type Kind, kinds } from "./kinds.js";

/** Numbers, and lists of them, that an op takes beside tensors. */
export type Options = { readonly [name: string]: number | boolean | string | null | readonly number[] };

/** A tensor that a program starts from. */
export interface Leaf {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: readonly number[];
  readonly dtype: "f32" | "u32";
  /** Whether its gradient is wanted. */
  readonly grad: boolean;
}

/** Calls one op. `name` is that of its result; an op without a result (a write) has one all the same. */
export interface Instruction {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly options: Options;
  /** Of a scope, of what runs without gradients and of a checkpoint: what runs inside, and which of it comes out. */
  readonly block?: Block;
}

export interface Block {
  readonly kind: "scope" | "noGrad" | "checkpoint";
  /** A checkpoint's inputs by the names that they have inside. */
  readonly parameters: readonly string[];
  readonly body: readonly Instruction[];
  readonly result: string;
}

/** A forward and a backward pass in one scope. */
export interface Pass {
  /** Leaves whose gradients start anew. */
  readonly zeroed: readonly string[];
  /** Leaves that get other values. */
  readonly written: readonly { readonly leaf: string; readonly data: readonly number[] }[];
  readonly body: readonly Instruction[];
  /** What is differentiated; with a gradient of its own (`backwardFrom`), or a loss of one element (`backward`). */
  readonly root: string;
  readonly dy: string | null;
  /** Whether the forward pass has a scope of its own, which ends before the backward pass begins. */
  readonly carried: boolean;
  /** Results to compare. */
  readonly checked: readonly string[];
}

export interface Program {
  readonly seed: number;
  readonly leaves: readonly Leaf[];
  /** Whether the leaves that want gradients lie in one buffer, as the parameters of a model. */
  readonly packed: boolean;
  readonly passes: readonly Pass[];
}

export function kindOf(op: string): Kind {
  const kind = kinds[op];
  if (!kind) throw new Error(`no kind of instruction is called ${op}`);
  return kind;
}

// ---------------------------------------------------------------- as code

function lines(body: readonly Instruction[], indent: string): string[] {
  return body.flatMap(({ name, op, inputs, options, block }) => {
    if (!block) {
      const { code, statement } = kindOf(op);
      const call = code(inputs, options);
      return [statement ? `${indent}${call};` : `${indent}const ${name} = ${call};`];
    }
    const head = {
      scope: "gpu.scope(() => {",
      noGrad: "P.noGrad(() => {",
      checkpoint: `P.checkpoint((${block.parameters.join(", ")}) => {`,
    }[block.kind];
    const tail = block.kind === "checkpoint" ? `}, [${inputs.join(", ")}]);` : "});";
    return [
      `${indent}const ${name} = ${head}`,
      ...lines(block.body, `${indent}  `),
      `${indent}  return ${block.result};`,
      `${indent}${tail}`,
    ];
  });
}

function leafLine(leaf: Leaf, packed: boolean): string {
  const data = `[${leaf.data.join(", ")}]`;
  const shape = `[${leaf.shape.join(", ")}]`;
  if (leaf.dtype === "u32") return `const ${leaf.name} = P.fromArray(gpu, ${data}, ${shape}, "u32");`;
  if (packed && leaf.grad) return `const ${leaf.name} = parameters.add("${leaf.name}", ${shape}, ${data});`;
  return `const ${leaf.name} = T(${data}, ${shape})${leaf.grad ? ".requireGrad()" : ""};`;
}

/**
 * The program as code that runs as it stands, given `P` (everything that the package exports), `gpu`, `T` and
 * `check(name, tensor)`, which is called with all that is to be compared.
 */
export function codeOf(program: Program): string {
  const { leaves, packed, passes } = program;
  const wanted = leaves.filter(({ grad }) => grad);
  const out: string[] = [];
  if (packed) {
    out.push(
      "class Parameters extends P.Module {",
      "  add(name, shape, data) { const p = this.parameter(name, shape, P.constant(0)); p.write(data); return p; }",
      "}",
      "const parameters = new Parameters(gpu);",
    );
  }
  for (const leaf of leaves) out.push(leafLine(leaf, packed));
  if (packed) out.push("const [pack] = P.PackedParameters.of(parameters);");
  passes.forEach((pass, i) => {
    for (const name of pass.zeroed) out.push(`P.zeroGrad(${name});`);
    for (const { leaf, data } of pass.written) out.push(`${leaf}.write([${data.join(", ")}]);`);
    const backward = pass.dy ? `P.backwardFrom(${pass.root}, ${pass.dy});` : `P.backward(${pass.root});`;
    const checks = pass.checked.map((name) => `check("${i}.${name}", ${name});`);
    if (pass.carried) {
      out.push(`const root${i} = gpu.scope(() => {`, ...lines(pass.body, "  "));
      out.push(...checks.map((line) => `  ${line}`), `  return ${pass.root};`, "});");
      out.push(backward.replace(`(${pass.root}`, `(root${i}`), `root${i}.dispose();`);
    } else {
      out.push("gpu.scope(() => {", ...lines(pass.body, "  "), `  ${backward}`);
      out.push(...checks.map((line) => `  ${line}`), "});");
    }
    if (packed) {
      out.push("pack.completeGradients();", `check("${i}.pack.gradients", pack.gradients);`);
      if (i === passes.length - 1) out.push(`check("${i}.pack.values", pack.values);`);
    } else for (const { name } of wanted) out.push(`check("${i}.${name}.grad", ${name}.grad);`);
  });
  if (packed) out.push("pack.dispose();", "parameters.dispose();");
  else for (const { name } of wanted) out.push(`${name}.grad?.dispose();`);
  const loose = leaves.filter(({ grad }) => !(packed && grad));
  if (loose.length > 0)
    out.push(`for (const leaf of [${loose.map(({ name }) => name).join(", ")}]) leaf.dispose();`);
  return out.join("\n");
}

/** The program as a script of its own, which prints what it computes. */
export function scriptOf(program: Program): string {
  return [
    `import * as P from "./dist/index.js";`,
    `import { openNodeDevice } from "./dist/node.js";`,
    "const o = await openNodeDevice();",
    "const gpu = P.Gpu.from(o.device, o);",
    "const T = (d, s) => P.fromArray(gpu, d, s);",
    "const found = [];",
    "const check = (name, x) => x && found.push([name, (x.contiguous ? x : P.contiguous(x)).read()]);",
    codeOf(program),
    "for (const [name, values] of found) console.log(name, ...(await values));",
  ].join("\n");
}

// ---------------------------------------------------------------- in float64

/** What a name stands for, in a block and in all around it. */
export type Values = Map<string, Value>;

/** Runs one instruction and enters its result. */
export function apply(tape: Tape, instruction: Instruction, values: Values): void {
  const { name, op, inputs, options, block } = instruction;
  const given = inputs.map((input) => values.get(input)!);
  if (!block) {
    const result = kindOf(op).apply(tape, given, options);
    if (result) values.set(name, result);
    return;
  }
  block.parameters.forEach((parameter, i) => {
    values.set(parameter, given[i]!);
  });
  const { recording } = tape;
  if (block.kind === "noGrad") tape.recording = false;
  for (const inner of block.body) apply(tape, inner, values);
  tape.recording = recording;
  values.set(name, values.get(block.result)!);
}

export function leafValue({ shape, data, grad }: Leaf): Value {
  const value = new Value(shape, Float64Array.from(data));
  value.leafWithGrad = grad;
  return value;
}

/** Elements that parameters in one buffer are aligned to. */
const packBlock = 64;

/** Everything that the program's `check`s see, by name: null for a gradient that nothing reached, none for one that is stale. */
export function evaluate(program: Program, tape: Tape): Map<string, Float64Array | null> {
  const { leaves, packed, passes } = program;
  const values: Values = new Map(leaves.map((leaf) => [leaf.name, leafValue(leaf)]));
  const wanted = leaves.filter(({ grad }) => grad).map(({ name }) => values.get(name)!);
  const found = new Map<string, Float64Array | null>();
  passes.forEach((pass, i) => {
    for (const name of pass.zeroed) values.get(name)!.gradIsCurrent = false;
    for (const { leaf, data } of pass.written) values.get(leaf)!.write(data);
    for (const instruction of pass.body) apply(tape, instruction, values);
    const root = values.get(pass.root)!;
    tape.backward(root, pass.dy ? values.get(pass.dy)!.data : [1]);
    for (const name of pass.checked) found.set(`${i}.${name}`, values.get(name)!.data);
    const gradient = (leaf: Value) => (leaf.gradIsCurrent ? leaf.grad : null);
    if (packed) {
      const inPack = (arrays: readonly Float64Array[]) =>
        Float64Array.from(
          arrays.flatMap((array) => [
            ...array,
            ...new Array<number>((packBlock - (array.length % packBlock)) % packBlock).fill(0),
          ]),
        );
      // The pack completes the gradients that nothing reached with zeros, to which the next pass adds.
      for (const leaf of wanted) {
        leaf.grad = gradient(leaf) ?? new Float64Array(leaf.size);
        leaf.gradIsCurrent = true;
      }
      found.set(`${i}.pack.gradients`, inPack(wanted.map(({ grad }) => grad!.slice())));
      if (i === passes.length - 1) found.set(`${i}.pack.values`, inPack(wanted.map(({ data }) => data)));
    } else {
      leaves
        .filter(({ grad }) => grad)
        .forEach(({ name }, k) => {
          const current = gradient(wanted[k]!);
          if (current) found.set(`${i}.${name}.grad`, current.slice());
          else if (!wanted[k]!.grad) found.set(`${i}.${name}.grad`, null);
        });
    }
  });
  return found;
}
