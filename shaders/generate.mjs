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
import { WgslReflect } from "wgsl_reflect/wgsl_reflect.module.js";

const shadersFolder = dirname(fileURLToPath(import.meta.url));
const generated = (name) => join(shadersFolder, "..", "src", "engine", "gpu", `${name}.generated.ts`);
const scalarTypes = new Set(["f32", "f16", "u32", "i32"]);
const vectorType = /^vec([234])<?(f32|f16|u32|i32|f|h|u|i)>?$/;

class ShaderError extends Error {}

function fail(file, line, message) {
  throw new ShaderError(`shaders/${file}:${line}: ${message}`);
}

const camelCase = (name) => name.replace(/[-_](.)/g, (_, letter) => letter.toUpperCase());

/** "f32", "vec4<u32>" or "vec4f" → { scalar: "f32" | "f16" | "u32" | "i32", width: 1..4 }, else null. */
function elementOf(typeName) {
  if (scalarTypes.has(typeName)) return { scalar: typeName, width: 1 };
  const match = vectorType.exec(typeName);
  if (!match) return null;
  const scalar = { f: "f32", h: "f16", u: "u32", i: "i32" }[match[2]] ?? match[2];
  return { scalar, width: Number(match[1]) };
}

function readConstants(file, source) {
  const tunables = {};
  const variants = {};
  source.split("\n").forEach((text, index) => {
    const marked = /\/\/\s*@(tune|variant)\b(.*)$/.exec(text);
    if (!marked) return;
    const line = index + 1;
    const alias = /^alias\s+(\w+)\s*=\s*([^;]+);/.exec(text);
    if (alias && marked[1] === "variant") {
      const values = Object.fromEntries(
        marked[2]
          .trim()
          .split(/\s+/)
          .map((word) => word.split("=")),
      );
      const fallback = Object.keys(values).find((key) => values[key] === alias[2].trim());
      if (!fallback)
        fail(file, line, `alias ${alias[1]}: its type ${alias[2]} is not among ${marked[2].trim()}`);
      if (/f16|vec\dh/.test(values[fallback]))
        fail(
          file,
          line,
          `alias ${alias[1]}: its type in the file must not be f16, which not every device has`,
        );
      variants[alias[1]] = { type: "alias", fallback, values };
      return;
    }
    const declared = /^const\s+([A-Z][A-Z0-9_]*)\s*:\s*(u32|i32|f32|bool)\s*=\s*([^;]+);/.exec(text);
    if (!declared) fail(file, line, `a line marked @${marked[1]} must read "const NAME: type = value;"`);
    const [, name, type, value] = declared;
    const words = marked[2].trim().split(/\s+/).filter(Boolean);
    if (marked[1] === "tune") {
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
        words.map((word) => word.split("=")).map(([key, number]) => [key, Number(number)]),
      );
      const fallback = Object.keys(values).find((key) => values[key] === Number(value));
      if (fallback === undefined)
        fail(file, line, `variant ${name}: its value ${value} has no name among ${words.join(" ")}`);
      variants[name] = { type, fallback, values };
    }
  });
  return { tunables, variants };
}

/** Names that `name` (an entry point or function) reaches, itself included: decides which bindings it uses. */
function usedIdentifiers(source, entry) {
  const code = source.replace(/\/\/.*$/gm, "").replace(/\/\*[\s\S]*?\*\//g, "");
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
    bodies.set(match[1], new Set(code.slice(open, end).match(/(?<!\.)\b[A-Za-z_]\w*\b/g) ?? []));
  }
  const seen = new Set();
  const pending = [entry];
  const words = new Set();
  while (pending.length > 0) {
    const name = pending.pop();
    if (seen.has(name)) continue;
    seen.add(name);
    for (const word of bodies.get(name) ?? []) {
      words.add(word);
      if (bodies.has(word)) pending.push(word);
    }
  }
  return words;
}

