/**
 * Reads every WGSL file below `shaders/` with wgsl_reflect and writes `src/engine/gpu/kernels.generated.ts`: the typed registry of
 * kernels that call sites compile against. Run by `npm run generate` (part of `npm run build`).
 *
 * What it reads from a shader besides plain WGSL:
 *   const TILE: u32 = 64; // @tune 32 64 128            a constant that the tuner may change
 *   const OP: u32 = 0; // @variant none=0 gelu2=1       a compile-time choice, named at the call site
 *   const HAS_BIAS: bool = false; // @variant           the same for a boolean
 *   alias Element = vec4<f32>; // @variant vector=vec4<f32> scalar=f32     the same for an element type
 *   alias A = f32; // @variant f32=f32 f16=f16          the type of a binding's elements, array<A> or array<vec4<A>>;
 *                                                       the default must not be f16, so that the file is valid without it
 *   struct Row { a: f32, b: f32 }                       as the elements of a storage binding, array<Row>: members of one
 *                                                       scalar type; its layout goes to `structs.generated.ts`
 *   // @shared NAME … // @end shared                    text that must be identical in every file that has it
 *   // @more                                            a line: the family goes to `more-kernels.generated.ts`, which only
 *                                                       `mc-diffusion/ops` and `/nn` name, so that no other bundle carries it
 *
 * Fails with file:line when a shader breaks a rule, so that no half-typed kernel reaches the compiler.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
// The package marks its CommonJS main as an ES module; its real ES module has to be named.
import { StructInfo, WgslReflect } from "wgsl_reflect/wgsl_reflect.module.js";

/**
 * @typedef {"f32" | "f16" | "u32" | "i32"} Scalar
 *
 * @typedef {object} Variant A compile-time choice.
 * @property {string} type Of its constant; `alias` for an element type.
 * @property {string | boolean} fallback Its value in the file.
 * @property {Record<string, string | number> | null} values By name; null for a boolean.
 *
 * @typedef {Record<string, Variant>} Variants
 * @typedef {Record<string, { fallback: number, candidates: number[] }>} Tunables
 * @typedef {{ name: string, offset: number, type: Scalar, width: number }} Member
 * @typedef {{ name: string, binding: number, access: "read" | "read_write", dtype: string, choice?: { variant: string, dtypes: Record<string, Scalar> } }} Binding
 *
 * @typedef {object} Entry An entry point and what it uses.
 * @property {string} name
 * @property {Binding[]} bindings
 * @property {{ name: string, binding: number }[]} textures
 * @property {{ size: number, members: Member[] } | null} uniform
 * @property {(string | number)[]} workgroupSize
 * @property {Tunables} tunables
 * @property {Variants} variants
 *
 * @typedef {{ name: string, dtype: string, words: number, offsets: Record<string, number> }} Layout Of a struct in a storage buffer.
 * @typedef {{ file: string, source: string, entries: Entry[], structs: Map<string, Layout> }} Shader
 */

const shadersFolder = dirname(fileURLToPath(import.meta.url));
/** @param {string} name */
const generated = (name) => join(shadersFolder, "..", "src", "engine", "gpu", `${name}.generated.ts`);
const elementType = /^(?:vec([234])<?)?(f32|f16|u32|i32|(?<=vec[234])[fhui])>?$/;
/** By the names that types of WGSL have them under. @type {ReadonlyMap<string, Scalar>} */
const scalars = new Map([
  ["f32", "f32"],
  ["f16", "f16"],
  ["u32", "u32"],
  ["i32", "i32"],
  ["f", "f32"],
  ["h", "f16"],
  ["u", "u32"],
  ["i", "i32"],
]);

class ShaderError extends Error {}

/**
 * @param {string} file
 * @param {number} line
 * @param {string} message
 * @returns {never}
 */
function fail(file, line, message) {
  throw new ShaderError(`shaders/${file}:${line}: ${message}`);
}

/** @param {string} name */
const camelCase = (name) => name.replace(/[-_](.)/g, (_, letter) => letter.toUpperCase());

