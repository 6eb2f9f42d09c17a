/** The rules of Penn Treebank tokenization, in the order in which they win where they match equally much. */

import {
  ABBREVIATION,
  ACRONYM,
  ADDRESSES,
  AMPERSANDED,
  APOSTROPHE,
  APOSTROPHE_WORD,
  BEFORE_NOT,
  COMPOUND,
  DATE,
  ENDING,
  FRACTION,
  HYPHENATED,
  NOT,
  NUMBER,
  PHONE,
  SLASHED,
  SPACE,
  SYMBOL,
  WORD,
  words,
} from "./patterns.js";

/** How a token is written: as it stands, otherwise, or not at all (null). */
export type Spelling = (token: string) => string | null;

/** One rule: a token and the context after it that must match, too. The context counts when the longest match is chosen. */
export interface Rule {
  readonly expression: RegExp;
  readonly spelling: Spelling;
}

const asIs: Spelling = (token) => token;
const plain: Spelling = (token) => token.replaceAll("\u00ad", "") || "-";
/** Spaces inside a token become no-break spaces, as in the Java program: BLEU and CIDEr split there, ROUGE-L does not. */
const bound: Spelling = (token) => token.replace(/[ \t\r\n]/g, "\u00a0");
const ampersand: Spelling = (token) => token.replace(/&amp;/gi, "&");

/** Quotes as LaTeX writes them. A straight one is an opening quote if `left`. */
const quotes =
  (left: boolean): Spelling =>
  (token) =>
    token
      .replace(/&apos;|'/g, left ? "`" : "'")
      .replace(/&quot;|"/g, left ? "``" : "''")
      .replace(/[\u0091\u2018\u201b\u2039]/g, "`")
      .replace(/[\u0092\u2019\u203a]/g, "'")
      .replace(/[\u0093\u201c\u00ab]/g, "``")
      .replace(/[\u0094\u201d\u00bb]/g, "''");

const CURRENCIES: ReadonlyMap<string, string> = new Map([
  ["\u00a2", "cents"],
  ["\u00a3", "#"],
  ["\u0080", "$"],
  ["\u00a4", "$"],
  ["\u20a0", "$"],
  ["\u20ac", "$"],
]);
const FRACTIONS: ReadonlyMap<string, string> = new Map([
  ["\u00bc", "1/4"],
  ["\u00bd", "1/2"],
  ["\u00be", "3/4"],
  ["\u2153", "1/3"],
  ["\u2154", "2/3"],
]);
const BRACKETS: ReadonlyMap<string, string> = new Map([
  ["(", "-LRB-"],
  [")", "-RRB-"],
  ["[", "-LSB-"],
  ["]", "-RSB-"],
  ["{", "-LCB-"],
  ["}", "-RCB-"],
]);

/** A rule for `token`, followed by `context`. */
function rule(token: string, spelling: Spelling = asIs, context = ""): Rule {
  return { expression: new RegExp(`(${token})${context}`, "uy"), spelling };
}

export const RULES: readonly Rule[] = [
  // Two words without a sign between them; the second is read next.
  rule(words("can"), asIs, words("not")),
  rule(`${APOSTROPHE}[tT]`, asIs, words("was is")),
  rule(words("gon got wan"), asIs, `(?:${words("na ta")})(?!${WORD})`),
  rule(words("gim lem"), asIs, `${words("me")}(?!${WORD})`),
  rule("</?[A-Za-z!][^>]*>", bound),
  rule("&(?:MD|mdash|ndash);|[\\u0096\\u0097\\u2013-\\u2015]", () => "--"),
  rule("&amp;", () => "&"),
  rule("&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+);"),
  rule(WORD, plain, ENDING),
  rule(BEFORE_NOT, plain, NOT),
  rule(WORD, plain),
  rule(APOSTROPHE_WORD, quotes(false)),
  rule(`[yY]${APOSTROPHE}`, quotes(false), "\\p{L}"),
  ...ADDRESSES.map((address) => rule(address)),
  rule(ENDING, quotes(false), "[^A-Za-z]"),
  rule(NOT, quotes(false)),
  rule(DATE),
  rule(NUMBER, plain),
  rule(
    "[\\u207a\\u207b\\u208a\\u208b]?(?:[\\u2070\\u00b9\\u00b2\\u00b3\\u2074-\\u2079]+|[\\u2080-\\u2089]+)",
  ),
  rule(FRACTION, bound),
  rule("[\\u00bc-\\u00be\\u2153-\\u215e]", (token) => FRACTIONS.get(token) ?? token),
  rule(
    `-(?:${words("rrb lrb rcb lcb rsb lsb")})-|${words("C\\.D\\.s pro- anti-")}|[sS](?:&|&amp;)[pP]-500|[sS](?:&|&amp;)[lL][sS]|[cC][aA][pP]${APOSTROPHE}[nN]|[cC]${APOSTROPHE}[eE][sS][tT]`,
    (token) => ampersand(quotes(false)(token)!),
  ),
  rule(SLASHED),
  rule("[A-Z]*\\$|#"),
  rule(
    "[\\u0080\\u00a2-\\u00a5\\u060b\\u0e3f\\u20a0\\u20a4\\u20ac\\uffe0\\uffe1\\uffe5\\uffe6]",
    (token) => CURRENCIES.get(token) ?? token,
  ),
  rule(`${ABBREVIATION}\\.`),
  rule(ACRONYM, asIs, SPACE),
  rule(`${APOSTROPHE}[0-9][0-9]`, quotes(false), `(?:${SPACE}|$)`),
  rule(`${WORD}\\.`, plain, "[,;:]"),
  rule(PHONE, (token) => bound(token)!.replace("(", "-LRB-").replace(")", "-RRB-")),
  rule('"|&quot;', quotes(true), "[A-Za-z0-9$]"),
  rule('"|&quot;', quotes(false)),
  rule("&lt;", () => "<"),
  rule("&gt;", () => ">"),
  rule("[<>]"),
  rule("[()[\\]{}]", (token) => BRACKETS.get(token)!),
  rule("-+", (token) => (token.length === 3 || token.length === 4 ? "--" : token)),
  rule("\\.{3,5}|(?:\\.[ \\u00a0]){2,4}\\.|[\\u0085\\u2026]", () => "..."),
  rule("@+|#+|_+|\\*+|(?:\\\\\\*){1,3}"),
  rule("[,;:]"),
  rule("[?!]+"),
  rule("[.¡¿\\u037e\\u0589\\u061f\\u06d4]"),
  rule(`${HYPHENATED}\\.`, plain, "[,;:]"),
  rule(HYPHENATED, plain),
  rule(`${COMPOUND}\\.`, quotes(false), "[,;:]"),
  rule(COMPOUND, quotes(false)),
  rule(`${AMPERSANDED}\\.`, ampersand, "[,;:]"),
  rule(AMPERSANDED, ampersand),
  rule("'", quotes(true), "[A-Za-z][^ \\t\\n\\r\\u00a0]"),
  rule(ENDING, quotes(false)),
  rule(`[\`\\u2018-\\u201f\\u0091-\\u0094\\u2039\\u203a\\u00ab\\u00bb]{1,2}|''|${APOSTROPHE}`, quotes(false)),
  rule(SYMBOL),
  rule("&nbsp;", () => null),
];
