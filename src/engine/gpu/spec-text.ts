/**
 * Parses the specs of kernels from the WGSL of a family. The counterpart is `shaders/generate.mjs`: it checks the declarations
 * and writes them one per line without blanks, as the patterns here expect.
 */

import {
  type BindingSpec,
  type DType,
  type Kernel,
  type KernelSpec,
  kernel,
  type TextureSpec,
  type UniformMember,
} from "./kernel.js";

/** The element type of `f32`, `vec4<f32>`, `array<vec4<f32>>` or `array<atomic<u32>>`, or the alias in its place. */
const innermost = (type: string) => /\w+(?=>*$)/.exec(type)![0];

/** The constants and aliases of a file that end in a mark `//@tune 32 64` or `//@variant none=0 silu=1`. */
function parseMarked(source: string): Pick<KernelSpec, "tunables" | "variants"> {
  const tunables: Record<string, KernelSpec["tunables"][string]> = {};
  const variants: Record<string, KernelSpec["variants"][string]> = {};
  const marked = /^(?:const|alias) (\w+):?(\w*)=(.+);\/\/@(\w+) ?(.*)/gm;
  for (const [, name, type, value, mark, list] of source.matchAll(marked)) {
    const words = list!.split(" ");
    if (mark === "tune") {
      tunables[name!] = { fallback: Number(value), candidates: words.map(Number) };
    } else if (type === "bool") {
      variants[name!] = { type, fallback: value === "true", values: null };
    } else {
      const pairs = words.map((word) => word.split("=") as [string, string]);
      const fallback = pairs.find((pair) => pair[1] === value)![0];
      const values = Object.fromEntries(pairs.map(([key, text]) => [key, type ? Number(text) : text]));
      variants[name!] = { type: type || "alias", fallback, values };
    }
  }
  return { tunables, variants };
}

/** Offsets as WGSL lays out a struct: a vec4 begins at a multiple of 16 bytes. */
function parseUniform(source: string): NonNullable<KernelSpec["uniform"]> {
  let end = 0;
  const [, body] = /struct Params\{([^}]*)/.exec(source)!;
  const members = [...body!.matchAll(/(\w+):(.+?),?$/gm)].map(([, name, type]) => {
    const width = type!.length > 3 ? 4 : 1;
    const offset = Math.ceil(end / (4 * width)) * 4 * width;
    end = offset + 4 * width;
    return { name: name!, offset, type: innermost(type!) as UniformMember["type"], width };
  });
  return { size: Math.ceil(end / 16) * 16, members };
}

/** Declarations outside of functions, with the names that each refers to: for a function, in its body and workgroup size. */
function parseDeclarations(source: string): Map<string, string[]> {
  const code = source.replace(/\/\/.*/g, "");
  const declarations = new Map<string, string[]>();
  let [depth, start] = [0, 0];
  for (const { 0: mark, index } of code.matchAll(/[{};]/g)) {
    if (mark === "{") depth++;
    if (mark === "}") depth--;
    if (depth > 0) continue;
    const text = code.slice(start, index);
    const [, name] = /(?:fn |const |alias |var(?:<.*?>| ))(\w+)/.exec(text) ?? [];
    const body = text.replace(/fn [^{]*/, "");
    if (name) declarations.set(name, body.match(/(?<!\.)\b[A-Za-z_]\w*/g)!);
    start = index + 1;
  }
  return declarations;
}

/** The names that an entry point refers to, directly or indirectly. */
function reachedFrom(entryPoint: string, declarations: ReturnType<typeof parseDeclarations>): Set<string> {
  const reached = new Set([entryPoint]);
  for (const name of reached) for (const word of declarations.get(name) ?? []) reached.add(word);
  return reached;
}

/** Parses the kernel of one entry point, which refers to these names. */
function parseSpec(
  file: string,
  source: string,
  { tunables, variants }: ReturnType<typeof parseMarked>,
  entryPoint: string,
  size: string,
  names: ReadonlySet<string>,
): KernelSpec {
  const bindings: BindingSpec[] = [];
  const textures: TextureSpec[] = [];
  const declared = /@binding\((\d+)\)var(?:<([\w,]+)>| )(\w+):(.+);/g;
  for (const [, number, space, name, type] of source.matchAll(declared)) {
    if (!names.has(name!) || space === "uniform") continue;
    const binding = Number(number);
    if (!space) {
      textures.push({ name: name!, binding });
      continue;
    }
    const access = space === "storage,read" ? "read" : "read_write";
    const element = innermost(type!);
    const alias = variants[element];
    const types = Object.entries(alias?.values ?? {}).map(([value, text]) => [value, innermost(`${text}`)]);
    const dtypes: Record<string, DType> = Object.fromEntries(types);
    const chosen = alias && { dtype: dtypes[`${alias.fallback}`]!, choice: { variant: element, dtypes } };
    bindings.push({ name: name!, binding, access, ...(chosen ?? { dtype: element as DType }) });
  }
  const lengths = size.split(",").map((length) => (/^\d/.test(length) ? Number(length) : length));
  const reached = <T>(all: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name)));
  return {
    name: `${file.split("/").pop()}.${entryPoint}`,
    file: `shaders/${file}.wgsl`,
    entryPoint,
    bindings: bindings.sort((a, b) => a.binding - b.binding),
    ...(textures.length > 0 ? { textures } : {}),
    uniform: names.has("params") ? parseUniform(source) : null,
    workgroupSize: [...lengths, 1, 1].slice(0, 3),
    tunables: reached(tunables),
    variants: reached(variants),
  };
}

/** The kernels of `shaders/file.wgsl`, by their entry points in camel case; the build step knows their types. */
export function family<Kernels extends Record<keyof Kernels, Kernel>>(file: string, source: string): Kernels {
  const marked = parseMarked(source);
  const declarations = parseDeclarations(source);
  const entries = source.matchAll(/@workgroup_size\((.*)\)\s*fn (\w+)/g);
  const kernels = [...entries].map(([, size, entryPoint]) => [
    entryPoint!.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    kernel(
      source,
      parseSpec(file, source, marked, entryPoint!, size!, reachedFrom(entryPoint!, declarations)),
    ),
  ]);
  return Object.fromEntries(kernels) as Kernels;
}
