import {
  type Art,
  type Emoji,
  PEOPLE,
  TRAINED_VENDORS,
  UNSEEN_VENDOR,
  type Vendor,
} from "./emoji-sources.js";

/**
 * - train: what is learned from.
 * - tone: the thing and the tone were both trained, their combination was not.
 * - gender: man farmer held out, woman farmer trained, or the reverse.
 * - novel: a thing that was never trained; its words mostly are not in the training captions either.
 * - render: the caption was trained, one vendor's drawing of it was not.
 * - unseen: a drawing style that was never trained (OpenMoji).
 */
export const EMOJI_SPLITS = ["train", "tone", "gender", "novel", "render", "unseen"] as const;
export type EmojiSplit = (typeof EMOJI_SPLITS)[number];
/** The splits that are made of emoji; the other two are made of drawings. */
export type ConceptSplit = "train" | "tone" | "gender" | "novel";

/** One picture: who drew which emoji, and where it belongs. */
export interface Drawing {
  readonly vendor: Vendor;
  readonly emoji: Emoji;
  readonly split: EmojiSplit;
  readonly concept: ConceptSplit;
}

/**
 * Assigns every drawing to its split. Nothing is random:
 *
 * - gender: of the families (see `genderFamilies`) every fourth gives up all pictures of its man (the 1st,
 *   3rd, … of these) or its woman (the 2nd, 4th, …).
 * - tone: c is the rank of the base's code among the bases that come in tones. One tone t is held out if
 *   (c + t) mod 5 = 0, two tones (a, b) if (c + a + 2b) mod 5 = 0: every thing keeps four of its five tones.
 * - novel: bases that do not come in tones, if sha1(code) mod 10 = 0.
 * - render: if sha1(code) mod 5 = 0, of the n trained vendors that drew the emoji, number sha1(code) mod n.
 * - Drawings that one vendor uses for several emoji cannot be captioned rightly except by luck; they stay in
 *   training and are dropped from all tests.
 *
 * sha1(code) is the number that the first 8 hexadecimal digits of the hash spell; `sha1` holds it for every
 * code.
 */
export function assignSplits(
  all: readonly Emoji[],
  art: Readonly<Record<Vendor, Art>>,
  sha1: ReadonlyMap<string, number>,
): Drawing[] {
  const emoji = all.filter(({ code }) => TRAINED_VENDORS.some((vendor) => art[vendor].has(code)));
  const toned = [...new Set(emoji.filter(({ tones }) => tones.length > 0).map(({ base }) => base))].sort();
  const rank = new Map(toned.map((base, c) => [base, c]));
  const heldOutGender = new Set(
    genderFamilies(emoji)
      .filter((_, i) => i % 4 === 0)
      .map(([man, woman], held) => (held % 2 === 0 ? man : woman)),
  );
  const hash = (code: string) => sha1.get(code)!;

  const conceptOf = ({ code, base, tones: [a, b] }: Emoji): ConceptSplit => {
    if (heldOutGender.has(base)) return "gender";
    const c = rank.get(base);
    if (c === undefined) return hash(code) % 10 === 0 ? "novel" : "train";
    if (a === undefined) return "train";
    return (b === undefined ? c + a : c + a + 2 * b) % 5 === 0 ? "tone" : "train";
  };

  const drawings: Drawing[] = [];
  const ambiguous = new Map<Vendor, Set<string>>();
  for (const vendor of [...TRAINED_VENDORS, UNSEEN_VENDOR] as const) {
    ambiguous.set(vendor, sharedDrawings(emoji, art[vendor]));
  }
  for (const item of emoji) {
    const concept = conceptOf(item);
    const drawnBy = TRAINED_VENDORS.filter((vendor) => art[vendor].has(item.code));
    const heldOutVendor =
      concept === "train" && hash(item.code) % 5 === 0
        ? drawnBy[hash(item.code) % drawnBy.length]
        : undefined;
    for (const vendor of drawnBy) {
      const isAmbiguous = ambiguous.get(vendor)!.has(item.code);
      if (concept !== "train" && isAmbiguous) continue;
      const split = vendor === heldOutVendor && !isAmbiguous ? "render" : concept;
      drawings.push({ vendor, emoji: item, split, concept });
    }
    if (art[UNSEEN_VENDOR].has(item.code) && !ambiguous.get(UNSEEN_VENDOR)!.has(item.code)) {
      drawings.push({ vendor: UNSEEN_VENDOR, emoji: item, split: "unseen", concept });
    }
  }
  return drawings;
}

/**
 * Pairs [man's code, woman's code] of people whose names begin with "man" or "men" and have a counterpart with
 * "woman" or "women"; people holding hands are left out. Sorted by the rest of the name, where plain "man"
 * stands behind all names like "man artist" and before those like "man: beard".
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

/** Codes whose drawing serves at least one other code too. */
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
