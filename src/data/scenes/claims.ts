/** What a caption says of a scene, as `CaptionReader` finds it in any text. */

import type { Ground } from "./background.js";
import type { Relation } from "./geometry.js";
import type { Role } from "./phrases.js";
import type { Gender, Tone } from "./things.js";

/** A content word of a caption. */
export interface ClaimedWord {
  /** Its number in the caption's words. */
  readonly word: number;
  readonly role: Role;
}

/** One way to understand a noun phrase. */
export interface NounReading {
  /** First names of the things that the noun may mean. */
  readonly things: readonly string[];
  readonly size: "small" | "large" | null;
  readonly tone: Tone | null;
  readonly gender: Gender | null;
  /** The words of its noun, size, tone and gender. */
  readonly words: readonly ClaimedWord[];
}

/** A noun phrase. */
export interface NounClaim {
  /** "a big truck" has two readings. None: it names nothing that scenes show. */
  readonly readings: readonly NounReading[];
  /** The number that it states; 1 for "a"; null for "the" and bare nouns. */
  readonly count: number | null;
  /** Its words for the number. */
  readonly countWords: readonly ClaimedWord[];
}

/** What captions say of two things or more: one of `RELATIONS`, or "next to", or "between" the two in `to`. */
export type ClaimedRelation = Relation | "next" | "between";

/** A relation; `from` and `to` are numbers of nouns. */
export interface RelationClaim {
  readonly relation: ClaimedRelation;
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** Its words; none where another claim has them. */
  readonly words: readonly ClaimedWord[];
}

/** Where a noun is: 0 left or top, 1 middle, 2 right or bottom; null where nothing is said. */
export interface PlaceClaim {
  readonly noun: number;
  readonly across: 0 | 1 | 2 | null;
  readonly down: 0 | 1 | 2 | null;
  readonly words: readonly ClaimedWord[];
}

/** How several things of a kind lie: "in a row". */
export interface LineClaim {
  readonly noun: number;
  readonly words: readonly ClaimedWord[];
}

/** A ground. */
export interface GroundClaim {
  /** Null for words about a ground that describe none of those that scenes have. */
  readonly kind: Ground["kind"] | null;
  readonly colours: readonly string[];
  /** Whether the colours are said in the order that the ground has, as in "A to B"; not in "A and B". */
  readonly ordered: boolean;
  /** Of stripes, where it is said. */
  readonly direction: string | null;
  readonly words: readonly ClaimedWord[];
}

/** All that a caption says. */
export interface Claims {
  readonly nouns: readonly NounClaim[];
  readonly relations: readonly RelationClaim[];
  readonly places: readonly PlaceClaim[];
  readonly lines: readonly LineClaim[];
  readonly grounds: readonly GroundClaim[];
  /** Words of relations without the nouns that they need. */
  readonly dangling: number;
}