/** For a binding whose element type is a variant: the variant's name, and the dtype that each of its values gives. */
function dtypeChoice(source, name, variants) {
  const alias = new RegExp(`var<storage[^>]*>\\s+${name}\\s*:\\s*array<(?:vec[234]<)?(\\w+)>`).exec(
    source,
  )?.[1];
  const variant = variants[alias];
  if (variant?.type !== "alias") return {};
  const dtypes = Object.fromEntries(
    Object.entries(variant.values).map(([value, type]) => [value, elementOf(type).scalar]),
  );
  return new Set(Object.values(dtypes)).size > 1 ? { choice: { variant: alias, dtypes } } : {};
}

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

function readShader(file) {
  const source = readFileSync(join(shadersFolder, file), "utf8");
  let reflected;
  try {
    reflected = new WgslReflect(source);
  } catch (error) {
    fail(file, error.line ?? error.token?.line ?? 1, `wgsl_reflect cannot read it: ${error.message}`);
  }
  const { tunables, variants } = readConstants(file, source);
  const entries = reflected.entry.compute.map((entry) => {
    const words = usedIdentifiers(source, entry.name);
    let uniform = null;
    const bindings = [];
    for (const variable of [...reflected.uniforms, ...reflected.storage]) {
      if (!words.has(variable.name)) continue;
      if (variable.group !== 0) fail(file, entry.startLine, `${variable.name}: only @group(0) is used`);
      if (variable.resourceType === 0) {
        if (variable.binding !== 0)
          fail(file, entry.startLine, `the uniform ${variable.name} must be at @binding(0)`);
        uniform = { size: Math.ceil(variable.size / 16) * 16, members: uniformLayout(file, variable.type) };
        continue;
      }
      const element = elementOf(variable.format?.getTypeName() ?? variable.type.getTypeName());
      const atomic = /atomic<(u32|i32)>/.exec(variable.type.getTypeName());
      if (!element && !atomic)
        fail(
          file,
          entry.startLine,
          `${variable.name}: element type ${variable.type.getTypeName()} is not f32, f16, u32, i32 or a vector of these`,
        );
      bindings.push({
        name: variable.name,
        binding: variable.binding,
        access: variable.access === "read_write" ? "read_write" : "read",
        dtype: element?.scalar ?? atomic[1],
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
    const size = entry.attributes.find((attribute) => attribute.name === "workgroup_size").value;
    const workgroupSize = (Array.isArray(size) ? size : [size]).map((value) =>
      /^\d+u?$/.test(value) ? Number.parseInt(value, 10) : value,
    );
    while (workgroupSize.length < 3) workgroupSize.push(1);
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
  return { file, source, entries };
}

/** Whether a constant matters to an entry point: named by it, by its workgroup size, or by another constant or workgroup array. */
function reaches(source, words, workgroupSize, name) {
  if (words.has(name) || workgroupSize.includes(name)) return true;
  const globals = source.match(/^(?:const|var<workgroup>|var<private>|@group.*var<[^>]*>)[^;]*;/gm) ?? [];
  return globals.some((line) => {
    const declared = /(?:^const|var<[^>]*>)\s+(\w+)/.exec(line)[1];
    return (
      declared !== name &&
      new RegExp(`\\b${name}\\b`).test(line.replace(/\/\/.*$/, "")) &&
      reaches(source, words, workgroupSize, declared)
    );
  });
}

function checkSharedRegions(shaders) {
  const regions = new Map();
  for (const { file, source } of shaders) {
    for (const match of source.matchAll(/\/\/ @shared (\S+)\n([\s\S]*?)\/\/ @end shared/g)) {
      const line = source.slice(0, match.index).split("\n").length;
      const first = regions.get(match[1]);
      if (!first) regions.set(match[1], { file, text: match[2] });
      else if (first.text !== match[2])
        fail(
          file,
          line,
          `the shared region "${match[1]}" differs from the one in shaders/${first.file}; both must be the same text`,
        );
    }
  }
}

/**
 * The code of a shader without needless blanks and without comments other than marks, which cost a page half of the bytes of its
 * kernels. Types of vectors get their short names. Lines stay those of the file, for error messages.
 */
function compact(source) {
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
      // The second operand takes its type from the first.
      .replace(/(?<!\/\/.*)(?<=[-+*/%&|<>^]=?|[=!]=)(\d+)u\b/g, "$1")
  );
}

/** Whether a blank keeps two tokens apart: two words, or two operators (`- -` is not `--`). */
function separates(left, right) {
  return [/\w/, /[-+*/%&|<>=!^~]/].some((kind) => kind.test(left) && kind.test(right));
}

/** As `order.json` has them, where `order.mjs` put those next to each other that gzip makes least of; new ones come last. */
function ordered(shaders) {
  const order = JSON.parse(readFileSync(join(shadersFolder, "order.json"), "utf8"));
  const place = ({ file }) => (order.indexOf(file) + order.length + 1) % (order.length + 1);
  return shaders.toSorted((a, b) => place(a) - place(b));
}

/** The type of an entry point: its bindings, uniforms, variants and tunables. */
function typeOf({ bindings, textures, uniform, variants, tunables }) {
  const members = (entries) => `{ ${entries.map(([name, type]) => `${name}: ${type}`).join("; ")} }`;
  const union = (words) => [...new Set(words)].map((word) => JSON.stringify(word)).join(" | ");
  const types = [
    [
      ...bindings.map((b) => [b.name, union(b.choice ? Object.values(b.choice.dtypes) : [b.dtype])]),
      ...textures.map((t) => [t.name, union(["texture"])]),
    ],
    (uniform?.members ?? []).map((m) => [m.name, m.width === 1 ? "number" : "Vec4"]),
    Object.entries(variants).map(([name, v]) => [name, v.values ? union(Object.keys(v.values)) : "boolean"]),
    Object.keys(tunables).map((name) => [name, "number"]),
  ];
  return `Kernel<${types.map(members).join(", ")}>`;
}

/** Kernels are named by their file without its folder: `matmul/matmul-registers.wgsl` is `kernels.matmulRegisters`. */
const familyName = (file) => camelCase(basename(file, ".wgsl"));

function checkNames(shaders) {
  const files = new Map();
  for (const { file } of shaders) {
    const name = familyName(file);
    if (files.has(name))
      fail(file, 1, `shaders/${files.get(name)} has the same name; kernels are named without their folder`);
    files.set(name, file);
  }
}

/** The TypeScript of one family; marked as pure, so that bundlers leave out those that nobody names. */
function typescriptFor({ file, source, entries }) {
  const path = file.replace(/\.wgsl$/, "");
  const types = entries.map((entry) => `  ${camelCase(entry.name)}: ${typeOf(entry)};\n`);
  return `export const ${familyName(file)} = /* @__PURE__ */ family<{\n${types.join("")}}>("${path}", ${JSON.stringify(compact(source))});`;
}

function write(name, about, shaders) {
  const families = shaders.map(typescriptFor);
  const output = `${about}
// Generated from the WGSL in shaders/ by shaders/generate.mjs. Do not edit; edit the shader.
import type { Kernel${families.some((text) => text.includes("Vec4")) ? ", Vec4" : ""} } from "./kernel.js";
import { family } from "./spec-text.js";

${families.join("\n\n")}
`;
  const target = generated(name);
  if (!existsSync(target) || readFileSync(target, "utf8") !== output) writeFileSync(target, output);
}

try {
  const shaders = readdirSync(shadersFolder, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".wgsl"))
    .sort()
    .map(readShader);
  checkNames(shaders);
  checkSharedRegions(shaders);
  const more = ({ source }) => /^\/\/ @more$/m.test(source);
  write(
    "kernels",
    "/** Every kernel of the engine: `kernels.<file>.<entryPoint>`. A bundle carries the families that its ops name. */",
    ordered(shaders.filter((shader) => !more(shader))),
  );
  write(
    "more-kernels",
    "/** The kernels of `mc-diffusion/ops` and `mc-diffusion/nn`: `kernels.<file>.<entryPoint>`. */",
    shaders.filter(more),
  );
} catch (error) {
  if (!(error instanceof ShaderError)) throw error;
  console.error(error.message);
  process.exit(1);
}
