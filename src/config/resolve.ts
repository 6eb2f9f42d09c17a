/**
 * The configuration of a run: one schema provides the types, the defaults, the checks and the help text.
 *
 * Values are resolved in this order; later ones take precedence: the schema's defaults, a preset, a JSON file (`--config`),
 * `--set key=value`. Keys are dotted (`decoder.learningRate`); a JSON file may nest them or not.
 */

import { UserError } from "../platform/errors.js";
import { isRecord, parseJson } from "../platform/json.js";
import { shown } from "../platform/shown.js";
import { suggestion } from "../platform/suggest.js";
import { allKeys, type Config, chosenKinds, ownSections } from "./config.js";
import { OF_FILES, PRESET_NAMES, PRESETS, type PresetName, SMALLER } from "./presets.js";
import { accepts, allowed, type Key } from "./schema.js";

/** The sources of a configuration; later ones take precedence. */
export interface ConfigSources {
  /** A name of `PRESET_NAMES`; default `emoji`. */
  preset?: string;
  /** Contents of a `--config` file, and its name for messages. */
  file?: { name: string; text: string };
  /** `key=value` of each `--set`, in order. */
  set?: readonly string[];
}

/**
 * Resolves and checks a configuration. Throws a `UserError` that names the source (preset, file or `--set`), the key and the
 * allowed values; the exit code is 2 for a command line and 1 for a file.
 */
export function resolveConfig(sources: ConfigSources = {}): Config {
  const keys = allKeys();
  const check = (key: string, value: unknown, where: string, exitCode: 1 | 2) =>
    checked(keys, key, value, where, exitCode);
  const values = new Map<string, unknown>();
  for (const [key, spec] of keys) values.set(key, spec.default);
  /** Sections with explicit settings, and their source. */
  const given = new Map<string, string>();
  const explicit = new Set<string>();

  const preset = sources.preset ?? "emoji";
  if (!Object.hasOwn(PRESETS, preset)) {
    throw new UserError(
      `there is no preset "${preset}"${suggestion(preset, PRESET_NAMES)}; presets: ${PRESET_NAMES.join(", ")}`,
      2,
    );
  }
  for (const [key, value] of flatten(PRESETS[preset as PresetName])) {
    values.set(key, check(key, value, `preset ${preset}`, 1));
  }
  if (sources.file !== undefined) {
    const { name, text } = sources.file;
    for (const [key, value] of flatten(parseFile(name, text))) {
      values.set(key, check(key, value, name, 1));
      explicit.add(key);
      given.set(key.split(".")[0]!, `${name}: ${key}`);
    }
  }
  for (const assignment of sources.set ?? []) {
    const [key, value] = parseAssignment(keys, assignment);
    values.set(key, check(key, value, `--set ${assignment}`, 2));
    explicit.add(key);
    given.set(key.split(".")[0]!, `--set ${assignment}`);
  }

  // What a preset sets for a file of the user's gives way where there is none.
  for (const [key, { file, instead }] of Object.entries(OF_FILES))
    if (!explicit.has(key) && values.get(file) === "") values.set(key, instead);

  const exitCode = sources.file === undefined ? 2 : 1;
  const config = nest(values);
  // Sections of networks that the run does not use are left out.
  for (const kind of ownSections()) {
    if (chosenKinds(config).some(({ section }) => section === kind.section)) continue;
    const where = given.get(kind.section);
    if (where)
      throw new UserError(
        `${where}: ${kind.section} belongs to ${kind.name}, which this run does not use`,
        exitCode,
      );
    delete (config as Record<string, unknown>)[kind.section];
  }
  checkTogether(config, exitCode);
  return config;
}

/**
 * The configuration with a preset's smaller sizes, except where `set` overrides them, and those sizes; null if the preset has
 * none. See `SMALLER`.
 */