/**
 * "f32", "vec4<u32>" or "vec4f" → { scalar: "f32" | "f16" | "u32" | "i32", width: 1..4 }, else null.
 * @param {string} typeName
 * @returns {{ scalar: Scalar, width: number } | null}
 */
function elementOf(typeName) {
  const [, width = "1", name = ""] = elementType.exec(typeName) ?? [];
  const scalar = scalars.get(name);
  return scalar ? { scalar, width: Number(width) } : null;
}

/**
 * @param {string} file
 * @param {string} source
 */
function readConstants(file, source) {
  /** @type {Tunables} */
  const tunables = {};
  /** @type {Variants} */
  const variants = {};
  source.split("\n").forEach((text, index) => {
    const marked = /\/\/\s*@(tune|variant)\b(.*)$/.exec(text);
    if (!marked) return;
    const [, mark, rest = ""] = marked;
    const line = index + 1;
    const alias = /^alias\s+(\w+)\s*=\s*([^;]+);/.exec(text);
    if (alias && mark === "variant") {
      const [, name = "", type = ""] = alias;
      const values = pairs(rest.trim().split(/\s+/));
      const fallback = Object.keys(values).find((key) => values[key] === type.trim());
      if (!fallback) fail(file, line, `alias ${name}: its type ${type} is not among ${rest.trim()}`);
      if (/f16|vec\dh/.test(type))
        fail(file, line, `alias ${name}: its type in the file must not be f16, which not every device has`);
      variants[name] = { type: "alias", fallback, values };
      return;
    }
    const declared = /^const\s+([A-Z][A-Z0-9_]*)\s*:\s*(u32|i32|f32|bool)\s*=\s*([^;]+);/.exec(text);
    if (!declared) fail(file, line, `a line marked @${mark} must read "const NAME: type = value;"`);
    const [, name = "", type = "", value = ""] = declared;
    const words = rest.trim().split(/\s+/).filter(Boolean);
    if (mark === "tune") {
      if (type !== "u32") fail(file, line, `tunable ${name} must be u32, not ${type}`);
      const fallback = Number(value);
      const candidates = words.map(Number);
      if (!candidates.includes(fallback))
        fail(file, line, `tunable ${name}: its value ${value} is not among its candidates`);
      tunables[name] = { fallback, candidates };
    } else if (type === "bool") {
      variants[name] = { type, fallback: value.trim() === "true", values: null };
    } else {
      const values = Object.fromEntries(
        Object.entries(pairs(words)).map(([key, number]) => [key, Number(number)]),
      );
      const fallback = Object.keys(values).find((key) => values[key] === Number(value));
      if (fallback === undefined)
        fail(file, line, `variant ${name}: its value ${value} has no name among ${words.join(" ")}`);
      variants[name] = { type, fallback, values };
    }
  });
  return { tunables, variants };
}

/** Words like `name=value` by their names. @param {readonly string[]} words */
function pairs(words) {
  return Object.fromEntries(
    words.map((word) => {
      const [name = "", value = ""] = word.split("=");
      return [name, value];
    }),
  );
}

/**
 * Names that `name` (an entry point or function) reaches, itself included: decides which bindings it uses.
 * @param {string} source
 * @param {string} entry
 */
function usedIdentifiers(source, entry) {
  const code = source.replace(/\/\/.*$/gm, "").replace(/\/\*[\s\S]*?\*\//g, "");
  /** @type {Map<string, Set<string>>} */
  const bodies = new Map();
  const header = /\bfn\s+(\w+)\s*\(/g;
  for (let match = header.exec(code); match; match = header.exec(code)) {
    const open = code.indexOf("{", match.index);
    let depth = 0;
    let end = open;
    for (; end < code.length; end++) {
      if (code[end] === "{") depth++;
      else if (code[end] === "}" && --depth === 0) break;
    }
    bodies.set(match[1] ?? "", new Set(code.slice(open, end).match(/(?<!\.)\b[A-Za-z_]\w*\b/g) ?? []));
  }
  const seen = new Set();
  const pending = [entry];
  /** @type {Set<string>} */
  const words = new Set();
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const word of bodies.get(name) ?? []) {
      words.add(word);
      if (bodies.has(word)) pending.push(word);
    }
  }
  return words;
}

