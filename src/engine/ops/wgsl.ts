/** Own kernels: a user's WGSL as kernels for `Gpu.run`, with variants, tunables and profiles like the engine's. */

import { GpuError } from "../gpu/errors.js";
import type { DType, Kernel, Vec4 } from "../gpu/kernel.js";
import { family } from "../gpu/spec-text.js";

/** A kernel whose names are unknown to the compiler: they are checked when it runs. */
export type UntypedKernel = Kernel<
  Record<string, DType>,
  Record<string, number | Vec4>,
  Record<string, string | boolean>,
  Record<string, number>
>;

const scalar = "(?:f32|f16|u32|i32)";
const made = new Map<string, Readonly<Record<string, Kernel>>>();

/**
 * The kernels of a WGSL text, by their entry points in camel case; `file` names them in errors, profiles and tuning tables
 * (`saxpy.wgsl` has `saxpy.main`). Load the text with `readFile` in Node and with a bundler's text loader in a page. The same
 * text gives the same kernels, so repeated calls cost nothing. `Kernels` are their types, as `kernelTypes` writes them or
 * written by hand: `wgsl<{ main: Kernel<{ x: "f32" }, { count: number }> }>(text, "saxpy.wgsl")`; without them, names are
 * checked when a kernel runs.
 *
 * The text is ordinary WGSL with: entry points with `@compute @workgroup_size(…)`; storage buffers in group 0 as arrays of
 * f32, f16, u32, i32, vectors or atomics of these; scalars, if any, in `struct Params` of f32, u32, i32 and vec4 of these, bound
 * as `@group(0) @binding(0) var<uniform> params: Params`. Constants may be marked for the tuner or as choices of a call:
 *
 * ```wgsl
 * const WORKGROUP: u32 = 64; // @tune 32 64 128
 * const OP: u32 = 0; // @variant add=0 mul=1
 * const HAS_BIAS: bool = false; // @variant
 * alias T = f32; // @variant f32=f32 f16=f16
 * ```
 *
 * Throws a `GpuError` that names file and line if the text breaks these rules. WGSL that does not compile is reported
 * as for kernels of the engine: by the next read-back, with file and line.
 */
