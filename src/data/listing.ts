/** What a data set lists: pictures by file, with captions and splits. Nothing is decoded yet. */

import type { PictureBox } from "../platform/picture-box.js";

/** A picture that a caption file names. */
export interface ListedPicture {
  /** A unique, stable name; without a split, its hash decides between train and validation. */
  readonly id: string;
  /** Path from the folder of the data set, with "/". */
  readonly file: string;
  /** At least one. */
  readonly captions: readonly string[];
  /** `undefined`: chosen by the hash of `id`. */
  readonly split: string | undefined;
  /** Position in the order in which problems are reported. */
  readonly order: number;
  /** Names the place that lists it, in front of a problem: "captions.csv:12: ". */
  readonly place: string;
  /** The part of the picture that is used; all of it if absent. */
  readonly box?: PictureBox;
}

/** Something that a listing could not use, as a line to print. */
export interface ListingProblem {
  readonly order: number;
  readonly text: string;
}

/** Lines and pictures that a layout leaves out, counted by reason. */
export class LeftOut {
  readonly #reasons = new Map<string, { count: number; first: string }>();

  /** `what` in the plural, as after a number: "blank lines". `where` names the place, for the first of them. */
  add(what: string, where: string): void {
    const known = this.#reasons.get(what);
    if (known) known.count++;
    else this.#reasons.set(what, { count: 1, first: where });
  }

  count(what: string): number {
    return this.#reasons.get(what)?.count ?? 0;
  }

  /** "12 × blank lines (first: a.txt:3)", one entry a reason. */
  describe(): string[] {
    return [...this.#reasons].map(([what, { count, first }]) => `${count} × ${what} (first: ${first})`);
  }
}
