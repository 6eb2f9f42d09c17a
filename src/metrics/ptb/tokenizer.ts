import { type CaptionTokenizer, splitWhiteSpace } from "../caption-tokenizer.js";
import { RULES } from "./rules.js";

/** Tokens that coco-caption removes. Case matters: brackets arrive as "-lrb-" and stay. */
const REMOVED = new Set([
  ...["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-"],
  ...[".", "?", "!", ",", ":", "-", "--", "...", ";"],
]);

/** A whole word between spaces, for which only the rule of words matters; most tokens of a caption are such. */
const SIMPLE = /[A-Za-z]+(?=[ ]|$)/y;
/** Words that the rules split although they have no sign. */
const SPLIT = /^(?:cannot.*|gonna|gotta|wanna|gimme|lemme)$/i;
/** The rules know the Basic Multilingual Plane alone, as the Java program: other signs, such as emoji, separate and vanish. */
const BEYOND = /[\u{10000}-\u{10ffff}]|[\ud800-\udfff]/gu;

/**
 * Penn Treebank tokens as Stanford's PTBTokenizer writes them with `-preserveLines -lowerCase`, punctuation included: the input
 * of coco-caption before it removes some tokens. At each place the longest rule wins, of equally long ones the first
 * (`ptb/rules.ts`). Signs that no rule names are dropped.
 */
export function ptbWords(caption: string): string[] {
  const text = caption.replaceAll("\n", " ").replace(BEYOND, "\u200b");
  const tokens: string[] = [];
  for (let at = 0; at < text.length; ) {
    SIMPLE.lastIndex = at;
    const simple = SIMPLE.exec(text)?.[0];
    if (simple !== undefined && !SPLIT.test(simple)) {
      tokens.push(simple.toLowerCase());
      at += simple.length + 1;
      continue;
    }
    let longest = 0;
    let token = "";
    let written: string | null = null;
    for (const { expression, spelling } of RULES) {
      expression.lastIndex = at;
      const match = expression.exec(text);
      if (match === null || match[0].length <= longest) continue;
      longest = match[0].length;
      token = match[1]!;
      written = spelling(token);
    }
    if (written !== null) tokens.push(written.toLowerCase());
    at += Math.max(1, token.length);
  }
  return tokens;
}

/**
 * A caption as coco-caption passes it to its metrics: `ptbWords` without the punctuation of its list, joined by spaces. Runs of
 * "!" and "?", hyphens in fives and brackets ("-lrb-") are not on the list and stay.
 */
export function ptbTokens(caption: string): string {
  return ptbWords(caption)
    .filter((word) => !REMOVED.has(word))
    .join(" ");
}

/**
 * coco-caption's tokenizer. Differs from `wordsTokenizer` in what it drops (emoji, some scripts' signs) and keeps ("!!"): choose
 * it to compare with published numbers for English captions.
 */
export const ptbTokenizer: CaptionTokenizer = {
  name: "ptb",
  candidate: ptbTokens,
  reference: ptbTokens,
  split: splitWhiteSpace,
};
