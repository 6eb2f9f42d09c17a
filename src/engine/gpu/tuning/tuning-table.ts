/**
 * Tables of the best tunables, measured or reasoned, by adapter, kernel and shape, and the checks that decide whether a table
 * is used. A table is plain JSON, so that it can be kept in a file, in a page's storage, or in the build
 * (shaders/tuning.json).
 */

/** A number for a constant marked `@tune` in a WGSL file; a word or number for a choice (choices.ts). */
export type TuningValue = number | string;
export type TuningValues = Readonly<Record<string, TuningValue>>;

/** An entity that a table may set: a kernel's marked constants, or a choice of an op in TypeScript. */
export interface Tunable<Values = TuningValues> {
  /** The WGSL that a measurement depends on. */
  readonly source: string;
  readonly spec: {
    readonly name: string;
    readonly tunables: Readonly<
      Record<string, { readonly fallback: TuningValue; readonly candidates: readonly TuningValue[] }>
    >;
    /** For kernels: numbers, or names of tunables that hold them. */
    readonly workgroupSize?: readonly (number | string)[];
  };
  /** Type information only; never present at run time. */
  readonly types?: { tunables: Values };
}

/** The format name in a tuning table; tables of other formats are refused. */
export const tuningFormat = "mc-diffusion-tuning-1";

/** Tunables of a kernel for one class of shapes. */
export interface TunedShape {
  values: TuningValues;
  /** Time with the default over time with these values, if these were faster, and the uncertainty of the ratio. */
  speedup?: number;
  noise?: number;
}

/** Tunables of a kernel, by class of shapes. */
export interface TunedKernel {
  /** `sourceHash` of the WGSL that was measured; without it the entry holds for any version of the kernel. */
  source?: string;
  /** By `shapeClass`; `any` applies to every shape that is not listed. */
  shapes: Record<string, TunedShape>;
}

/** Tunables of all kernels on a class of adapters. */
export interface TunedAdapter {
  /** The adapter and date of the measurement; null for values that were reasoned and never measured. */
  measured: string | null;
  why?: string;
  kernels: Record<string, TunedKernel>;
}

/** A tuning table as JSON: the values of the tunables of each kernel, by adapter. */
export interface TuningTable {
  format: typeof tuningFormat;
  /** By `adapterKey`, or by its beginning up to a slash: `gpu` is for all real GPUs, `gpu/intel` for those of one vendor. */
  adapters: Record<string, TunedAdapter>;
}

/**
 * An adapter's class, `kind/vendor/architecture/lanes`, such as `software/mesa/software/8` or `gpu/nvidia/ampere/32`:
 * the properties that decide which kernels are fast and do not change with every driver. Lanes are those of a subgroup,
 * minimum-maximum.
 */
export function adapterKey(info: GPUAdapterInfo | undefined, software: boolean): string {
  const word = (text: string | undefined) => text?.trim().toLowerCase().replaceAll("/", "-") || "unknown";
  const [least = 0, most = least] = [info?.subgroupMinSize, info?.subgroupMaxSize];
  const lanes = least === most ? `${least}` : `${least}-${most}`;
  return [software ? "software" : "gpu", word(info?.vendor), word(info?.architecture), lanes].join("/");
}

/** `a`, `a/b`, `a/b/c` for `a/b/c`: the keys of a table that apply to an adapter, the most general first. */
export function adapterKeys(key: string): string[] {
  const parts = key.split("/");
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}

/** The class of a shape: each length rounded to a power of two (by its logarithm): [384, 160, 1741] is `512x128x2048`. */
export function shapeClass(shape: readonly number[]): string {
  return shape.map((length) => 2 ** exponent(length)).join("x");
}

const exponent = (length: number) => Math.round(Math.log2(Math.max(1, length)));

/** The class as a number, for lookups without making a string: 6 bits per length, at most five lengths. */
export function shapeCode(shape: readonly number[]): number {
  let code = 0;
  for (const length of shape) code = code * 64 + 1 + exponent(length);
  return code;
}

/** `shapeCode` of a class in a table; null if it is none. 0 is `any`. */
export function parseShapeClass(text: string): number | null {
  if (text === "any") return 0;
  const lengths = text.split("x").map(Number);
  const powers = lengths.every((length) => length >= 1 && Number.isInteger(Math.log2(length)));
  return powers && lengths.length <= 5 ? shapeCode(lengths) : null;
}

const hashes = new Map<string, string>();

