/** The interface of a layout: the files of a data set as they are downloaded. */

import type { FolderFiles } from "../platform/platform.js";
import type { LeftOut, ListedPicture, ListingProblem } from "./listing.js";

/** Settings of `data` that a layout obeys. */
export interface LayoutOptions {
  /** `data.split`: a name of `DataLayout.splits`, or the path of lists; "" chooses what is there. */
  readonly split: string;
  /** `data.crop`: pictures are cut to their bounding boxes. Throw a `UserError` if there are none. */
  readonly crop: boolean;
}

/** What a layout found in a folder. */
export interface Listing {
  /** The data set's own name, with its split: "CUB-200-2011, split zero-shot". */
  readonly title: string;
  /** Where pictures, captions and splits were found, a line each. */
  readonly found: readonly string[];
  readonly pictures: readonly ListedPicture[];
  readonly leftOut: LeftOut;
  /** Rows that stop a run without `data.skipBad`. */
  readonly problems: readonly ListingProblem[];
  /** Sentences about doubtful things. */
  readonly warnings: readonly string[];
  /** Number of pictures that a complete download has in each split; null for data without a name. */
  readonly known: KnownCounts | null;
}

/** The published counts of a named data set. */
export interface KnownCounts {
  readonly name: string;
  /** Pictures by split, before any are set apart for validation. */
  readonly splits: Readonly<Record<string, number>>;
}

/** Reads the files of one data set as they are downloaded. */
export interface DataLayout {
  /** The name in `--data NAME:FOLDER` and `data.source`. */
  readonly name: string;
  /** What `--help` says of it, in a few words. */
  readonly about: string;
  /** Splits that `data.split` can name. */
  readonly splits: readonly string[];
  /** Whether the names in a folder, and in the folders directly in it, look like this layout. */
  recognises(names: readonly string[]): boolean;
  /** Lists the pictures. Throws a `UserError` that says what was looked for and what was found. */
  list(files: FolderFiles, folder: string, options: LayoutOptions): Promise<Listing>;
}
