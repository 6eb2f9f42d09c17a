/** What the build step read from the shaders, as short text: the other half of `shaders/generate.mjs`. */

import { type DType, type Kernel, type KernelSpec, kernel, type UniformMember } from "./kernel.js";

/**
 * A `KernelSpec` as the build step writes it: lists of words, with colons between the parts of a word. As objects they would be
 * more of a page's bytes than half of its WGSL.
 */
export interface SpecText {
  /** Workgroup size: numbers or tunables, ones at the end left out: `WORKGROUP` or `8,8`. */
  size: string;
  /** `name:binding:type`, with `name=` for what is written; instead of a type the variant that sets it. */
  bindings?: string;
  /** `name:binding` */
  textures?: string;
  /**
   * `name:type`, with `4` behind the type of a vec4. Between them is what is between them in the struct of the WGSL, so that gzip
   * finds the whole list there.
   */
  uniform?: string;
  /** `name:fallback:candidate,candidate` */
  tunables?: string;
  /** `name:type:fallback:value=number,value=number`; a bool ends after the fallback. */
  variants?: string;
}

const parts = (text = "", between = " "): string[][] =>
  text ? text.split(between).map((word) => word.split(":")) : [];

function parseVariant(type: string, fallback: string, list?: string): KernelSpec["variants"][string] {
  if (list === undefined) return { type, fallback: fallback === "true", values: null };
  const pairs = list.split(",").map((pair) => {
    const at = pair.indexOf("=");
    const value = pair.slice(at + 1);
    return [pair.slice(0, at), type === "alias" ? value : Number(value)];
  });
  return { type, fallback, values: Object.fromEntries(pairs) };
}

const scalarOf = (type: string | number) => /[fui]\d\d/.exec(String(type))![0] as DType;

function parseBinding(
  [word, binding, type]: string[],
  variants: KernelSpec["variants"],
): KernelSpec["bindings"][number] {
  const name = word!.replace("=", "");
  const plain = { name, binding: Number(binding), access: word === name ? "read" : "read_write" } as const;
  const variant = variants[type!];
  if (!variant) return { ...plain, dtype: type as DType };
  const values = Object.entries(variant.values!).map(([value, type]) => [value, scalarOf(type)]);
  const dtypes = Object.fromEntries(values) as Record<string, DType>;
  return { ...plain, dtype: dtypes[String(variant.fallback)]!, choice: { variant: type!, dtypes } };
}

/** Offsets as WGSL lays out a struct: a vec4 begins at a multiple of 16 bytes. */
function parseUniform(text: string): NonNullable<KernelSpec["uniform"]> {
  let end = 0;
  const members = parts(text, ",\n").map(([name, type]) => {
    const width = type!.length > 3 ? 4 : 1;
    const offset = Math.ceil(end / (4 * width)) * 4 * width;
    end = offset + 4 * width;
    return { name: name!, offset, type: type!.slice(0, 3) as UniformMember["type"], width };
  });
  return { size: Math.ceil(end / 16) * 16, members };
}

function parseSpec(file: string, entryPoint: string, text: SpecText): KernelSpec {
  const variants = Object.fromEntries(
    parts(text.variants).map(([name, type, fallback, list]) => [name, parseVariant(type!, fallback!, list)]),
  );
  const textures = parts(text.textures).map(([name, binding]) => ({ name: name!, binding: Number(binding) }));
  const size = text.size.split(",").map((length) => (/^\d/.test(length) ? Number(length) : length));
  return {
    name: `${file}.${entryPoint}`,
    file: `shaders/${file}.wgsl`,
    entryPoint,
    bindings: parts(text.bindings).map((word) => parseBinding(word, variants)),
    ...(textures.length > 0 ? { textures } : {}),
    uniform: text.uniform ? parseUniform(text.uniform) : null,
    workgroupSize: [...size, 1, 1].slice(0, 3),
    tunables: Object.fromEntries(
      parts(text.tunables).map(([name, fallback, candidates]) => [
        name,
        { fallback: Number(fallback), candidates: candidates!.split(",").map(Number) },
      ]),
    ),
    variants,
  };
}

/** The kernels of `shaders/file.wgsl`, by their entry points in camel case; the build step knows their types. */
export function family<Kernels extends Record<keyof Kernels, Kernel>>(
  file: string,
  source: string,
  entries: Readonly<Record<string, SpecText>>,
): Kernels {
  const kernels = Object.entries(entries).map(([entryPoint, text]) => [
    entryPoint.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    kernel(source, parseSpec(file, entryPoint, text)),
  ]);
  return Object.fromEntries(kernels) as Kernels;
}
