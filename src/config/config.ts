/**
 * The configuration of a run: one schema from which the types, the defaults, the checks and the help text come.
 *
 * Values are resolved in this order, later ones win: the schema's defaults, a preset, a JSON file (`--config`),
 * `--set key=value`. Keys are dotted (`decoder.learningRate`); a JSON file may nest them or not.
 */

import { UserError } from "../platform/errors.js";
import { isRecord, parseJson } from "../platform/json.js";
import { shown } from "../platform/shown.js";

interface NumberKey {
  kind: "integer" | "number";
  default: number;
  min: number;
  max: number;
  doc: string;
}
interface FlagKey {
  kind: "flag";
  default: boolean;
  doc: string;
}
interface TextKey {
  kind: "text";
  default: string;
  doc: string;
}
interface ChoiceKey<T extends string> {
  kind: "choice";
  default: T;
  allowed: readonly T[];
  doc: string;
}
type Key = NumberKey | FlagKey | TextKey | ChoiceKey<string>;

const integer = (value: number, min: number, max: number, doc: string): NumberKey => {
  return { kind: "integer", default: value, min, max, doc };
};
const number = (value: number, min: number, max: number, doc: string): NumberKey => {
  return { kind: "number", default: value, min, max, doc };
};
const flag = (value: boolean, doc: string): FlagKey => ({ kind: "flag", default: value, doc });
const text = (value: string, doc: string): TextKey => ({ kind: "text", default: value, doc });
const choice = <const T extends string>(
  value: NoInfer<T>,
  allowed: readonly T[],
  doc: string,
): ChoiceKey<T> => {
  return { kind: "choice", default: value, allowed, doc };
};

const MANY = 1e9;
const DECAYS = ["constant", "linear", "cosine"] as const;

