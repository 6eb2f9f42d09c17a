/** The keys of a configuration: kinds of values, their ranges, and the types that follow from them. */

export interface NumberKey {
  kind: "integer" | "number";
  default: number;
  min: number;
  max: number;
  doc: string;
}
export interface FlagKey {
  kind: "flag";
  default: boolean;
  doc: string;
}
export interface TextKey {
  kind: "text";
  default: string;
  doc: string;
}
export interface ChoiceKey<T extends string> {
  kind: "choice";
  default: T;
  allowed: readonly T[];
  doc: string;
}
/** An entry of a registry, which other code can extend. */
export interface NameKey {
  kind: "name";
  default: string;
  registry: { readonly names: readonly string[]; readonly elsewhere?: Readonly<Record<string, string>> };
  doc: string;
}
/** A setting: its default, what it may be, and its help text. */
export type Key = NumberKey | FlagKey | TextKey | ChoiceKey<string> | NameKey;

/** A setting that is a whole number from `min` to `max`. */
export const integer = (value: number, min: number, max: number, doc: string): NumberKey => {
  return { kind: "integer", default: value, min, max, doc };
};
/** A setting that is a number from `min` to `max`. */
export const number = (value: number, min: number, max: number, doc: string): NumberKey => {
  return { kind: "number", default: value, min, max, doc };
};
/** A setting that is true or false. */
export const flag = (value: boolean, doc: string): FlagKey => ({ kind: "flag", default: value, doc });
/** A setting that is a text. */
export const text = (value: string, doc: string): TextKey => ({ kind: "text", default: value, doc });
/** A setting that is one of `allowed`. */
export const choice = <const T extends string>(
  value: NoInfer<T>,
  allowed: readonly T[],
  doc: string,
): ChoiceKey<T> => {
  return { kind: "choice", default: value, allowed, doc };
};

export const name = (value: string, registry: NameKey["registry"], doc: string): NameKey => {
  return { kind: "name", default: value, registry, doc };
};

/** The keys of a section, by name. */
export type Settings = Readonly<Record<string, Key>>;

/** "Any number": the upper end of ranges that have none. */
export const MANY = 1e9;
export const DECAYS = ["constant", "linear", "cosine"] as const;

type ValueOf<K> = K extends { kind: "integer" | "number" }
  ? number
  : K extends { kind: "flag" }
    ? boolean
    : K extends ChoiceKey<infer T>
      ? T
      : string;
/** The values of a schema. */
export type ConfigOf<S> = { -readonly [P in keyof S]: S[P] extends Key ? ValueOf<S[P]> : ConfigOf<S[P]> };

/** Whether a value has the kind that a key requires, within its range. */
export function accepts(spec: Key, value: unknown): boolean {
  switch (spec.kind) {
    case "flag":
      return typeof value === "boolean";
    case "text":
      return typeof value === "string";
    case "choice":
      return typeof value === "string" && spec.allowed.includes(value);
    case "name":
      return typeof value === "string" && spec.registry.names.includes(value);
    case "integer":
      return Number.isInteger(value) && inRange(spec, value as number);
    case "number":
      return typeof value === "number" && inRange(spec, value);
  }
}

function inRange(spec: NumberKey, value: number): boolean {
  return value >= spec.min && value <= spec.max;
}

/** The allowed values of a key, as the object of "should be". */
export function allowed(spec: Key): string {
  switch (spec.kind) {
    case "flag":
      return "true or false";
    case "text":
      return "text";
    case "choice":
      return `one of ${spec.allowed.join(", ")}`;
    case "name":
      return `one of ${spec.registry.names.join(", ")}`;
    case "integer":
    case "number": {
      const noun = spec.kind === "integer" ? "a whole number" : "a number";
      return spec.max >= MANY ? `${noun} of at least ${spec.min}` : `${noun} from ${spec.min} to ${spec.max}`;
    }
  }
}
