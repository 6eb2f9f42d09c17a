import { lettersOfRun, normalForm, UNKNOWN } from "../text/words.js";

/** Tokens that coco-caption removes after tokenization. Case matters there: brackets arrive as "-lrb-" and stay. */
const REMOVED = new Set(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"]);

/** Punctuation beyond ASCII ("。", "¿", "«"), which coco-caption does not know. No caption of a model contains any. */
const FOREIGN_SIGN = /^(?=\p{P})[^ -~]$/u;

const BRACKETS: ReadonlyMap<string, string> = new Map([
  ["(", "-lrb-"],
  [")", "-rrb-"],
  ["[", "-lsb-"],
  ["]", "-rsb-"],
  ["{", "-lcb-"],
  ["}", "-rcb-"],
]);
/** Words that the Penn Treebank splits although no sign separates them. */
const COMPOUNDS: ReadonlyMap<string, readonly string[]> = new Map([
  ["cannot", ["can", "not"]],
  ["gonna", ["gon", "na"]],
  ["gotta", ["got", "ta"]],
  ["wanna", ["wan", "na"]],
  ["gimme", ["gim", "me"]],
  ["lemme", ["lem", "me"]],
]);
const CONTRACTION = /^(.+?)(n't|'s|'re|'ve|'ll|'d|'m)$/;
const TOKEN =
  /\.\.\.|--|''|``|\d+(?:[.,:]\d+)+|\p{L}(?:\.\p{L})+\.?|[\p{L}\p{M}\p{N}]+(?:['-][\p{L}\p{M}\p{N}]+)*|\S/gu;

/**
 * The words of a caption as coco-caption passes them to its metrics: Penn Treebank tokens in lower case without the punctuation
 * of `REMOVED`. Hyphenated words stay whole, "woman's" becomes "woman 's", "don't" becomes "do n't", brackets become "-lrb-" and
 * the like and, as in coco-caption, stay.
 *
 * Texts are first normalised as a tokenizer reads captions (`normalForm`), so that a caption with the words of a reference has
 * its tokens, however the reference writes its accents. In scripts without spaces between words each letter is a token, as is
 * usual for Chinese: word boundaries have no convention there.
 *
 * Written from the conventions, not from the Java program: abbreviations other than letters with periods ("u.s.") lose their
 * period ("mr." → "mr"), as do single letters; fractions, dates, e-mail and web addresses are split at their signs; a quote that
 * begins a contraction ("'tis") is removed. Captions rarely contain any of these.
 */
export function tokenizeCaption(caption: string): string[] {
  const text = normalForm(caption)
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/[\u201c\u201d"]/g, " '' ")
    .replace(/[\u2013\u2014]/g, " -- ")
    .replace(/\u2026/g, " ... ");
  const tokens: string[] = [];
  for (const [raw] of text.matchAll(TOKEN)) {
    if (REMOVED.has(raw) || FOREIGN_SIGN.test(raw)) continue;
    const contraction = CONTRACTION.exec(raw);
    if (contraction !== null) tokens.push(...lettersOfRun(contraction[1]!), contraction[2]!);
    else
      tokens.push(...(COMPOUNDS.get(raw) ?? (BRACKETS.has(raw) ? [BRACKETS.get(raw)!] : lettersOfRun(raw))));
  }
  return tokens;
}

/** The tokens of a generated caption: each [UNK] is one word, which no reference has. */
export function tokenizeSaid(caption: string): string[] {
  return caption
    .split(UNKNOWN)
    .flatMap((part, i) => (i === 0 ? tokenizeCaption(part) : [UNKNOWN, ...tokenizeCaption(part)]));
}