/** Every key: default, range or allowed values, and what it means. The defaults are the `emoji` preset's, but for what the preset names. */
const SCHEMA = {
  seed: integer(1, 0, Number.MAX_SAFE_INTEGER, "seed of every random number of the run"),
  minutes: number(
    0,
    0,
    1e6,
    "time for the whole run, start and scores included: the steps, their warm-up, measures, checkpoints and scored pictures are chosen for it; 0 = these settings are as given",
  ),
  data: {
    source: choice("emoji", ["emoji", "folder"], "the built-in emoji data, or a folder of your own pictures"),
    folder: text("", "folder with pictures and captions.jsonl, .csv or .txt (data.source=folder)"),
    imageSize: integer(64, 12, 1024, "side of the square pictures, in pixels"),
    subset: integer(
      0,
      0,
      MANY,
      "use only this many training pictures; 0 = all. Of emoji, as large a share of the other splits",
    ),
    skipBad: flag(false, "skip unreadable rows and pictures instead of stopping"),
    augment: integer(
      4,
      0,
      1000,
      "shifted, scaled and brightened variants of each training picture that the decoder sees beside it; the VQ-VAE is trained on such variants whatever this says",
    ),
    maxLength: integer(
      12,
      2,
      256,
      "caption length L in tokens, the end token included; longer captions are cut",
    ),
    minCount: integer(1, 1, MANY, "words seen less often than this in the training captions become unknown"),
  },
  vqvae: {
    channels: integer(32, 8, 1024, "channels after the first halving; each further one doubles them"),
    codes: integer(512, 2, 8192, "codebook size K (paper: 2886)"),
    codeDim: integer(64, 1, 1024, "numbers in a code vector"),
    downsample: integer(3, 1, 6, "halvings f: an S×S picture becomes (S/2^f)×(S/2^f) codes"),
    resBlocks: integer(1, 1, 8, "residual blocks at the code grid, in the encoder and in the decoder"),
    attention: flag(false, "self-attention over the code grid"),
    reconstruction: choice(
      "both",
      ["l2", "l1", "both"],
      "error of the reconstruction: mean square, mean absolute, or their sum",
    ),
    commitment: number(0.25, 0, 100, "weight of the commitment loss |z − sg(e)|²"),
    decay: number(0.99, 0, 0.99999, "decay of the codebook's moving averages"),
    steps: integer(1600, 1, MANY, "training steps"),
    batch: integer(32, 1, 65535, "pictures a step"),
    learningRate: number(1e-3, 0, 1, "peak learning rate of AdamW"),
    warmup: integer(100, 0, MANY, "steps of linear warm-up, the first with 1 / warmup of the peak"),
    learningRateDecay: choice("cosine", DECAYS, "the learning rate after the warm-up; the last two end at 0"),
    restartAfter: integer(
      40,
      0,
      MANY,
      "move a code unused for this many steps to an encoder output of the batch, no two to the same one; 0 = never",
    ),
  },
  decoder: {
    dim: integer(128, 8, 4096, "width d (paper: 512)"),
    blocks: integer(4, 1, 64, "transformer blocks (paper: 18)"),
    heads: integer(4, 1, 64, "attention heads; must divide decoder.dim"),
    mlpRatio: number(4, 0.25, 16, "hidden width of the MLP over decoder.dim"),
    conditionBlocks: integer(
      0,
      0,
      64,
      "blocks of self-attention over the codes, before the caption looks at them (paper: 0)",
    ),
    summaryTokens: integer(
      8,
      0,
      1024,
      "entries beside the codes' that sum up the whole code grid for the caption to look at (paper: 0)",
    ),
    dropout: number(0, 0, 0.9, "dropout probability in training"),
    precision: choice(
      "float32",
      ["float32", "float16"],
      "what the weights of large products and the values between them are stored in; sums, softmax, losses, gradients and the weights that the optimiser moves are float32 (float16 needs the WebGPU feature shader-f16)",
    ),
    conditionEmbedding: choice(
      "vectors",
      ["codes", "vectors"],
      "what the decoder sees of a code: its own learned table by index, or the VQ-VAE's frozen code vector",
    ),
    schedule: choice(
      "vq-diffusion-paper",
      ["vq-diffusion-paper", "vq-diffusion-code", "absorbing", "uniform"],
      "how the words get lost: masked and replaced (cumulative mask rate 0 → 0.9), the public code's end points (0.99999, hardly any replacement), masked only, replaced only",
    ),
    timesteps: integer(100, 2, 10000, "diffusion steps T (paper: 100)"),
    lambda: number(
      0.5,
      0,
      100,
      "weight λ of the auxiliary loss −log p(x0|xt) (VQ-Diffusion: 5e-4, for 200 passes over the data)",
    ),
    adaptiveAuxiliary: flag(true, "auxiliary weight falls with t: from 2λ at t = 1 towards λ"),
    pCond: number(
      0.1,
      0,
      1,
      "share of the captions whose condition is masked in training, of the pictures if captionsPerImage is above 1 (paper: 0.1)",
    ),
    pMask: number(
      0.1,
      0,
      1,
      "of those, share of the positions masked (paper: 0.1); 1 = classifier-free training",
    ),
    pDrop: number(
      0,
      0,
      1,
      "share of the captions (as for pCond) that lose the whole condition besides (paper: 0): with it, cfg works on a model trained for mcs",
    ),
    filler: choice("learned", ["learned", "zeros"], "what a masked condition position holds"),
    steps: integer(6000, 1, MANY, "training steps"),
    batch: integer(64, 1, 65535, "captions a step (paper: 128)"),
    captionsPerImage: integer(
      1,
      1,
      MANY,
      "captions of a picture in a batch, each with its own noise and step t; more than 1 save work on the condition, but share its mask, which Algorithm 1 draws for each. Must divide decoder.batch",
    ),
    microBatches: integer(
      1,
      1,
      65535,
      "parts that a batch is worked through in, their gradients added up: less memory, the same mean. Must divide decoder.batch / decoder.captionsPerImage",
    ),
    checkpointing: flag(
      false,
      "keep only what goes into each block and run the block again for its gradient: less memory, about a third more work",
    ),
    learningRate: number(1e-3, 0, 1, "peak learning rate of AdamW (paper: 4.5e-4)"),
    warmup: integer(150, 0, MANY, "steps of linear warm-up (paper: 1000)"),
    learningRateDecay: choice(
      "cosine",
      DECAYS,
      "the learning rate after the warm-up (paper: constant); the last two end at 0",
    ),
    warmupFrom: number(1e-6, 0, 1, "learning rate at the first step of the warm-up (paper: 1e-6)"),
    beta1: number(0.9, 0, 0.99999, "AdamW β1"),
    beta2: number(0.96, 0, 0.99999, "AdamW β2"),
    weightDecay: number(
      0.045,
      0,
      10,
      "AdamW weight decay of the matrices; tables, biases and norms have none",
    ),
    clip: number(0.5, 0, MANY, "largest global gradient norm; 0 = no clipping"),
    emaDecay: number(0.99, 0, 0.999999, "decay of the averaged weights that sampling uses; 0 = no averaging"),
    emaEvery: integer(5, 1, MANY, "steps between two updates of the averaged weights"),
    importanceSampling: flag(
      false,
      "draw t by its KL instead of uniformly (paper: uniform), once each t was trained more than 10 times; the total loss is weighted to make up for it, the logged parts are not",
    ),
  },
  sampling: {
    steps: integer(25, 1, 10000, "denoising steps; at most decoder.timesteps"),
    guidance: choice(
      "mcs",
      ["none", "cfg", "mcs", "mcs-printed"],
      "none, classifier-free, masked condition with the scale on the full condition, or with it on the partial one as the paper prints it",
    ),
    scale: number(2, 0, 100, "guidance scale ω"),
    topR: number(0.86, 0.001, 1, "keep the most likely words up to this probability mass; 1 = all"),
    temperature: number(1, 0, 100, "temperature of the word probabilities; 0 = always the most likely word"),
    last: choice(
      "argmax",
      ["argmax", "sample"],
      "the last denoising step takes the most likely word of each position, or draws it",
    ),
    maskMode: choice("fixed", ["fixed", "redrawn"], "mask drawn once per picture, or again at every step"),
    maskRate: number(0.1, 0, 1, "share of condition positions masked in the partial branch of mcs"),
    allowUnknown: flag(
      false,
      "captions may hold [UNK], which stands for all words that were too rare (data.minCount)",
    ),
  },
  log: {
    every: integer(20, 1, MANY, "steps between two printed lines (log.jsonl has every step)"),
    sampleEvery: integer(1000, 0, MANY, "steps between two sample sheets; 0 = only at the end"),
    evaluateEvery: integer(
      1000,
      0,
      MANY,
      "steps between two evaluations on held-out pictures; 0 = only at the end",
    ),
    checkpointEvery: integer(500, 0, MANY, "steps between two checkpoints; 0 = only at the end"),
    keep: integer(2, 1, 1000, "checkpoints kept"),
    scored: integer(200, 0, MANY, "pictures of each split that are scored at the end; 0 = all"),
  },
} as const satisfies Record<string, Key | Record<string, Key>>;

