import {
  type Art,
  type Emoji,
  PEOPLE,
  TRAINED_VENDORS,
  UNSEEN_VENDOR,
  type Vendor,
} from "./emoji-sources.js";

/**
 * - train: the training pictures.
 * - validation: held out like `tone` and `render`. Used for everything that is chosen while building and training (the monitor,
 *   guidance scales, loss weights, early stopping). No other split is looked at before the final scores.
 * - tone: the thing and the tone were both trained, their combination was not, for any gender of the thing.
 * - gender: man farmer held out, woman farmer trained, or the reverse.
 * - novel: a thing that was never trained, nor any of its captions; most of its words are not in the training captions.
 * - render: the caption was trained, one vendor's drawing of it was not.
 * - unseen: a drawing style that was never trained (OpenMoji).
 */
export const EMOJI_SPLITS = ["train", "validation", "tone", "gender", "novel", "render", "unseen"] as const;
export type EmojiSplit = (typeof EMOJI_SPLITS)[number];
/** The splits made of emoji; the others are made of drawings, validation of both. */
export type ConceptSplit = "train" | "validation" | "tone" | "gender" | "novel";

/** One picture: the vendor, the emoji and the split. */
export interface Drawing {
  readonly vendor: Vendor;
  readonly emoji: Emoji;
  readonly split: EmojiSplit;
  readonly concept: ConceptSplit;
}

/** Inputs of the split. */
export interface SplitSources {
  readonly emoji: readonly Emoji[];
  readonly art: Readonly<Record<Vendor, Art>>;
  /** For every code, the first 8 hexadecimal digits of its SHA-1 as a number. */
  readonly sha1: ReadonlyMap<string, number>;
  readonly captions: (emoji: Emoji) => readonly string[];
}

/**
 * Assigns every drawing to its split. Nothing is random; h is sha1(code):
 *
 * - gender: of the families (see `genderFamilies`) every fourth gives up all pictures of its man (the 1st, 3rd, … of these) or
 *   its woman (the 2nd, 4th, …).
 * - tone: c is the rank of the thing (see `toneKind`: one for all genders and both directions) among those that come in tones.
 *   One tone t is held out if (c + t) mod 5 = 0, two tones (a, b) if (c + a + 2b) mod 5 = 0: every thing keeps four of its five
 *   tones, or three where c mod 4 = 1: there the combinations of remainder 1 are in validation.
 * - novel: emoji that do not come in tones, if h mod 10 = 0 and no trained emoji has one of their captions.
 * - render: if h mod 5 = 0, of the n trained vendors that drew the emoji, number h mod n; validation has the same for h mod 10 =
 *   1. An emoji drawn by only one vendor stays in training.
 * - Drawings that one vendor uses for several emoji cannot be captioned correctly except by luck; they stay in training and are
 *   dropped from all other splits.
 */
export function assignSplits({ emoji: all, art, sha1, captions }: SplitSources): Drawing[] {
  const emoji = all.filter(({ code }) => TRAINED_VENDORS.some((vendor) => art[vendor].has(code)));
  const labels = new Map(
    emoji.filter(({ tones }) => tones.length === 0).map(({ code, label }) => [code, label]),
  );
  const kindOf = ({ base }: Emoji) => toneKind(labels.get(base) ?? base);
  const toned = emoji.filter(({ tones }) => tones.length > 0);
  const tonedBases = new Set(toned.map(({ base }) => base));
  const rank = new Map([...new Set(toned.map(kindOf))].sort().map((kind, c) => [kind, c]));
  const heldOutGender = new Set(
    genderFamilies(emoji)
      .filter((_, i) => i % 4 === 0)
      .map(([man, woman], held) => (held % 2 === 0 ? man : woman)),
  );
  const hash = (code: string) => sha1.get(code)!;
  const mayBeNovel = ({ code, base }: Emoji) => !tonedBases.has(base) && hash(code) % 10 === 0;
  const trainedCaptions = new Set(emoji.filter((item) => !mayBeNovel(item)).flatMap(captions));

  const conceptOf = (item: Emoji): ConceptSplit => {
    const [a, b] = item.tones;
    if (heldOutGender.has(item.base)) return "gender";
    if (mayBeNovel(item)) return captions(item).some((text) => trainedCaptions.has(text)) ? "train" : "novel";
    if (a === undefined) return "train";
    const c = rank.get(kindOf(item))!;
    const remainder = (b === undefined ? c + a : c + a + 2 * b) % 5;
    if (remainder === 0) return "tone";
    return remainder === 1 && c % 4 === 1 ? "validation" : "train";
  };

  const drawings: Drawing[] = [];
  const ambiguous = new Map<Vendor, Set<string>>();
  for (const vendor of [...TRAINED_VENDORS, UNSEEN_VENDOR] as const) {
    ambiguous.set(vendor, sharedDrawings(emoji, art[vendor]));
  }
  for (const item of emoji) {
    const concept = conceptOf(item);
    const h = hash(item.code);
    const drawnBy = TRAINED_VENDORS.filter((vendor) => art[vendor].has(item.code));
    const heldOutFor: EmojiSplit | null =
      concept !== "train" || drawnBy.length < 2
        ? null
        : h % 5 === 0
          ? "render"
          : h % 10 === 1
            ? "validation"
            : null;
    for (const [number, vendor] of drawnBy.entries()) {
      const isAmbiguous = ambiguous.get(vendor)!.has(item.code);
      if (concept !== "train" && isAmbiguous) continue;
      const heldOut = heldOutFor !== null && number === h % drawnBy.length && !isAmbiguous;
      drawings.push({ vendor, emoji: item, split: heldOut ? heldOutFor : concept, concept });
    }
    if (art[UNSEEN_VENDOR].has(item.code) && !ambiguous.get(UNSEEN_VENDOR)!.has(item.code)) {
      drawings.push({ vendor: UNSEEN_VENDOR, emoji: item, split: "unseen", concept });
    }
  }
  return drawings;
}