/**
 * For a binding whose element type is a variant: the variant's name, and the dtype that each of its values gives.
 * @param {string} source
 * @param {string} name
 * @param {Variants} variants
 * @returns {Pick<Binding, "choice">}
 */
function dtypeChoice(source, name, variants) {
  const [, alias = ""] =
    new RegExp(`var<storage[^>]*>\\s+${name}\\s*:\\s*array<(?:vec[234]<)?(\\w+)>`).exec(source) ?? [];
  const variant = variants[alias];
  if (variant?.type !== "alias") return {};
  /** @type {Record<string, Scalar>} */
  const dtypes = {};
  for (const [value, type] of Object.entries(variant.values ?? {})) {
    const element = elementOf(String(type));
    if (!element)
      throw new ShaderError(`alias ${alias}: ${type} is not f32, f16, u32, i32 or a vector of these`);
    dtypes[value] = element.scalar;
  }
  return new Set(Object.values(dtypes)).size > 1 ? { choice: { variant: alias, dtypes } } : {};
}

/** @param {string} file @param {StructInfo} struct @returns {Member[]} */
function uniformLayout(file, struct) {
  return struct.members.map((member) => {
    const element = elementOf(member.type.getTypeName());
    if (!element || element.scalar === "f16" || (element.width !== 1 && element.width !== 4)) {
      fail(
        file,
        struct.startLine,
        `Params.${member.name} is ${member.type.getTypeName()}; only f32, u32, i32 and vec4 of these are allowed`,
      );
    }
    return { name: member.name, offset: member.offset, type: element.scalar, width: element.width };
  });
}

/**
 * The layout of a struct that is the element of a storage buffer: offsets in words of four bytes, by member.
 * @param {string} file
 * @param {StructInfo} struct
 * @returns {Layout}
 */
function structLayout(file, struct) {
  const types = new Set(struct.members.map((member) => member.type.getTypeName()));
  const [dtype = ""] = types;
  if (types.size !== 1 || !["f32", "u32", "i32"].includes(dtype))
    fail(file, struct.startLine, `struct ${struct.name}: its members must all be f32, all u32 or all i32`);
  const offsets = Object.fromEntries(struct.members.map(({ name, offset }) => [name, offset / 4]));
  return { name: struct.name, dtype, words: struct.size / 4, offsets };
}