type ValueOf<K> = K extends { kind: "integer" | "number" }
  ? number
  : K extends { kind: "flag" }
    ? boolean
    : K extends ChoiceKey<infer T>
      ? T
      : string;
type ConfigOf<S> = { -readonly [P in keyof S]: S[P] extends Key ? ValueOf<S[P]> : ConfigOf<S[P]> };
type PartialConfig<C> = { [P in keyof C]?: C[P] extends object ? Partial<C[P]> : C[P] };

/** A whole, checked configuration. */
export type Config = ConfigOf<typeof SCHEMA>;
export type DataConfig = Config["data"];
export type VqvaeConfig = Config["vqvae"];
export type DecoderConfig = Config["decoder"];
export type SamplingConfig = Config["sampling"];
export type LogConfig = Config["log"];

const PRESETS = {
  /**
   * Both stages in minutes on two processor cores: shows that everything works, not how good it gets. So few steps want
   * high learning rates; a network that has seen so little captions best where it takes its likeliest words, without guidance.
   */
  quick: {
    data: { imageSize: 32, subset: 512, maxLength: 12, augment: 2 },
    vqvae: {
      channels: 24,
      codes: 128,
      codeDim: 32,
      downsample: 2,
      decay: 0.95,
      steps: 250,
      batch: 16,
      learningRate: 4e-3,
      warmup: 30,
      restartAfter: 40,
    },
    decoder: {
      dim: 96,
      blocks: 2,
      steps: 1500,
      batch: 32,
      learningRate: 2e-3,
      warmup: 100,
      emaEvery: 5,
    },
    sampling: { guidance: "none", temperature: 0.1 },
    log: { every: 20, sampleEvery: 0, evaluateEvery: 300, checkpointEvery: 300, keep: 1, scored: 24 },
  },
  /** The model whose weights ship. It is trained for both ways of guidance; cfg is what scored best on it (model card). */
  emoji: { decoder: { pDrop: 0.1 }, sampling: { guidance: "cfg", scale: 1.25 } },
  /**
   * What the paper states (reference: 122 M parameters on CUB-200 at 256×256), for --data with a folder of photographs
   * and a real GPU. What it leaves open is as in VQ-Diffusion; its VQGAN is a VQ-VAE here. 200 epochs of 88 550 captions.
   */
  paper: {
    data: { imageSize: 256, augment: 0, maxLength: 32 },
    vqvae: { channels: 64, codes: 2886, codeDim: 256, downsample: 3, resBlocks: 2, steps: 50_000, batch: 16 },
    decoder: {
      dim: 512,
      blocks: 18,
      heads: 8,
      summaryTokens: 0,
      conditionEmbedding: "codes",
      lambda: 5e-4,
      steps: 138_400,
      batch: 128,
      microBatches: 8,
      learningRate: 4.5e-4,
      warmup: 1000,
      learningRateDecay: "constant",
      emaEvery: 25,
    },
    sampling: { steps: 100 },
    log: { every: 100, sampleEvery: 5000, evaluateEvery: 5000, checkpointEvery: 2000 },
  },
} satisfies Record<string, PartialConfig<Config>>;

