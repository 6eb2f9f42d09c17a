/** A data set whose pictures and captions tell which is which, and all that a stage of training takes. */

import { platform } from "#test-host";
import { Captioner } from "../../dist/captioner/captioner.js";
import type { Config } from "../../dist/config/config.js";
import { type CaptionedImage, type Dataset, MemoryImages, splitsOf } from "../../dist/data/dataset.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import { heldOutRecords } from "../../dist/training/held-out.js";
import type { StageContext } from "../../dist/training/trainer.js";
import { runVocabulary } from "../../dist/training/vocabulary.js";
import { MemoryFiles } from "../io/memory-files.js";
import { tinyConfig } from "./setup.js";

export const toySize = 16;
export const toyBytes = toySize ** 2 * 3;
/** Augmentation changes brightness by at most 6 %, so levels cannot be taken for each other. */
const levels = [30, 70, 110, 150, 190, 230];
export const wordsEach = 3;
export const captionsEach = 2;

const colour = (thing: number) => [0, 1, 2].map((c) => levels[Math.floor(thing / 6 ** c) % 6]!);

/** Which thing a picture shows, augmented or not, by its centre; -1 if it is no picture of the data set. */
export function thingOf(picture: ArrayLike<number>): number {
  const centre = (Math.floor(toySize / 2) * toySize + Math.floor(toySize / 2)) * 3;
  const digits = [0, 1, 2].map((c) =>
    levels.findIndex((level) => Math.abs(picture[centre + c]! - level) <= 0.065 * level + 0.5),
  );
  return digits.includes(-1) ? -1 : digits[0]! + 6 * digits[1]! + 36 * digits[2]!;
}

/** Caption `number` of a thing. No two captions share a word. */
export const captionOf = (thing: number, number: number) =>
  Array.from({ length: wordsEach }, (_, i) => `t${thing}c${number}w${i}`).join(" ");

/** What no caption says and no network should hear of. */
export const keywordOf = (thing: number) => `keyword${thing}`;

/** Takes such a word apart. */
export function placeOf(word: string): { thing: number; number: number; position: number } {
  const [, thing, number, position] = /^t(\d+)c(\d+)w(\d+)$/.exec(word)!;
  return { thing: Number(thing), number: Number(number), position: Number(position) };
}

/**
 * Record i shows thing i, a square of its own colour in a frame that every shift blurs, with two captions. Half of the records are for training, the others for validation
 * and test, by turns, and pictures lie in another order than records: numbers of one kind are no numbers of another.
 */
export function toyDataset(count: number): Dataset & { readonly images: MemoryImages } {
  const records: CaptionedImage[] = Array.from({ length: count }, (_, thing) => ({
    id: `thing ${thing}`,
    image: (thing + 3) % count,
    captions: Array.from({ length: captionsEach }, (_, number) => captionOf(thing, number)),
    keywordCaptions: [keywordOf(thing)],
    split: thing % 2 === 1 ? "train" : thing % 4 === 0 ? "validation" : "test",
    attributes: { tone: "none", gender: "none", objectWords: [] },
  }));
  const images = new Uint8Array(count * toyBytes);
  for (const [thing, { image }] of records.entries()) {
    const pixel = colour(thing);
    for (let i = 0; i < toyBytes; i++) {
      const [x, y] = [Math.floor(i / 3) % toySize, Math.floor(i / 3 / toySize)];
      const inside = Math.max(Math.abs(x - 7.5), Math.abs(y - 7.5)) < 5;
      images[image * toyBytes + i] = inside || (x + y) % 2 === 0 ? pixel[i % 3]! : 0;
    }
  }
  return {
    name: "toy",
    size: toySize,
    images: new MemoryImages(images, toySize),
    records,
    splits: splitsOf(records),
    shown: {
      things: count,
      at: (wanted, side) =>
        Uint32Array.from({ length: wanted.length * side * side }, (_, i) =>
          shownAt(count, (wanted[Math.floor(i / side ** 2)]! + count - 3) % count, i % side ** 2),
        ),
    },
    referents: {
      at: (wanted, side, none) =>
        Uint32Array.from(
          { length: wanted.length * side * side },
          (_, i) => partAt((wanted[Math.floor(i / side ** 2)]! + count - 3) % count, i % side ** 2) ?? none,
        ),
      words: (image, number) => {
        const thing = (image + count - 3) % count;
        let end = -1;
        return captionOf(thing, number)
          .split(" ")
          .flatMap((word, position) => {
            const start = end + 1;
            end = start + word.length;
            const part = partOfWord({ thing, number, position });
            return part === null ? [] : [{ start, end, thing: part }];
          });
      },
    },
  };
}

/** What place `place` of the picture of a thing shows: ground at the first, the thing everywhere else. */
export const shownAt = (things: number, thing: number, place: number): number =>
  place === 0 ? things : thing;

/** The part of a thing's picture at a place: 0 or 1, or nothing at every third. */
export const partAt = (thing: number, place: number): number | null =>
  place % 3 === 0 ? null : (Math.floor(thing / 2) + place) % 2;

/** The part that a word is about; the middle one is about none. */
export const partOfWord = ({
  thing,
  number,
  position,
}: {
  thing: number;
  number: number;
  position: number;
}): number | null => (position === 1 ? null : (Math.floor(thing / 2) + number + position) % 3);

/** Everything for a stage, with files in memory; settings are those of `tinyConfig`, smaller still. */
export async function toyContext(
  gpu: Gpu,
  dataset: Dataset,
  ...set: string[]
): Promise<StageContext & { config: Config; dispose(): void }> {
  const config = tinyConfig(
    "data.maxLength=4",
    "data.augment=2",
    "vqvae.codes=32",
    "decoder.dim=16",
    "decoder.heads=2",
    "decoder.blocks=1",
    "decoder.mlpRatio=2",
    "decoder.summaryTokens=2",
    ...set,
  );
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "run", {});
  const tokenizer = await runVocabulary(files, run, dataset, config);
  const captioner = new Captioner(gpu, config, tokenizer);
  return {
    platform: { ...platform, files },
    config,
    captioner,
    dataset,
    run,
    heldOut: heldOutRecords(dataset),
    dispose: () => captioner.dispose(),
  };
}
