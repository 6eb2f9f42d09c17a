import { genderOf, SKIN_TONES } from "../text/attributes.js";
import { normalizeCaption, words } from "../text/words.js";
import { type Emoji, type Names, PEOPLE } from "./emoji-sources.js";

/** Captions of an emoji: names that people would say, and separately bags of keywords. */
export interface EmojiCaptions {
  readonly captions: string[];
  readonly keywordCaptions: string[];
}

/** Maximum number of name-like captions per emoji. */
const MOST_CAPTIONS = 6;
const MOST_KEYWORD_CAPTIONS = 3;
const KEYWORDS_A_CAPTION = 3;
/** Short words that a shortcode may contain without being an abbreviation ("kiss_mm" is one). */
const SHORT_WORDS = new Set("a an at by go in no of off ok on or tv to up ox".split(" "));
const RUDE = new Set(["shit", "hankey"]);

/**
 * Writes the captions of `emoji`; `baseLabel` is the CLDR name of the emoji without skin tones.
 *
 * An emoji without tones is called by its CLDR name, its Unicode name, the annotation of OpenMoji and its shortcodes, each
 * normalised as by the word tokenizer and kept once (spellings that differ only in hyphens are the same). An emoji with tones
 * gets its CLDR name ("man farmer light skin tone"), "N with light skin" for each name N without tones, and "light skinned"
 * before the CLDR name; two tones are joined by "and". At most 6.
 *
 * Left out: shortcodes with digits or abbreviations that are not in the CLDR name, and outdated names that give a gender to a
 * person without one ("man in tuxedo" for "person in tuxedo").
 */
export function captionsOf(emoji: Emoji, baseLabel: string, names: Names): EmojiCaptions {
  const baseNames = namesOf(emoji, baseLabel, names);
  const keywords = keywordsOf(emoji.base, baseLabel, names);
  const tone = emoji.tones.map((t) => SKIN_TONES[t - 1]!).join(" and ");
  if (tone === "") {
    return { captions: baseNames.slice(0, MOST_CAPTIONS), keywordCaptions: keywords };
  }
  const captions = [spell(emoji.label)];
  for (const name of baseNames) captions.push(`${name} with ${tone} skin`);
  captions.splice(MOST_CAPTIONS - 1);
  captions.push(`${tone} skinned ${spell(baseLabel)}`);
  return {
    captions: [...new Set(captions)],
    keywordCaptions: keywords.map((bag) => `${bag} ${tone} skin`),
  };
}

/** Makes a caption of a name: signs that are the only difference between keycaps become words. */
function spell(name: string): string {
  return normalizeCaption(
    name.replace(/#/g, " number sign ").replace(/\*/g, " asterisk ").replace(/&/g, " and "),
  );
}

function namesOf(emoji: Emoji, baseLabel: string, names: Names): string[] {
  const label = spell(baseLabel);
  const titles = (names.titles.get(emoji.base) ?? []).map(spell);
  const known = new Set([label, ...titles].flatMap((title) => title.split(/[ -]/)));
  const shortcodes = (names.shortcodes.get(emoji.base) ?? [])
    .map((shortcode) => spell(shortcode.replace(/[_-]/g, " ")))
    .filter((name) => name.split(" ").every((word) => isPlainWord(word, known)));

  const kept = new Map<string, string>();
  for (const name of [label, ...titles, ...shortcodes]) {
    const genderless = emoji.group === PEOPLE && genderOf(label) === "none";
    if (name === "" || (genderless && genderOf(name) !== "none")) continue;
    const key = name.replace(/-/g, " ").replace(/'/g, "");
    if (!kept.has(key)) kept.set(key, name);
  }
  return [...kept.values()];
}

function isPlainWord(word: string, known: ReadonlySet<string>): boolean {
  if (known.has(word)) return true;
  if (/\p{N}/u.test(word) || RUDE.has(word)) return false;
  return word.length > 2 || SHORT_WORDS.has(word);
}

/** Keywords that the CLDR name does not contain, three per caption. */
function keywordsOf(base: string, baseLabel: string, names: Names): string[] {
  const inLabel = new Set(words(baseLabel));
  const distinct = new Set<string>();
  for (const keyword of names.keywords.get(base) ?? []) {
    const text = spell(keyword.replace(/_/g, " "));
    if (text !== "" && !/\p{N}/u.test(text) && !text.split(" ").every((word) => inLabel.has(word))) {
      distinct.add(text);
    }
  }
  const list = [...distinct];
  const captions: string[] = [];
  for (let i = 0; i + KEYWORDS_A_CAPTION <= list.length; i += KEYWORDS_A_CAPTION) {
    if (captions.length < MOST_KEYWORD_CAPTIONS)
      captions.push(list.slice(i, i + KEYWORDS_A_CAPTION).join(" "));
  }
  return captions;
}