export function wgsl<Kernels extends Record<keyof Kernels, Kernel> = Record<string, UntypedKernel>>(
  text: string,
  file: string,
): Kernels {
  const key = `${file}\n${text}`;
  let kernels = made.get(key);
  if (!kernels) {
    const name = file.replace(/^\.\//, "").replace(/\.wgsl$/, "");
    const parsed = family<Record<string, Kernel>>(name, checked(text, file));
    kernels = Object.fromEntries(
      Object.entries(parsed).map(([entry, { spec }]) => {
        checkSpec(spec, text, file);
        return [entry, { source: text, spec: { ...spec, file, name: `${name}.${spec.entryPoint}` } }];
      }),
    );
    made.set(key, kernels);
  }
  return kernels as Kernels;
}

function fail(file: string, text: string, at: number, message: string): never {
  throw new GpuError(`${file}:${text.slice(0, at).split("\n").length}: ${message}`);
}

/** Blanks out comments; every other character keeps its position. */
function withoutComments(text: string): string {
  let code = "";
  for (let i = 0, depth = 0; i < text.length; i++) {
    const two = text.slice(i, i + 2);
    if (depth === 0 && two === "//") {
      const end = text.indexOf("\n", i);
      const stop = end < 0 ? text.length : end;
      code += " ".repeat(stop - i);
      i = stop - 1;
    } else if (two === "/*" || (depth > 0 && two === "*/")) {
      depth += two === "/*" ? 1 : -1;
      code += "  ";
      i++;
    } else code += depth > 0 && text[i] !== "\n" ? " " : text[i];
  }
  return code;
}

/** Checks a text and returns it in the form that `family` reads: without comments and blanks, one declaration per line. */
function checked(text: string, file: string): string {
  const code = withoutComments(text);
  const parts = [...marks(text, file)];
  let rest = code;
  const cut = (pattern: RegExp, write: (match: RegExpExecArray) => string) => {
    for (const match of rest.matchAll(pattern)) parts.push(write(match));
    // Line breaks stay, to keep the line numbers.
    rest = rest.replace(pattern, (match) => match.replace(/[^\n]/g, " "));
  };
  if (!/@compute\b/.test(code))
    fail(file, text, 0, "it has no entry point: @compute @workgroup_size(…) fn name(…)");
  cut(/\bstruct\s+Params\s*\{([^}]*)\}\s*;?/g, (match) => {
    const members = match[1]!.split(/,(?![^<]*>)/).filter((member) => member.trim());
    return `struct Params{\n${members.map((member) => `${parameter(member, file, text, match.index)},\n`).join("")}}`;
  });
  cut(/((?:@\w+\s*\([^)]*\)\s*)+)var\s*(?:<([^>]*)>)?\s*(\w+)\s*:\s*([^;]+);/g, (match) => {
    const [whole, attributes, space = "", name, type] = match;
    const number = (word: string) => new RegExp(`@${word}\\s*\\(\\s*(\\d+)`).exec(attributes!)?.[1];
    const at = match.index + whole.indexOf(name!);
    if (number("group") !== "0")
      fail(file, text, at, `${name} is in group ${number("group")}; group 0 is the only one`);
    const binding = number("binding");
    const how = space.replace(/\s/g, "");
    const what = expanded(type!.replace(/\s/g, ""));
    if (how === "uniform") {
      if (name !== "params" || what !== "Params" || binding !== "0")
        fail(file, text, at, `a uniform must read @group(0) @binding(0) var<uniform> params: Params`);
      return `@group(0)@binding(0)var<uniform>params:Params;`;
    }
    if (how === "") {
      if (what !== "texture_2d<f32>")
        fail(file, text, at, `${name} is ${what}; of textures, texture_2d<f32> is taken`);
      return `@group(0)@binding(${binding})var ${name}:${what};`;
    }
    const element = new RegExp(`^array<(?:vec[234]<)?(?:${scalar}|atomic<[ui]32>|[A-Z]\\w*)>{1,2}$`);
    if (!element.test(what))
      fail(
        file,
        text,
        at,
        `${name} is ${what}; a binding is an array of f32, f16, u32, i32, vectors or atomics of these`,
      );
    return `@group(0)@binding(${binding})var<${how === "storage,read_write" ? how : "storage,read"}>${name}:${what};`;
  });
  return `${parts.join("\n")}\n${declarations(rest)}`;
}

/** The lines that mark constants, in the form that `family` reads. */
function* marks(text: string, file: string): Generator<string> {
  for (const match of text.matchAll(/^(.*)\/\/\s*@(tune|variant)\b(.*)$/gm)) {
    const [, code, mark, words] = match;
    const form = /^(const|alias)\s+(\w+)\s*(?::\s*(u32|i32|f32|bool)\s*)?=\s*([^;]+?)\s*;\s*$/.exec(code!);
    if (!form || (form[1] === "const") === (form[3] === undefined))
      fail(
        file,
        text,
        match.index,
        `a line marked @${mark} must read "const NAME: type = value;" or "alias Name = type;"`,
      );
    const [, kind, name, type, value] = form;
    const list = words!.trim().split(/\s+/).filter(Boolean);
    const plain = value!.replace(/u$/, "");
    const values = list.map((word) => word.split("=").at(-1)!);
    const switched = mark === "variant" && type === "bool";
    if (mark === "tune" && type !== "u32")
      fail(file, text, match.index, `${name}: a constant that is tuned is a u32`);
    if (!switched && !values.includes(kind === "alias" ? value! : plain))
      fail(
        file,
        text,
        match.index,
        `${name}: its value ${value} is not among ${list.join(" ") || "the values behind the mark"}`,
      );
    yield `${kind} ${name}${type ? `:${type}` : ""}=${kind === "alias" ? value : plain};//@${mark} ${list.join(" ")}`;
  }
}