/** @param {string} file @returns {Shader} */
function readShader(file) {
  const source = readFileSync(join(shadersFolder, file), "utf8");
  let reflected;
  try {
    reflected = new WgslReflect(source);
  } catch (thrown) {
    const error = /** @type {Error & { line?: number, token?: { line?: number } }} */ (thrown);
    fail(file, error.line ?? error.token?.line ?? 1, `wgsl_reflect cannot read it: ${error.message}`);
  }
  const { tunables, variants } = readConstants(file, source);
  /** @type {Shader["structs"]} */
  const structs = new Map();
  const entries = reflected.entry.compute.map((entry) => {
    const words = usedIdentifiers(source, entry.name);
    /** @type {Entry["uniform"]} */
    let uniform = null;
    /** @type {Binding[]} */
    const bindings = [];
    for (const variable of [...reflected.uniforms, ...reflected.storage]) {
      if (!words.has(variable.name)) continue;
      if (variable.group !== 0) fail(file, entry.startLine, `${variable.name}: only @group(0) is used`);
      if (variable.resourceType === 0) {
        if (variable.binding !== 0)
          fail(file, entry.startLine, `the uniform ${variable.name} must be at @binding(0)`);
        if (!(variable.type instanceof StructInfo))
          fail(file, entry.startLine, `the uniform ${variable.name} must be a struct`);
        uniform = { size: Math.ceil(variable.size / 16) * 16, members: uniformLayout(file, variable.type) };
        continue;
      }
      const row = variable.format instanceof StructInfo ? structLayout(file, variable.format) : null;
      if (row) structs.set(row.name, row);
      const element = row
        ? { scalar: row.dtype }
        : elementOf(variable.format?.getTypeName() ?? variable.type.getTypeName());
      const atomic = /atomic<(u32|i32)>/.exec(variable.type.getTypeName());
      if (!element && !atomic)
        fail(
          file,
          entry.startLine,
          `${variable.name}: element type ${variable.type.getTypeName()} is not f32, f16, u32, i32, a vector of these or a struct`,
        );
      bindings.push({
        name: variable.name,
        binding: variable.binding,
        access: variable.access === "read_write" ? "read_write" : "read",
        dtype: element?.scalar ?? atomic?.[1] ?? "",
        ...dtypeChoice(source, variable.name, variants),
      });
    }
    bindings.sort((a, b) => a.binding - b.binding);
    const textures = [];
    for (const variable of reflected.textures) {
      if (!words.has(variable.name)) continue;
      const type = variable.type.getTypeName();
      if (type !== "texture_2d<f32>")
        fail(file, entry.startLine, `${variable.name} is ${type}; only texture_2d<f32> is allowed`);
      textures.push({ name: variable.name, binding: variable.binding });
    }
    if (bindings.length > 8)
      fail(
        file,
        entry.startLine,
        `${entry.name} binds ${bindings.length} storage buffers; 8 is what every device offers`,
      );
    const size = entry.attributes?.find((attribute) => attribute.name === "workgroup_size")?.value;
    /** @type {(string | number)[]} */
    const workgroupSize = [size ?? []]
      .flat()
      .map((value) => (/^\d+u?$/.test(value) ? Number.parseInt(value, 10) : value));
    while (workgroupSize.length < 3) workgroupSize.push(1);
    /** @template T @param {Record<string, T>} all */
    const own = (all) =>
      Object.fromEntries(Object.entries(all).filter(([name]) => reaches(source, words, workgroupSize, name)));
    return {
      name: entry.name,
      bindings,
      textures,
      uniform,
      workgroupSize,
      tunables: own(tunables),
      variants: own(variants),
    };
  });
  return { file, source, entries, structs };
}

/**
 * Whether a constant matters to an entry point: named by it, by its workgroup size, or by another constant or workgroup array.
 * @param {string} source
 * @param {ReadonlySet<string>} words
 * @param {readonly (string | number)[]} workgroupSize
 * @param {string} name
 * @returns {boolean}
 */
function reaches(source, words, workgroupSize, name) {
  if (words.has(name) || workgroupSize.includes(name)) return true;
  const globals = source.match(/^(?:const|var<workgroup>|var<private>|@group.*var<[^>]*>)[^;]*;/gm) ?? [];
  return globals.some((line) => {
    const [, declared] = /(?:^const|var<[^>]*>)\s+(\w+)/.exec(line) ?? [];
    return (
      declared !== undefined &&
      declared !== name &&
      new RegExp(`\\b${name}\\b`).test(line.replace(/\/\/.*$/, "")) &&
      reaches(source, words, workgroupSize, declared)
    );
  });
}

/** @param {readonly Shader[]} shaders */
function checkSharedRegions(shaders) {
  /** @type {Map<string, { file: string, text: string }>} */
  const regions = new Map();
  for (const { file, source } of shaders) {
    for (const match of source.matchAll(/\/\/ @shared (\S+)\n([\s\S]*?)\/\/ @end shared/g)) {
      const line = source.slice(0, match.index).split("\n").length;
      const [, name = "", text = ""] = match;
      const first = regions.get(name);
      if (!first) regions.set(name, { file, text });
      else if (first.text !== text)
        fail(
          file,
          line,
          `the shared region "${name}" differs from the one in shaders/${first.file}; both must be the same text`,
        );
    }
  }
}