export function smallerSizes(
  config: Config,
  preset: string | undefined,
  set: readonly string[],
): { below: number; set: string[]; config: Config } | null {
  const smaller = preset !== undefined && Object.hasOwn(PRESETS, preset) && SMALLER[preset as PresetName];
  if (!smaller) return null;
  const keys = allKeys();
  const given = new Set(set.map((assignment) => parseAssignment(keys, assignment)[0]));
  const sizes = flatten(smaller.sizes).filter(([key]) => !given.has(key));
  const values = new Map<string, unknown>([...flatten(config), ...sizes]);
  const changed = nest(values);
  checkTogether(changed, 2);
  return { below: smaller.below, set: sizes.map(([key, value]) => `${key}=${value}`), config: changed };
}

function parseFile(name: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new UserError(`${name} is not valid JSON: ${shown((error as Error).message)}`);
  }
  if (!isRecord(value))
    throw new UserError(`${name} should hold a JSON object, for example {"decoder": {"dim": 128}}`);
  // The config.json of a run also contains its format.
  const { format: _, ...settings } = value;
  return settings;
}

/** Splits `key=value` into the key and the value in the key's type; a value of a wrong form stays text. */
function parseAssignment(keys: ReadonlyMap<string, Key>, assignment: string): [string, unknown] {
  const equals = assignment.indexOf("=");
  if (equals < 1) {
    throw new UserError(`--set ${assignment} should be key=value, for example --set decoder.dim=128`, 2);
  }
  const key = assignment.slice(0, equals).trim();
  const value = assignment.slice(equals + 1).trim();
  const kind = keys.get(key)?.kind;
  if (kind === "flag" && (value === "true" || value === "false")) return [key, value === "true"];
  if ((kind === "integer" || kind === "number") && value !== "" && !Number.isNaN(Number(value))) {
    return [key, Number(value)];
  }
  return [key, value];
}

function flatten(record: Record<string, unknown>, prefix = ""): [string, unknown][] {
  return Object.entries(record).flatMap(([name, value]): [string, unknown][] =>
    isRecord(value) ? flatten(value, `${prefix}${name}.`) : [[prefix + name, value]],
  );
}

function nest(values: ReadonlyMap<string, unknown>): Config {
  const config: Record<string, unknown> = {};
  for (const [key, value] of values) {
    const [section, name] = key.split(".") as [string, string | undefined];
    if (name === undefined) config[section] = value;
    else {
      config[section] ??= {};
      (config[section] as Record<string, unknown>)[name] = value;
    }
  }
  return config as Config;
}

function checked(
  keys: ReadonlyMap<string, Key>,
  key: string,
  value: unknown,
  where: string,
  exitCode: 1 | 2,
): unknown {
  const spec = keys.get(key);
  if (spec === undefined) throw new UserError(`${where}: ${unknownKey(keys, key)}`, exitCode);
  if (!accepts(spec, value)) {
    const elsewhere = spec.kind === "name" ? (spec.registry.elsewhere ?? {}) : {};
    if (Object.hasOwn(elsewhere, value as string))
      throw new UserError(
        `${where}: ${key} "${value}" is there after import "${elsewhere[value as string]}"`,
        exitCode,
      );
    throw new UserError(
      `${where}: ${key} should be ${allowed(spec)}, not ${shown(JSON.stringify(value))}`,
      exitCode,
    );
  }
  return value;
}

function unknownKey(keys: ReadonlyMap<string, Key>, key: string): string {
  const section = key.split(".")[0]!;
  const names = (of: string) => {
    return [...keys.keys()].flatMap((other) =>
      other.startsWith(`${of}.`) ? [other.slice(of.length + 1)] : [],
    );
  };
  const list =
    names(section).length > 0
      ? `keys of ${section}: ${names(section).join(", ")}`
      : `keys: ${[...new Set([...keys.keys()].map((whole) => whole.split(".")[0]!))]
          .map((name) => (keys.has(name) ? name : `${name}.{${names(name).join(", ")}}`))
          .join(", ")}`;
  // The edit distance to a key of a megabyte would take hours and be useless.
  const near = key.length > 100 ? "" : suggestion(key, [...keys.keys()]);
  return `there is no key "${shown(key)}"${near}; ${list}`;
}