/** Sizes that a preset takes instead in a run in a given time (`minutes`) which would have fewer decoder steps than `below`. */
const SMALLER: { [name in keyof typeof PRESETS]?: { below: number; sizes: PartialConfig<Config> } } = {
  quick: {
    below: 1200,
    sizes: {
      vqvae: { channels: 16, steps: 250 },
      decoder: { dim: 64, blocks: 1, batch: 16, captionsPerImage: 2, steps: 1400 },
      sampling: { steps: 12 },
    },
  },
};

export type PresetName = keyof typeof PRESETS;
export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];

const KEYS = new Map<string, Key>(flattenSchema());

function flattenSchema(): [string, Key][] {
  return Object.entries(SCHEMA).flatMap(([name, entry]): [string, Key][] =>
    isKey(entry)
      ? [[name, entry]]
      : Object.entries(entry).map(([key, spec]) => [`${name}.${key}`, spec as Key]),
  );
}

function isKey(entry: Key | Record<string, Key>): entry is Key {
  return typeof entry.kind === "string";
}

export interface ConfigSources {
  /** A name of `PRESET_NAMES`; default `emoji`. */
  preset?: string;
  /** Contents of a `--config` file, and its name for messages. */
  file?: { name: string; text: string };
  /** `key=value` of each `--set`, in order. */
  set?: readonly string[];
}

/**
 * Resolves and checks a configuration. Throws a `UserError` that names the source (preset, file or `--set`), the key
 * and what is allowed; the exit code is 2 for a command line and 1 for a file.
 */
export function resolveConfig(sources: ConfigSources = {}): Config {
  const values = new Map<string, unknown>();
  for (const [key, spec] of KEYS) values.set(key, spec.default);

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
    for (const [key, value] of flatten(parseFile(name, text))) values.set(key, check(key, value, name, 1));
  }
  for (const assignment of sources.set ?? []) {
    const [key, value] = parseAssignment(assignment);
    values.set(key, check(key, value, `--set ${assignment}`, 2));
  }

  const config = nest(values);
  checkTogether(config, sources.file === undefined ? 2 : 1);
  return config;
}

