/** The batches of a judge's training: pictures of scenes, a caption of each, and captions that are false of it. */

import { Batches } from "../../data/batches.js";
import { CaptionReader } from "../../data/scenes/caption-reader.js";
import type { ScenesDataset } from "../../data/scenes/dataset.js";
import { Draws } from "../../data/scenes/draws.js";
import type { AnnotatedCaption } from "../../data/scenes/references.js";
import type { Scene } from "../../data/scenes/scene.js";
import { CaptionSwapper, SWAPS } from "../../data/scenes/swapped.js";
import { randomBelow } from "../../metrics/random.js";
import { WordTokenizer } from "../../text/words.js";

const CAPTION_STREAM = 0x6a756463;
const ORDER_STREAM = 0x6a75646f;
/** Rounds over the kinds of swaps after which a caption has no more false ones to give. */
const MOST_ROUNDS = 40;
/** Training scenes whose captions make the vocabulary, beside the names of all things: they have every other word many times. */
const VOCABULARY_SCENES = 1000;

/** The words of the captions of some scenes, with every name of their things. */
export function judgeVocabulary(dataset: ScenesDataset): WordTokenizer {
  const train = dataset.splits.train!.slice(0, VOCABULARY_SCENES);
  const names = dataset.art.things.flatMap((thing) => thing.names.flatMap(({ one, many }) => [one, many]));
  return WordTokenizer.build([...train.flatMap((record) => dataset.records[record]!.captions), ...names]);
}

/** A batch: pictures by their numbers, and texts, the captions first, then K false ones of each picture in turn. */
export interface JudgedBatch {
  readonly images: Uint32Array;
  readonly texts: readonly string[];
}

/** The batches of a training run. Batch n is a pure function of (seed, n). */
export class JudgeBatches {
  readonly #dataset: ScenesDataset;
  readonly #swapper: CaptionSwapper;
  readonly #negatives: number;
  readonly #seed: number;
  readonly #pictures: Batches;

  constructor(
    dataset: ScenesDataset,
    { batch, negatives, seed }: { batch: number; negatives: number; seed: number },
  ) {
    const { things } = dataset.art;
    this.#dataset = dataset;
    this.#swapper = new CaptionSwapper(things, new CaptionReader(things));
    this.#pictures = new Batches(dataset, { split: "train", batchSize: batch, seed });
    this.#negatives = negatives;
    this.#seed = seed;
  }

  /** The pictures of batch `n`, from 0. */
  imagesAt(n: number): Uint32Array {
    return this.#pictures.imagesAt(n);
  }

  /** Batch `n`, from 0. */
  at(n: number): JudgedBatch {
    const images = this.imagesAt(n);
    const captions: string[] = [];
    const lies: string[] = [];
    for (const [i, image] of images.entries()) {
      const position = n * images.length + i;
      const { scene, captions: all } = this.#dataset.captioned(image);
      const caption = all[randomBelow(all.length, this.#seed, CAPTION_STREAM, position)]!;
      captions.push(caption.text);
      lies.push(...this.#lies(scene, caption, position));
    }
    return { images, texts: [...captions, ...lies] };
  }

  /** K captions that are false of the scene: of as many kinds as the caption allows, the rarer kinds first. */
  #lies(scene: Scene, caption: AnnotatedCaption, position: number): string[] {
    const draws = new Draws(this.#seed, ORDER_STREAM, position);
    const [object, attribute, relation, place] = SWAPS;
    const kinds = [relation, place, ...draws.shuffled([object, attribute])];
    const found = new Set<string>();
    for (let round = 0; found.size < this.#negatives; round++) {
      if (round === MOST_ROUNDS) throw new Error(`"${caption.text}" has only ${found.size} false forms`);
      for (const kind of kinds) {
        if (found.size === this.#negatives) break;
        const index = position * MOST_ROUNDS + round;
        const lie = this.#swapper.swapped(scene, caption, kind, { seed: this.#seed, index });
        if (lie) found.add(lie.text);
      }
    }
    return [...found];
  }
}