/** People whose names differ by gender. */
const SAME_KIND: Readonly<Record<string, string>> = {
  merman: "merperson",
  mermaid: "merperson",
  prince: "crown",
  princess: "crown",
  "with crown": "crown",
  "santa claus": "claus",
  "mrs. claus": "claus",
  "mx claus": "claus",
  "breast-feeding": "feeding baby",
  boy: "child",
  girl: "child",
  "ballet dancer": "dancing",
};
const GENDER_WORDS = new Set("man men woman women person people and".split(" "));

/**
 * What an emoji shows apart from gender, tone and direction: "farmer" for "man farmer", "woman farmer" and "farmer"; "kiss" for
 * "kiss: man, man". Emoji of one kind in the same tone look so similar that one in training would reveal the other. `label` is a
 * CLDR name without tone; the name of a plain person gives "".
 */
export function toneKind(label: string): string {
  const words = label
    .toLowerCase()
    .replace(/:? facing right$/, "")
    .replace(/^older\b/, "old")
    .split(/[:,]? /)
    .filter((word) => !GENDER_WORDS.has(word));
  const kind = words.join(" ");
  return SAME_KIND[kind] ?? kind;
}

/**
 * Pairs [man's code, woman's code] of people whose names begin with "man" or "men" and have a counterpart with "woman" or
 * "women"; people holding hands are left out. Sorted by the rest of the name; plain "man" comes after all names like "man artist"
 * and before those like "man: beard".
 */
export function genderFamilies(emoji: readonly Emoji[]): [string, string][] {
  const byLabel = new Map(
    emoji
      .filter(({ tones, group }) => group === PEOPLE && tones.length === 0)
      .map(({ label, code }) => [label, code]),
  );
  const families: { key: string; pair: [string, string] }[] = [];
  for (const [label, man] of byLabel) {
    const match = /^(man|men)\b(.*)$/.exec(label);
    if (match === null || label.includes("holding hands")) continue;
    const rest = match[2]!;
    const woman = byLabel.get(`${match[1] === "man" ? "woman" : "women"}${rest}`);
    // The comma sorts between the space of "man artist" and the colon of "man: beard".
    if (woman !== undefined) families.push({ key: `${rest},`, pair: [man, woman] });
  }
  families.sort((a, b) => (a.key < b.key ? -1 : 1));
  return families.map(({ pair }) => pair);
}

/** Codes whose drawing is shared with at least one other code. */
export function sharedDrawings(emoji: readonly Emoji[], art: Art): Set<string> {
  const first = new Map<string, string>();
  const shared = new Set<string>();
  for (const { code } of emoji) {
    if (!art.has(code)) continue;
    const drawing = art.drawing(code);
    const other = first.get(drawing);
    if (other === undefined) {
      first.set(drawing, code);
    } else {
      shared.add(other).add(code);
    }
  }
  return shared;
}
