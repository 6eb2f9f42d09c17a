/** The keys of a run's configuration, and the types derived from them. `resolve.ts` builds a configuration. */

import { mcDiffusionSettings } from "../models/mc-diffusion/settings.js";
import type { ModelKind } from "../models/model-kind.js";
import { captionDecoders, imageTokenizers } from "../models/registry.js";
import { samplingSettings } from "../models/sampling-settings.js";
import { vqvaeSettings } from "../models/vqvae/settings.js";
import { tokenizers } from "../text/tokenizers.js";
import { type ConfigOf, choice, flag, integer, type Key, MANY, name, number, text } from "./schema.js";

/**
 * Every key: default, range or allowed values, and meaning. The defaults are those of the `emoji` preset, except for the keys
 * that the preset sets.
 */
const SCHEMA = {
  seed: integer(1, 0, Number.MAX_SAFE_INTEGER, "seed of every random number of the run"),
  minutes: number(
    0,
    0,
    1e6,
    "time for the whole run with start and scores: steps, warm-up, measures, checkpoints and scored pictures are chosen for it; 0 = as given",
  ),
  model: name("mc-diffusion", captionDecoders, "the caption decoder"),
  imageTokenizer: name("vqvae", imageTokenizers, "turns pictures into codes"),
  data: {
    source: choice(
      "emoji",
      ["emoji", "scenes", "folder", "imagefolder", "cub", "coco", "flickr"],
      "the built-in emoji or scenes of them, a folder of yours, or the layout of a downloaded data set (docs/data.md)",
    ),
    folder: text("", "folder of the pictures and captions; not for emoji and scenes"),
    split: text("", "split of a downloaded data set by name, or the path of lists; empty: what is there"),
    validation: number(
      0.1,
      0,
      0.5,
      "share of the training pictures set apart where the data has no validation split",
    ),
    crop: flag(false, "cut pictures to their bounding boxes (cub)"),
    imageSize: integer(64, 12, 1024, "side of the square pictures, in pixels"),
    subset: integer(
      0,
      0,
      MANY,
      "use only this many training pictures; 0 = all (100000 scenes). Of emoji, that share of the other splits",
    ),
    things: integer(
      0,
      0,
      MANY,
      "kinds of things that scenes show, the most usual first; at least 30, 0 = all",
    ),
    skipBad: flag(false, "skip unreadable rows and pictures instead of stopping"),
    augment: integer(
      4,
      0,
      1000,
      "shifted, scaled and brightened variants of each training picture for the decoder; the VQ-VAE always sees them",
    ),
    flip: flag(false, "mirror half of the variants of pictures; not for captions that say left or right"),
    randomCrop: number(0, 0, 0.9, "largest share of a side cut off, at random, from variants of pictures"),
    maxLength: integer(12, 2, 256, "caption length L in tokens, with the end token; longer captions are cut"),
    tokenizer: name("words", tokenizers, "turns captions into tokens"),
    vocabulary: text(
      "",
      "CLIP's vocabulary (data.tokenizer=clip): bpe_simple_vocab_16e6.txt.gz, tokenizer.json, vocab.json or merges.txt, or their folder",
    ),
    plain: number(0, 0, 1, "share of the pictures with their first captions only, of scenes the plainest"),
    minCount: integer(1, 1, MANY, "words rarer than this become unknown"),
  },
  vqvae: vqvaeSettings,
  decoder: mcDiffusionSettings,
  sampling: samplingSettings,
  log: {
    every: integer(20, 1, MANY, "steps between printed lines (log.jsonl has every step)"),
    sampleEvery: integer(1000, 0, MANY, "steps between sample sheets; 0 = only at the end"),
    evaluateEvery: integer(1000, 0, MANY, "steps between evaluations; 0 = only at the end"),
    checkpointEvery: integer(500, 0, MANY, "steps between checkpoints; 0 = only at the end"),
    keep: integer(2, 1, 1000, "checkpoints kept"),
    scored: integer(200, 0, MANY, "pictures of each split that are scored at the end; 0 = all"),
  },
} as const satisfies Record<string, Key | Record<string, Key>>;

export type PartialConfig<C> = { [P in keyof C]?: C[P] extends object ? Partial<C[P]> : C[P] };

/** A whole, checked configuration. */
export type Config = ConfigOf<typeof SCHEMA>;

/** All keys by their full names: those of the schema, and the sections that registered networks add. */
export function allKeys(): Map<string, Key> {
  const sections: Record<string, Key | Record<string, Key>> = { ...SCHEMA };
  for (const { section, settings } of ownSections()) sections[section] = { ...settings };
  return new Map(
    Object.entries(sections).flatMap(([section, entry]): [string, Key][] =>
      isKey(entry)
        ? [[section, entry]]
        : Object.entries(entry).map(([key, spec]) => [`${section}.${key}`, spec]),
    ),
  );
}

/** Registered networks whose settings are not part of the schema. */
export function ownSections(): ModelKind[] {
  return [...imageTokenizers.all, ...captionDecoders.all].filter(
    ({ section }) => !Object.hasOwn(SCHEMA, section),
  );
}

function isKey(entry: Key | Record<string, Key>): entry is Key {
  return typeof entry.kind === "string";
}

/** The networks that a configuration names. */
export function chosenKinds(config: Pick<Config, "imageTokenizer" | "model">): ModelKind[] {
  return [imageTokenizers.get(config.imageTokenizer), captionDecoders.get(config.model)];
}

/** The settings of a network: its section of the configuration. */
export function settingsOf(config: Config, { section }: Pick<ModelKind, "section">): object {
  return (config as unknown as Record<string, object>)[section]!;
}