/**
 * The code of a shader without needless blanks and without comments other than marks, which cost a page half of the bytes of its
 * kernels. Types of vectors get their short names. Lines stay those of the file, for error messages.
 * @param {Shader} shader
 */
function compact({ source, structs }) {
  /** @param {string} name */
  const scalarOf = (name) => structs.get(name)?.dtype;
  return (
    source
      .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "))
      .replace(/\/\/ *(@(?:tune|variant)\b)?(.*)$/gm, (_, mark, words) => (mark ? `//${mark}${words}` : ""))
      .replace(/^(?!alias|@group|\s*\w+:).*$/gm, (line) =>
        line.replace(/\b(vec[234]|mat4x4)<([fui])32>/g, "$1$2"),
      )
      .replace(/[ \t]+/g, " ")
      .replace(/^ | $/gm, "")
      .replace(/(?<!\/\/.*)(?<=(.)) (?=(.))/g, (blank, left, right) => (separates(left, right) ? blank : ""))
      // 2.0 is 2. too, and 0.5 is .5.
      .replace(/(?<!\/\/.*)(?<![\w.])(\d+\.)0(?![\w.])/g, "$1")
      .replace(/(?<!\/\/.*)(?<![\w.])0(?=\.\d)/g, "")
      // The second operand takes its type from the first.
      .replace(/(?<!\/\/.*)(?<=[-+*/%&|<>^]=?|[=!]=)(\d+)u\b/g, "$1")
      // Where elements are structs, a mark tells the type of their members: spec-text.ts takes the last word of the line.
      .replace(/^@group.*array<(\w+)>;$/gm, (line, name) =>
        scalarOf(name) ? `${line}//@${scalarOf(name)};` : line,
      )
  );
}

/** Whether a blank keeps two tokens apart: two words, or two operators (`- -` is not `--`). @param {string} left @param {string} right */
function separates(left, right) {
  return [/\w/, /[-+*/%&|<>=!^~]/].some((kind) => kind.test(left) && kind.test(right));
}

/**
 * As `order.json` has them, where `order.mjs` put those next to each other that gzip makes least of; new ones come last.
 * @param {readonly Shader[]} shaders
 */
function ordered(shaders) {
  const order = JSON.parse(readFileSync(join(shadersFolder, "order.json"), "utf8"));
  /** @param {Shader} shader */
  const place = ({ file }) => (order.indexOf(file) + order.length + 1) % (order.length + 1);
  return shaders.toSorted((a, b) => place(a) - place(b));
}

/** The type of an entry point: its bindings, uniforms, variants and tunables. @param {Entry} entry */
function typeOf({ bindings, textures, uniform, variants, tunables }) {
  /** @param {readonly (readonly [name: string, type: string])[]} entries */
  const members = (entries) => `{ ${entries.map(([name, type]) => `${name}: ${type}`).join("; ")} }`;
  /** @param {readonly string[]} words */
  const union = (words) => [...new Set(words)].map((word) => JSON.stringify(word)).join(" | ");
  /** @type {(name: string, type: string) => readonly [string, string]} */
  const row = (name, type) => [name, type];
  const types = [
    [
      ...bindings.map((b) => row(b.name, union(b.choice ? Object.values(b.choice.dtypes) : [b.dtype]))),
      ...textures.map((t) => row(t.name, union(["texture"]))),
    ],
    (uniform?.members ?? []).map((m) => row(m.name, m.width === 1 ? "number" : "Vec4")),
    Object.entries(variants).map(([name, v]) =>
      row(name, v.values ? union(Object.keys(v.values)) : "boolean"),
    ),
    Object.keys(tunables).map((name) => row(name, "number")),
  ];
  return `Kernel<${types.map(members).join(", ")}>`;
}

/** Kernels are named by their file without its folder: `matmul/matmul-registers.wgsl` is `kernels.matmulRegisters`. */
const familyName = (/** @type {string} */ file) => camelCase(basename(file, ".wgsl"));