/** 32-bit FNV-1a of WGSL without its comments and spaces, in eight hexadecimal digits, to detect changes of a kernel. */
export function sourceHash(source: string): string {
  const known = hashes.get(source);
  if (known !== undefined) return known;
  const code = source.replace(/\/\/.*$/gm, "").replace(/\s+/g, "");
  let hash = 0x811c9dc5;
  for (let i = 0; i < code.length; i++) hash = Math.imul(hash ^ code.charCodeAt(i), 0x01000193);
  const text = (hash >>> 0).toString(16).padStart(8, "0");
  hashes.set(source, text);
  return text;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The reason why a parsed JSON value is not a tuning table, as the end of a sentence; null if it is one. */
export function tableFault(value: unknown): string | null {
  if (!isRecord(value)) return "it should hold a JSON object";
  if (value.format !== tuningFormat)
    return `its format is ${JSON.stringify(value.format)}, not "${tuningFormat}"`;
  if (!isRecord(value.adapters)) return "it has no adapters";
  for (const [key, adapter] of Object.entries(value.adapters)) {
    if (!isRecord(adapter) || !isRecord(adapter.kernels)) return `adapters["${key}"] has no kernels`;
    for (const [name, kernel] of Object.entries(adapter.kernels)) {
      const shapes = isRecord(kernel) ? kernel.shapes : null;
      const whole = isRecord(shapes) && Object.values(shapes).every((s) => isRecord(s) && isRecord(s.values));
      if (!whole) return `adapters["${key}"], ${name}: it needs shapes, and each of them values`;
    }
  }
  return null;
}

/** The entries of a table for one adapter, by name of the tunable: the more general entries first, each with its key. */
export type AdapterEntries = ReadonlyMap<string, readonly { key: string; entry: TunedKernel }[]>;

/** Selects the entries of a table for the adapter. */
export function entriesFor(table: TuningTable, adapter: string): AdapterEntries {
  const entries = new Map<string, { key: string; entry: TunedKernel }[]>();
  for (const key of adapterKeys(adapter).filter((key) => Object.hasOwn(table.adapters, key))) {
    for (const [name, entry] of Object.entries(table.adapters[key]!.kernels)) {
      const sameName = entries.get(name) ?? [];
      sameName.push({ key, entry });
      entries.set(name, sameName);
    }
  }
  return entries;
}

/** Values of one tunable by `shapeCode`. */
export type ValuesByShape = ReadonlyMap<number, TuningValues>;

/**
 * The valid values of a tunable from these entries; more specific entries take precedence over more general ones. Calls
 * `refuse` for each invalid entry with its name, including any shape, the key and the reason.
 */
export function usableValues(
  tunable: Tunable,
  entries: AdapterEntries,
  limits: GPUSupportedLimits,
  refuse: (what: string, key: string, why: string) => void = () => {},
): ValuesByShape {
  const { name } = tunable.spec;
  const byShape = new Map<number, TuningValues>();
  for (const { key, entry } of entries.get(name) ?? []) {
    if (entry.source !== undefined && entry.source !== sourceHash(tunable.source)) {
      refuse(name, key, "its WGSL has changed since; tune it again");
      continue;
    }
    for (const [text, { values }] of Object.entries(entry.shapes)) {
      const code = parseShapeClass(text);
      const why = code === null ? "that is no class of shapes" : valuesFault(tunable, values, limits);
      if (why !== null) refuse(`${name} at ${text}`, key, why);
      else byShape.set(code!, { ...byShape.get(code!), ...values });
    }
  }
  return byShape;
}

/** The reason why a tunable cannot have these values on a device, as the end of a sentence; null if it can. */
export function valuesFault(
  { spec }: Tunable,
  values: TuningValues,
  limits: GPUSupportedLimits,
): string | null {
  for (const [name, value] of Object.entries(values)) {
    const declared = Object.hasOwn(spec.tunables, name) ? spec.tunables[name] : undefined;
    if (!declared) return `it has no ${name}`;
    if (!declared.candidates.includes(value))
      return `${name} is ${declared.candidates.join(", ")}, not ${value}`;
  }
  let invocations = 1;
  for (const length of spec.workgroupSize ?? []) {
    const value = typeof length === "number" ? length : (values[length] ?? spec.tunables[length]?.fallback);
    invocations *= typeof value === "number" ? value : 1;
  }
  const most = limits.maxComputeInvocationsPerWorkgroup;
  return invocations > most ? `workgroups of ${invocations}, where this device allows ${most}` : null;
}