/**
 * The values of keys of any schema: their defaults, changed by `key=value` texts in order. Throws a `UserError` with exit code 2 that
 * names the text, the key and the allowed values.
 */
export function valuesOf(keys: ReadonlyMap<string, Key>, set: readonly string[]): Map<string, unknown> {
  const values = new Map<string, unknown>([...keys].map(([key, spec]) => [key, spec.default]));
  for (const assignment of set) {
    const [key, value] = parseAssignment(keys, assignment);
    values.set(key, checked(keys, key, value, `--set ${assignment}`, 2));
  }
  return values;
}

/** Checks that involve several keys. */
function checkTogether(config: Config, exitCode: 1 | 2): void {
  const { data, decoder } = config;
  const fail = (message: string): never => {
    throw new UserError(message, exitCode);
  };
  for (const kind of chosenKinds(config)) {
    const problem = kind.check?.(config);
    if (problem) fail(problem);
  }
  if (decoder.batch % decoder.captionsPerImage !== 0) {
    fail(`decoder.captionsPerImage=${decoder.captionsPerImage} should divide decoder.batch=${decoder.batch}`);
  }
  if ((decoder.batch / decoder.captionsPerImage) % decoder.microBatches !== 0) {
    fail(
      `decoder.microBatches=${decoder.microBatches} should divide the ${decoder.batch / decoder.captionsPerImage} pictures of a batch (decoder.batch over decoder.captionsPerImage)`,
    );
  }
  if (decoder.warmupFrom > decoder.learningRate) {
    fail(
      `decoder.warmupFrom=${decoder.warmupFrom} should be at most decoder.learningRate=${decoder.learningRate}`,
    );
  }
  if (data.source !== "emoji" && data.source !== "scenes" && data.folder === "") {
    fail(`data.source=${data.source} needs data.folder, the path of your pictures`);
  }
}

/** Settings that a trained network's weights or a run's random numbers depend on. A run keeps them to its end. */
const FIXED: readonly string[] = [
  "seed",
  "minutes",
  "model",
  "imageTokenizer",
  "data.tokenizer",
  "data.imageSize",
  "data.maxLength",
  "data.minCount",
];

/** The configuration of a resumed run with some settings changed. Throws a `UserError` for a setting that must not change. */
export function resumeConfig(file: { name: string; text: string }, set: readonly string[]): Config {
  const before = new Map(flatten(resolveConfig({ file })));
  const config = resolveConfig({ file, set });
  const after = new Map(flatten(config));
  const fixed = [...FIXED, ...chosenKinds(config).flatMap((kind) => kind.fixed)];
  for (const key of fixed) {
    if (after.get(key) !== before.get(key)) {
      throw new UserError(
        `--set ${key}=${after.get(key)}: a run keeps its ${key}, ${before.get(key)}; start another run to change it`,
        2,
      );
    }
  }
  return config;
}

/** All keys with their defaults, allowed values and meanings: the text of `--help-config`. */
export function describeConfig(): string {
  const presets = PRESET_NAMES.map((name) => [name, new Map(flatten(PRESETS[name]))] as const);
  const lines = [
    "Configuration keys, with their defaults (the preset emoji). Set them with --set key=value, or in a JSON",
    'file given with --config, for example {"decoder": {"dim": 128}}. Later ones take precedence: preset, file, --set.',
  ];
  let section = "";
  for (const [key, spec] of allKeys()) {
    const [head, tail] = key.split(".") as [string, string | undefined];
    if (tail !== undefined && head !== section) {
      section = head;
      lines.push("", head);
    } else if (tail === undefined) lines.push("");
    lines.push(`  ${key} = ${spec.default === "" ? '""' : spec.default}`);
    lines.push(`      ${spec.doc}; ${allowed(spec)}`);
    const others = presets.flatMap(([name, values]) =>
      values.has(key) ? [`${name}: ${values.get(key)}`] : [],
    );
    if (others.length > 0) lines.push(`      ${others.join(", ")}`);
  }
  return `${lines.join("\n")}\n`;
}
