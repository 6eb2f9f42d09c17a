/** The settings of a judge's training: one schema provides the types, the defaults, the checks and the help text. */

import { valuesOf } from "../../config/resolve.js";
import { type ConfigOf, integer, type Key, MANY, number } from "../../config/schema.js";
import { UserError } from "../../platform/errors.js";
import { isRecord, type JsonRecord } from "../../platform/json.js";

const SCHEMA = {
  seed: integer(1, 0, Number.MAX_SAFE_INTEGER, "seed of every random number of the run"),
  minutes: number(0, 0, 1e6, "time for the training: the steps are chosen for it; 0 = judge.steps"),
  data: {
    imageSize: integer(48, 32, 1024, "side of the square pictures, in pixels"),
    things: integer(
      0,
      0,
      MANY,
      "kinds of things that scenes show, the most usual first; at least 30, 0 = all",
    ),
    subset: integer(40_000, 1, MANY, "training scenes"),
  },
  judge: {
    steps: integer(2000, 1, MANY, "training steps"),
    batch: integer(64, 2, 4096, "pictures of a batch, each with one caption"),
    negatives: integer(3, 0, 16, "false captions K of each picture in a batch"),
    naming: number(
      0.5,
      0,
      100,
      "weight of naming the things in the picture, which is used in training alone; 0 = none",
    ),
    learningRate: number(0.0015, 1e-9, 1, "peak of the learning rate, which falls to 0 as a cosine"),
    warmup: integer(100, 0, MANY, "steps until the peak"),
    weightDecay: number(0.05, 0, 10, "weight decay of AdamW, of matrices alone"),
    channels: integer(
      32,
      8,
      1024,
      "channels after the first halving of a picture; each further one doubles them",
    ),
    downsample: integer(3, 1, 8, "halvings: the image tower attends to (imageSize / 2^downsample)² places"),
    resBlocks: integer(2, 0, 100, "residual blocks at that resolution"),
    width: integer(128, 8, 4096, "width of both transformers"),
    heads: integer(4, 1, 64, "attention heads"),
    imageLayers: integer(2, 1, 100, "blocks of the image tower's transformer"),
    textLayers: integer(2, 1, 100, "blocks of the text tower's transformer"),
    features: integer(128, 4, 4096, "width of the common space of pictures and texts"),
    context: integer(24, 2, 256, "longest caption in words, the end included"),
  },
  log: {
    every: integer(20, 1, MANY, "steps between two printed lines (log.jsonl has every step)"),
    sampleEvery: integer(0, 0, MANY, "steps between two lists of judged captions; 0 = only at the end"),
    evaluateEvery: integer(
      250,
      0,
      MANY,
      "steps between two measures on validation pictures; 0 = only at the end",
    ),
    checkpointEvery: integer(100, 0, MANY, "steps between two checkpoints; 0 = only at the end"),
    keep: integer(2, 1, 1000, "checkpoints kept"),
    scored: integer(200, 100, MANY, "validation pictures that are measured during training"),
  },
} as const satisfies Record<string, Key | Record<string, Key>>;

/** All settings of a run. */
export type JudgeConfig = ConfigOf<typeof SCHEMA>;

const KEYS: ReadonlyMap<string, Key> = new Map(
  Object.entries(SCHEMA).flatMap(([section, entry]): [string, Key][] =>
    typeof (entry as { kind?: unknown }).kind === "string"
      ? [[section, entry as Key]]
      : Object.entries(entry as Record<string, Key>).map(([key, spec]) => [`${section}.${key}`, spec]),
  ),
);

/** The defaults, changed by `key=value` texts. Throws a `UserError` for what does not fit. */
export function judgeConfig(set: readonly string[]): JudgeConfig {
  const config: Record<string, unknown> = {};
  for (const [key, value] of valuesOf(KEYS, set)) {
    const [section, name] = key.split(".") as [string, string | undefined];
    if (name === undefined) config[section] = value;
    else config[section] = { ...(config[section] as object), [name]: value };
  }
  const { data, judge } = config as JudgeConfig;
  const fail = (message: string): never => {
    throw new UserError(message, 2);
  };
  if (data.imageSize % 2 ** judge.downsample !== 0)
    fail(`data.imageSize=${data.imageSize} cannot be halved judge.downsample=${judge.downsample} times`);
  if (judge.width % judge.heads !== 0 || (judge.width / judge.heads) % 4 !== 0)
    fail(`judge.width=${judge.width} over judge.heads=${judge.heads} should be a multiple of 4`);
  if (judge.batch > data.subset)
    fail(`judge.batch=${judge.batch} should be at most the data.subset=${data.subset} training scenes`);
  return config as JudgeConfig;
}

/** The settings that a run's folder keeps, changed by `key=value` texts of settings that may change. */
export function resumedJudgeConfig(kept: JsonRecord, set: readonly string[]): JudgeConfig {
  const lines = Object.entries(kept).flatMap(([section, entry]) =>
    isRecord(entry)
      ? Object.entries(entry).map(([key, value]) => `${section}.${key}=${value}`)
      : [`${section}=${entry}`],
  );
  const fixed = set.find((entry) => !/^\s*(log\.|judge\.steps\b)/.test(entry));
  if (fixed !== undefined)
    throw new UserError(
      `--set ${fixed} cannot be given with --resume: a run keeps its settings but judge.steps and log`,
      2,
    );
  return judgeConfig([...lines, ...set]);
}

/** All keys with their defaults and what they mean, a line each. */
export function describeJudgeConfig(): string {
  return [...KEYS].map(([key, spec]) => `${key}=${spec.default}  ${spec.doc}`).join("\n");
}
