import { words } from "./words.js";

/** What a caption's words state about a person and a thing. */
export interface Attributes {
  /** "none", one of the five skin tones, or two of them joined by "+" ("light+dark"). */
  readonly tone: string;
  readonly gender: "male" | "female" | "both" | "none";
  /** Distinct content words, sorted. */
  readonly objectWords: readonly string[];
}

/** The five skin tones of Unicode, lightest first: tone number t is `SKIN_TONES[t − 1]`. */
export const SKIN_TONES = ["light", "medium-light", "medium", "medium-dark", "dark"] as const;

const MALE = new Set(
  (
    "man men male males boy boys gentleman guy father dad grandfather grandpa husband groom king prince merman mermen " +
    "policeman businessman fireman workman guardsman mr"
  ).split(" "),
);
const FEMALE = new Set(
  (
    "woman women female females girl girls lady mother mom mum grandmother grandma wife bride queen princess mermaid " +
    "mermaids policewoman businesswoman firewoman mrs"
  ).split(" "),
);
/** Words that carry no content. */
const FUNCTION_WORDS = new Set(
  "a an and are as at by for from in into is it its no not of off on or over s the their to under up with without".split(
    " ",
  ),
);
const SKIN_WORDS = new Set(["skin", "skinned"]);
const TONES: ReadonlySet<string> = new Set(SKIN_TONES);

/** The caption's words with "medium light" and "medium dark" before a skin word joined by a hyphen. */
function toneWords(caption: string): string[] {
  return words(caption.replace(/\bmedium (light|dark)(?= skin)/gi, "medium-$1"));
}

/**
 * Splits words into the skin tones they name and the rest. A word is a tone only if it stands directly before
 * "skin" or "skinned", or before "and" and another such word: "light and dark skin", "dark skinned", "dark
 * skin tone", but not "light bulb". The skin words themselves and the "tone" after them belong to neither.
 */
function separateTones(all: readonly string[]): { tones: string[]; rest: string[] } {
  const tones: string[] = [];
  const rest: string[] = [];
  for (let i = 0; i < all.length; i++) {
    let end = i;
    const run: string[] = [];
    while (TONES.has(all[end] ?? "")) {
      run.push(all[end]!);
      end++;
      if (all[end] === "and" && TONES.has(all[end + 1] ?? "")) end++;
    }
    if (run.length > 0 && SKIN_WORDS.has(all[end] ?? "")) {
      tones.push(...run);
      i = all[end + 1] === "tone" ? end + 1 : end;
    } else {
      rest.push(all[i]!);
    }
  }
  return { tones, rest };
}

/** The skin tones that a caption names, in order and joined by "+" ("dark", "light+dark"); "none" if there are none. */
export function toneOf(caption: string): string {
  const { tones } = separateTones(toneWords(caption));
  return tones.length === 0 ? "none" : tones.join("+");
}

/** The gender that a caption names by words such as man, women, girl, king; "both" if it names two. */
export function genderOf(caption: string): Attributes["gender"] {
  const all = words(caption).map((word) => word.replace(/'s?$/, ""));
  const male = all.some((word) => MALE.has(word));
  const female = all.some((word) => FEMALE.has(word));
  if (male && female) return "both";
  if (male) return "male";
  return female ? "female" : "none";
}

/** The content words of a caption, distinct and sorted: no tones, no gender words, no function words. */
export function objectWordsOf(caption: string): string[] {
  const { rest } = separateTones(toneWords(caption));
  const content = rest.filter((word) => {
    return !FUNCTION_WORDS.has(word) && !MALE.has(word) && !FEMALE.has(word);
  });
  return [...new Set(content)].sort();
}

/** All attributes of a caption, by the three functions above. */
export function attributesOf(caption: string): Attributes {
  return { tone: toneOf(caption), gender: genderOf(caption), objectWords: objectWordsOf(caption) };
}