/**
 * The configuration with a preset's smaller sizes, where `set` does not say otherwise, and what they are; null if the preset has
 * none. See `SMALLER`.
 */
export function smallerSizes(
  config: Config,
  preset: string | undefined,
  set: readonly string[],
): { below: number; set: string[]; config: Config } | null {
  const smaller = preset !== undefined && Object.hasOwn(PRESETS, preset) && SMALLER[preset as PresetName];
  if (!smaller) return null;
  const given = new Set(set.map((assignment) => parseAssignment(assignment)[0]));
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
  return value;
}

/** `key=value` to the key and the value in the type that the key has; a value of a wrong form stays text. */
function parseAssignment(assignment: string): [string, unknown] {
  const equals = assignment.indexOf("=");
  if (equals < 1) {
    throw new UserError(`--set ${assignment} should be key=value, for example --set decoder.dim=128`, 2);
  }
  const key = assignment.slice(0, equals).trim();
  const value = assignment.slice(equals + 1).trim();
  const kind = KEYS.get(key)?.kind;
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

function check(key: string, value: unknown, where: string, exitCode: 1 | 2): unknown {
  const spec = KEYS.get(key);
  if (spec === undefined) throw new UserError(`${where}: ${unknownKey(key)}`, exitCode);
  if (!accepts(spec, value)) {
    throw new UserError(
      `${where}: ${key} should be ${allowed(spec)}, not ${shown(JSON.stringify(value))}`,
      exitCode,
    );
  }
  return value;
}

function accepts(spec: Key, value: unknown): boolean {
  switch (spec.kind) {
    case "flag":
      return typeof value === "boolean";
    case "text":
      return typeof value === "string";
    case "choice":
      return typeof value === "string" && spec.allowed.includes(value);
    case "integer":
      return Number.isInteger(value) && inRange(spec, value as number);
    case "number":
      return typeof value === "number" && inRange(spec, value);
  }
}

function inRange(spec: NumberKey, value: number): boolean {
  return value >= spec.min && value <= spec.max;
}

/** What a key allows, as the object of "should be". */
function allowed(spec: Key): string {
  switch (spec.kind) {
    case "flag":
      return "true or false";
    case "text":
      return "text";
    case "choice":
      return `one of ${spec.allowed.join(", ")}`;
    case "integer":
    case "number": {
      const noun = spec.kind === "integer" ? "a whole number" : "a number";
      return spec.max >= MANY ? `${noun} of at least ${spec.min}` : `${noun} from ${spec.min} to ${spec.max}`;
    }
  }
}

function unknownKey(key: string): string {
  const section = key.split(".")[0]!;
  const names = (of: string) => {
    return [...KEYS.keys()].flatMap((other) =>
      other.startsWith(`${of}.`) ? [other.slice(of.length + 1)] : [],
    );
  };
  const list =
    names(section).length > 0
      ? `keys of ${section}: ${names(section).join(", ")}`
      : `keys: ${Object.keys(SCHEMA)
          .map((name) => (KEYS.has(name) ? name : `${name}.{${names(name).join(", ")}}`))
          .join(", ")}`;
  // The distance to a key of a megabyte would take hours, and tell nothing.
  const near = key.length > 100 ? "" : suggestion(key, [...KEYS.keys()]);
  return `there is no key "${shown(key)}"${near}; ${list}`;
}

/** ` (did you mean …?)` with the nearest candidates, if some are near. */
function suggestion(word: string, candidates: readonly string[]): string {
  const ranked = candidates.map((candidate) => {
    // A key without its section is the commonest slip, so the last part alone counts too.
    const lastPart = candidate.slice(candidate.lastIndexOf(".") + 1);
    const distance = Math.min(editDistance(word, candidate), editDistance(word, lastPart) + 0.5);
    return { candidate, distance };
  });
  const nearest = Math.min(...ranked.map(({ distance }) => distance));
  if (nearest > Math.max(2, word.length / 3)) return "";
  const best = ranked.filter(({ distance }) => distance === nearest).map(({ candidate }) => candidate);
  return ` (did you mean ${best.join(" or ")}?)`;
}

/** Levenshtein distance, case ignored. */
function editDistance(a: string, b: string): number {
  const from = a.toLowerCase();
  const to = b.toLowerCase();
  let row = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const substitute = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}

/** Checks that need several keys. */
function checkTogether(config: Config, exitCode: 1 | 2): void {
  const { data, vqvae, decoder, sampling } = config;
  const fail = (message: string): never => {
    throw new UserError(message, exitCode);
  };
  const factor = 2 ** vqvae.downsample;
  if (data.imageSize % factor !== 0) {
    fail(
      `data.imageSize=${data.imageSize} should be a multiple of ${factor} (2 to the power of vqvae.downsample=${vqvae.downsample})`,
    );
  }
  const width = vqvae.channels * 2 ** (vqvae.downsample - 1);
  if (vqvae.attention && (width % 4 !== 0 || width > 512)) {
    fail(
      `vqvae.channels=${vqvae.channels} and vqvae.downsample=${vqvae.downsample} make ${width} channels at the code grid; vqvae.attention needs a multiple of 4, at most 512`,
    );
  }
  if (decoder.dim % decoder.heads !== 0) {
    fail(`decoder.heads=${decoder.heads} should divide decoder.dim=${decoder.dim}`);
  }
  const headWidth = decoder.dim / decoder.heads;
  if (headWidth % 4 !== 0 || headWidth > 512) {
    fail(
      `decoder.dim=${decoder.dim} over decoder.heads=${decoder.heads} is ${headWidth}; a head needs a multiple of 4, at most 512`,
    );
  }
  if (sampling.steps > decoder.timesteps) {
    fail(`sampling.steps=${sampling.steps} should be at most decoder.timesteps=${decoder.timesteps}`);
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
  if (data.source === "folder" && data.folder === "") {
    fail("data.source=folder needs data.folder, the path of your pictures");
  }
}

/** What a trained network's weights or a run's random numbers depend on: a run keeps these settings to its end. */
const FIXED: readonly string[] = [
  "seed",
  "minutes",
  "data.imageSize",
  "data.maxLength",
  "data.minCount",
  ...["channels", "codes", "codeDim", "downsample", "resBlocks", "attention"].map((key) => `vqvae.${key}`),
  ...["dim", "blocks", "heads", "mlpRatio", "conditionBlocks", "summaryTokens", "conditionEmbedding"].map(
    (key) => `decoder.${key}`,
  ),
  ...["schedule", "timesteps", "filler", "importanceSampling"].map((key) => `decoder.${key}`),
];

/**
 * The configuration of a run that goes on with some settings changed. Throws a `UserError` for a setting that a run keeps.
 */
export function resumeConfig(file: { name: string; text: string }, set: readonly string[]): Config {
  const before = new Map(flatten(resolveConfig({ file })));
  const config = resolveConfig({ file, set });
  const after = new Map(flatten(config));
  for (const key of FIXED) {
    if (after.get(key) !== before.get(key)) {
      throw new UserError(
        `--set ${key}=${after.get(key)}: a run keeps its ${key}, ${before.get(key)}; start another run to change it`,
        2,
      );
    }
  }
  return config;
}

/** All keys with their defaults, what they allow and what they mean: the text of `--help-config`. */
export function describeConfig(): string {
  const presets = PRESET_NAMES.map((name) => [name, new Map(flatten(PRESETS[name]))] as const);
  const lines = [
    "Configuration keys, with their defaults (the preset emoji). Set them with --set key=value, or in a JSON",
    'file given with --config, for example {"decoder": {"dim": 128}}. Later ones win: preset, file, --set.',
  ];
  let section = "";
  for (const [key, spec] of KEYS) {
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
