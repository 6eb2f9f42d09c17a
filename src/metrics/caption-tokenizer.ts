import { tokenizeCaption, tokenizeSaid } from "./tokenize.js";

/** How captions become the tokens that metrics compare. */
export interface CaptionTokenizer {
  readonly name: string;
  /** The tokens of a generated caption, with single spaces between them. */
  candidate(caption: string): string;
  /** The tokens of a reference, with single spaces between them. */
  reference(caption: string): string;
  /** The list of tokens that BLEU and CIDEr count, from a text of `candidate` or `reference`. ROUGE-L splits at each space. */
  split(tokens: string): string[];
}

/**
 * The tokenizer of `tokenizeCaption`, the default of all metrics: Penn Treebank tokens of normalised text in any script. A
 * generated [UNK] is one word that no reference has.
 */
export const wordsTokenizer: CaptionTokenizer = {
  name: "words",
  candidate: (caption) => tokenizeSaid(caption).join(" "),
  reference: (caption) => tokenizeCaption(caption).join(" "),
  split: (tokens) => (tokens === "" ? [] : tokens.split(" ")),
};

/**
 * For captions that are tokenized already: leaves them as they are. Tokens are split as the reference code splits them: at runs
 * of white space (`splitWhiteSpace`) for BLEU and CIDEr, at each single space for ROUGE-L.
 */
export const spacesTokenizer: CaptionTokenizer = {
  name: "none",
  candidate: (caption) => caption,
  reference: (caption) => caption,
  split: splitWhiteSpace,
};

/** The characters that Python's `str.split()` takes for white space; JavaScript's `\s` differs in seven. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts U+001C to U+001F
const WHITE_SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/** The words between white space, as Python's `str.split()` gives them: no empty ones. */
export function splitWhiteSpace(text: string): string[] {
  return text.split(WHITE_SPACE).filter((word) => word !== "");
}

/** Captions and references after tokenization, with the tokenizer that leaves them so: several metrics share the work. */
export interface TokenizedCaptions {
  readonly candidates: readonly string[];
  readonly references: readonly (readonly string[])[];
  readonly tokenizer: CaptionTokenizer;
}

/** Tokenizes captions once for several metrics: pass the three parts of the result to each. */
export function tokenizeAll(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
  tokenizer: CaptionTokenizer,
): TokenizedCaptions {
  return {
    candidates: candidates.map(tokenizer.candidate),
    references: references.map((list) => list.map(tokenizer.reference)),
    tokenizer: { ...spacesTokenizer, split: tokenizer.split },
  };
}
