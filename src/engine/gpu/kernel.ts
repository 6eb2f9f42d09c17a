/** The types of the generated registry (`kernels.generated.ts`), against which `Gpu.run` checks calls. */

export type DType = "f32" | "f16" | "u32" | "i32";
/** Element types that hold real numbers. */
export type Float = "f32" | "f16";

export const bytesPerElement: Readonly<Record<DType, number>> = { f32: 4, f16: 2, u32: 4, i32: 4 };

/** A vector of four in the params of a kernel. */
export type Vec4 = readonly [number, number, number, number];

export interface BindingSpec {
  name: string;
  binding: number;
  access: "read" | "read_write";
  /** The element type if no variant is chosen. */
  dtype: DType;
  /** The variant that sets another element type, and the type for each of its values. */
  choice?: { variant: string; dtypes: Readonly<Record<string, DType>> };
}

/** A `texture_2d<f32>` that a kernel loads texels from. */
export interface TextureSpec {
  name: string;
  binding: number;
}

export interface UniformMember {
  name: string;
  /** Bytes from the start of the struct. */
  offset: number;
  type: Exclude<DType, "f16">;
  width: number;
}

/** The description of one entry point of a WGSL file, extracted by the build step. */
export interface KernelSpec {
  /** `file.entry_point`, its name in error messages and profiles. */
  name: string;
  /** Path of the WGSL file from the top of the repository. */
  file: string;
  entryPoint: string;
  bindings: readonly BindingSpec[];
  textures?: readonly TextureSpec[];
  uniform: { size: number; members: readonly UniformMember[] } | null;
  /** Numbers, or names of tunables that hold them. */
  workgroupSize: readonly (number | string)[];
  tunables: Readonly<Record<string, { fallback: number; candidates: readonly number[] }>>;
  variants: Readonly<
    Record<
      string,
      { type: string; fallback: string | boolean; values: Readonly<Record<string, number | string>> | null }
    >
  >;
}

/**
 * A compute kernel with the types of its call: `Bindings` maps a storage binding to its element type and a texture to
 * "texture"; `Params` has the members of its uniform struct, `Variants` its compile-time choices, `Tunables` the constants
 * that a tuner may change.
 */
export interface Kernel<
  Bindings = Record<string, DType | "texture">,
  Params = Record<string, number | Vec4>,
  Variants = Record<string, string | boolean>,
  Tunables = Record<string, number>,
> {
  readonly source: string;
  readonly spec: KernelSpec;
  /** Type information only; never present at run time. */
  readonly types?: { bindings: Bindings; params: Params; variants: Variants; tunables: Tunables };
}

// An interface without members accepts any object, so only the four type parameters distinguish kernels.
export function kernel<Bindings, Params, Variants, Tunables>(
  source: string,
  spec: KernelSpec,
): Kernel<Bindings, Params, Variants, Tunables> {
  return { source, spec };
}

/** The values for specialising a pipeline: chosen variants and tunables, which override the defaults in the file. */
export interface Specialisation {
  variant: Readonly<Record<string, string | boolean>>;
  tune: Readonly<Record<string, number>>;
}

/** The element type of a binding under these choices. */
export function bindingDType(
  { dtype, choice }: BindingSpec,
  { variant }: Pick<Specialisation, "variant">,
): DType {
  const value = choice && variant[choice.variant];
  return value === undefined ? dtype : choice!.dtypes[String(value)]!;
}

/**
 * Returns the WGSL of one pipeline: the file with its marked `const` lines set, and `enable f16` in front if a chosen type
 * needs it. Line numbers stay those of the file.
 */
export function specialise(kernelSource: Kernel, { variant, tune }: Specialisation): string {
  const { spec } = kernelSource;
  let text = kernelSource.source;
  let half = false;
  const set = (name: string, value: string) => {
    const declaration = `^((?:const\\s+${name}\\s*:\\s*\\w+|alias\\s+${name})\\s*=\\s*)[^;]+;`;
    text = text.replace(new RegExp(declaration, "m"), `$1${value};`);
  };
  for (const [name, value] of Object.entries(tune)) {
    if (!(name in spec.tunables)) throw new TypeError(`${spec.name} has no tunable ${name}`);
    set(name, `${value}u`);
  }
  for (const [name, value] of Object.entries(variant)) {
    const declared = spec.variants[name];
    if (!declared) throw new TypeError(`${spec.name} has no variant ${name}`);
    if (declared.values === null) {
      set(name, String(value));
    } else {
      const number = declared.values[String(value)];
      if (number === undefined) {
        throw new TypeError(
          `${spec.name}: ${name} is ${Object.keys(declared.values).join(" | ")}, not ${value}`,
        );
      }
      set(name, `${number}${declared.type === "u32" ? "u" : ""}`);
      if (declared.type === "alias" && /f16/.test(String(number))) half = true;
    }
  }
  return half ? `enable f16; ${text}` : text;
}