/** @param {readonly Shader[]} shaders */
function checkNames(shaders) {
  /** @type {Map<string, string>} */
  const files = new Map();
  for (const { file } of shaders) {
    const name = familyName(file);
    if (files.has(name))
      fail(file, 1, `shaders/${files.get(name)} has the same name; kernels are named without their folder`);
    files.set(name, file);
  }
}

/** The TypeScript of one family; marked as pure, so that bundlers leave out those that nobody names. @param {Shader} shader */
function typescriptFor(shader) {
  const { file, entries } = shader;
  const path = file.replace(/\.wgsl$/, "");
  const types = entries.map((entry) => `  ${camelCase(entry.name)}: ${typeOf(entry)};\n`);
  return `export const ${familyName(file)} = /* @__PURE__ */ family<{\n${types.join("")}}>("${path}", ${JSON.stringify(compact(shader))});`;
}

/** @param {string} name @param {string} output */
function write(name, output) {
  const target = generated(name);
  if (!existsSync(target) || readFileSync(target, "utf8") !== output) writeFileSync(target, output);
}

const origin =
  "// Generated from the WGSL in shaders/ by shaders/generate.mjs. Do not edit; edit the shader.";

/**
 * @param {string} name
 * @param {string} about
 * @param {readonly Shader[]} shaders
 */
function writeKernels(name, about, shaders) {
  const families = shaders.map(typescriptFor);
  write(
    name,
    `${about}
${origin}
import type { Kernel${families.some((text) => text.includes("Vec4")) ? ", Vec4" : ""} } from "./kernel.js";
import { family } from "./spec-text.js";

${families.join("\n\n")}
`,
  );
}

/** The layouts of structs in storage buffers. Files that share a struct must have the same. @param {readonly Shader[]} shaders */
function writeStructs(shaders) {
  /** @type {Map<string, { layout: Layout, files: string[] }>} */
  const all = new Map();
  for (const { file, structs } of shaders) {
    for (const [name, layout] of structs) {
      const files = all.get(name)?.files ?? [];
      const known = all.get(name)?.layout ?? layout;
      if (JSON.stringify(known) !== JSON.stringify(layout))
        fail(file, 1, `struct ${name} differs from the one in ${files[0]}`);
      all.set(name, { layout, files: [...files, `shaders/${file}`] });
    }
  }
  const constants = [...all].map(([name, { layout, files }]) => {
    const members = Object.entries(layout.offsets).map(([member, offset]) => `    ${member}: ${offset},\n`);
    return `/** \`struct ${name}\` of ${files.join(", ")}. */
export const ${name.charAt(0).toLowerCase()}${name.slice(1)} = {
  dtype: "${layout.dtype}",
  words: ${layout.words},
  offsets: {
${members.join("")}  },
} as const satisfies StructLayout;`;
  });
  write(
    "structs",
    `/** The structs that kernels read from storage buffers, as WGSL lays them out. */
${origin}
import type { StructLayout } from "./struct-layout.js";

${constants.join("\n\n")}
`,
  );
}

try {
  const shaders = readdirSync(shadersFolder, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".wgsl"))
    .sort()
    .map(readShader);
  checkNames(shaders);
  checkSharedRegions(shaders);
  /** @param {Shader} shader */
  const more = ({ source }) => /^\/\/ @more$/m.test(source);
  writeKernels(
    "kernels",
    "/** Every kernel of the engine: `kernels.<file>.<entryPoint>`. A bundle carries the families that its ops name. */",
    ordered(shaders.filter((shader) => !more(shader))),
  );
  writeKernels(
    "more-kernels",
    "/** The kernels of `mc-diffusion/ops` and `mc-diffusion/nn`: `kernels.<file>.<entryPoint>`. */",
    shaders.filter(more),
  );
  writeStructs(shaders);
} catch (error) {
  if (!(error instanceof ShaderError)) throw error;
  console.error(error.message);
  process.exit(1);
}