/** `vec4f` as `vec4<f32>`. */
function expanded(type: string): string {
  const long: Record<string, string> = { f: "f32", h: "f16", u: "u32", i: "i32" };
  return type.replace(/\b(vec[234])([fhui])\b/g, (_, vector, letter) => `${vector}<${long[letter]}>`);
}

/** A member of `struct Params`, without blanks. */
function parameter(member: string, file: string, text: string, at: number): string {
  const [name, type] = member.split(":").map((part) => part.trim());
  const plain = expanded((type ?? "").replace(/\s/g, ""));
  if (!/^\w+$/.test(name!) || !/^(?:[fui]32|vec4<[fui]32>)$/.test(plain))
    fail(
      file,
      text,
      at,
      `Params has the member "${member.trim()}"; f32, u32, i32 and vec4 of these are taken`,
    );
  return `${name}:${plain}`;
}

/** Functions and other declarations without unnecessary blanks, entry points with their attributes in a fixed order. */
function declarations(code: string): string {
  return code
    .replace(/\s+/g, " ")
    .replace(/ ?([^\w ]) ?/g, "$1")
    .replace(/@workgroup_size(\((?:[^()]|\([^()]*\))*\))@compute ?/g, "@compute@workgroup_size$1")
    .replace(/@compute ?@/g, "@compute@")
    .replace(/[;}]/g, "$&\n");
}

function checkSpec({ name, bindings }: Kernel["spec"], text: string, file: string): void {
  if (bindings.length > 8) {
    const most = `${bindings.length} storage buffers; every device offers 8`;
    fail(file, text, 0, `${name} binds ${most}`);
  }
  const known = new Set(["f32", "f16", "u32", "i32"]);
  for (const binding of bindings)
    if (!known.has(binding.dtype))
      fail(
        file,
        text,
        0,
        `${binding.name} has elements of ${binding.dtype}, which is no type marked @variant`,
      );
}

/**
 * TypeScript for the kernels of a WGSL text: an interface of their types, for `wgsl<Interface>(text, file)`. It is named
 * after the file: `SaxpyKernels` for `shaders/saxpy.wgsl`. The command `kernel-types.js` writes it next to the file.
 */
export function kernelTypes(text: string, file: string): string {
  const stem = file
    .split("/")
    .at(-1)!
    .replace(/\.wgsl$/, "");
  const name = `${stem.replace(/(?:^|\W|_)(\w)/g, (_, letter: string) => letter.toUpperCase())}Kernels`;
  const union = (words: readonly string[]) =>
    [...new Set(words)].map((word) => JSON.stringify(word)).join(" | ");
  const members = (entries: readonly (readonly [string, string])[]) =>
    entries.length === 0
      ? "Record<never, never>"
      : `{ ${entries.map((entry) => entry.join(": ")).join("; ")} }`;
  const kernels = Object.entries(wgsl(text, file)).map(([entry, { spec }]) => {
    const types = [
      [
        ...spec.bindings.map(
          (b) => [b.name, union(b.choice ? Object.values(b.choice.dtypes) : [b.dtype])] as const,
        ),
        ...(spec.textures ?? []).map((t) => [t.name, '"texture"'] as const),
      ],
      (spec.uniform?.members ?? []).map((m) => [m.name, m.width === 1 ? "number" : "Vec4"] as const),
      Object.entries(spec.variants).map(
        ([variant, { values }]) => [variant, values ? union(Object.keys(values)) : "boolean"] as const,
      ),
      Object.keys(spec.tunables).map((tunable) => [tunable, "number"] as const),
    ];
    return `  ${entry}: Kernel<\n${types.map((each) => `    ${members(each)}`).join(",\n")}\n  >;\n`;
  });
  const imports = kernels.some((kernel) => kernel.includes("Vec4")) ? "Kernel, Vec4" : "Kernel";
  return `/** Types of the kernels in ${stem}.wgsl, written from it by mc-diffusion's kernel-types.js. */
import type { ${imports} } from "mc-diffusion/ops";

export interface ${name} {
${kernels.join("")}}
`;
}
