/** What the tokens of captions and the places of code grids are about, for grounding. */

import type { Dataset, Referents } from "../data/dataset.js";
import { MOST_REFERENTS } from "../models/mc-diffusion/grounding.js";
import { UserError } from "../platform/errors.js";
import type { StageContext } from "./trainer.js";

/** What the data tell of words. Throws a `UserError` if they tell nothing. */
export function referentsOf({ name, referents }: Pick<Dataset, "name" | "referents">): Referents {
  if (!referents)
    throw new UserError(
      `decoder.grounding needs data that tell what words are about, as scenes do; ${name} does not: set it to 0`,
    );
  return referents;
}

/** The referents of one data set as numbers below `MOST_REFERENTS`, or that for none. */
export class WordReferents {
  readonly #referents: Referents;
  readonly #tokenizer: StageContext["captioner"]["tokenizer"];
  readonly #side: number;

  /** Throws a `UserError` if the data set does not know what words are about. */
  constructor(
    dataset: Pick<Dataset, "name" | "referents">,
    { tokenizer, decoder }: Pick<StageContext["captioner"], "tokenizer" | "decoder">,
  ) {
    this.#referents = referentsOf(dataset);
    this.#tokenizer = tokenizer;
    this.#side = decoder.shape.side;
  }

  /** Writes to `target` [L] the thing of each token of caption `number` of a picture, which reads `caption`. */
  words(image: number, number: number, caption: string, target: Uint32Array): void {
    target.fill(MOST_REFERENTS);
    // The first token of a word, or the one after its last, is the number of tokens before it.
    const tokensBefore = (end: number) => this.#tokenizer.encode(caption.slice(0, end)).length;
    for (const { start, end, thing } of this.#referents.words(image, number)) {
      if (thing < MOST_REFERENTS) target.fill(thing, tokensBefore(start), tokensBefore(end));
    }
    // The last position is always END.
    target[target.length - 1] = MOST_REFERENTS;
  }

  /** The things [n · S] at the places of pictures. */
  places(images: ArrayLike<number>): Uint32Array {
    return this.#referents.at(images, this.#side, MOST_REFERENTS);
  }
}
