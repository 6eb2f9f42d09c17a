/** Parts of speech of a caption's words, by lists of closed classes, by WordNet's counts and by the words around. */

import type { WordNet } from "../wordnet.js";

/** What a word is to the rules of `extract.ts`. */
export type Tag =
  | "determiner"
  | "number"
  | "preposition"
  | "and"
  | "be"
  | "have"
  | "pronoun"
  | "relative"
  | "adverb"
  | "adjective"
  | "noun"
  | "verb"
  | "possessive";

export interface TaggedWord {
  readonly word: string;
  readonly tag: Tag;
  /** The word's lemma as this part of speech. */
  readonly lemma: string;
}

const CLOSED: readonly (readonly [Tag, string])[] = [
  [
    "determiner",
    "a an the this that these those his her its their my your our some several many few each every another other both all any no",
  ],
  ["number", "one two three four five six seven eight nine ten eleven twelve dozen"],
  [
    "preposition",
    "in on at of under over above below beneath underneath behind beside near by from into onto through across against along around between among amongst inside outside toward towards off down up for about during like without to amid upon past atop",
  ],
  ["and", "and or but while as &"],
  ["be", "is are was were be being been am 're 'm"],
  ["have", "has have had having with"],
  ["pronoun", "it he she they there him them himself herself itself someone something i you we"],
  ["relative", "that which who where"],
  ["adverb", "very really quite also not n't mostly only just too so well together away"],
  ["possessive", "'s '"],
];
const TAG_OF: ReadonlyMap<string, Tag> = new Map(
  CLOSED.flatMap(([tag, words]) => words.split(" ").map((word) => [word, tag] as const)),
);

/** Words of captions that describe, although WordNet's texts use them more as nouns or verbs, or not at all. */
const ADJECTIVES: ReadonlySet<string> = new Set(
  `red orange yellow green blue purple violet pink brown black white gray grey gold golden silver tan beige cream rust turquoise
   small big large tiny long short tall round flat thin thick wide narrow fat open closed wooden metal plastic striped spotted
   speckled pointed pointy curved rounded fluffy furry shiny bright dark light medium pale multicolored colorful colored
   young old male female front back left right upper lower top bottom`.split(/\s+/),
);

/** Prepositions of several words, which become one. */
const LONG_PREPOSITIONS =
  /\b(?:on top of|in front of|next to|on the (?:side|back|front|edge|end) of|in the middle of|out of|close to|up to|because of|on to|in to)\b/g;

/** Joins prepositions of several words by "_": "next_to". */
export function joinPrepositions(words: readonly string[]): string[] {
  return words
    .join(" ")
    .replace(LONG_PREPOSITIONS, (phrase) => phrase.replaceAll(" ", "_"))
    .split(" ")
    .filter((word) => word !== "");
}

const hasVerb = (wordNet: WordNet, word: string) => wordNet.uses(word).v !== undefined;

/** The verb that a word is a form of, or null: of "swing" and "swinge" the more frequent. */
function verbOf(wordNet: WordNet, word: string): string | null {
  const stem = /^(.+?)(?:ing|ed)$/.exec(word)?.[1];
  const stems = stem === undefined ? [] : [stem, `${stem}e`, stem.replace(/(.)\1$/, "$1")];
  const bases = [...wordNet.bases(word).filter((base) => base !== word), ...stems].filter((base) =>
    hasVerb(wordNet, base),
  );
  if (bases.length > 0) return bases.reduce((best, base) => (count(base) > count(best) ? base : best));
  return hasVerb(wordNet, word) ? word : null;

  function count(base: string): number {
    return wordNet.uses(base).v ?? 0;
  }
}

/** The noun that a word is a form of: "wing" of "wings", although WordNet lists "wings", too. */
function nounOf(wordNet: WordNet, word: string): string {
  // WordNet's endings are those of verbs and adjectives, too: "surfer" is no form of "surf".
  if (/(?:er|est|ing|ed)$/.test(word)) return word;
  const own = wordNet.uses(word).n ?? -1;
  return wordNet.bases(word).find((base) => (wordNet.uses(base).n ?? -1) > own) ?? word;
}

/** Whether a word or its singular is a noun. */
function isNoun(wordNet: WordNet, word: string): boolean {
  return wordNet.uses(nounOf(wordNet, word)).n !== undefined;
}

function adjectiveOf(wordNet: WordNet, word: string): string {
  if (ADJECTIVES.has(word) || wordNet.has(word)) return word;
  return wordNet.bases(word).find((base) => wordNet.uses(base).a !== undefined) ?? word;
}

/** Whether a word describes more often than it names. */
function describes(wordNet: WordNet, word: string): boolean {
  if (ADJECTIVES.has(word)) return true;
  if (word.includes("-") && !wordNet.has(word)) return true;
  const { a, n } = wordNet.uses(word);
  return a !== undefined && (n === undefined || a > n);
}

/** Tags the words of a caption: tokens in lower case, as `tokenizeCaption` gives them, after `joinPrepositions`. */
export function tagWords(words: readonly string[], wordNet: WordNet): TaggedWord[] {
  const tagged: TaggedWord[] = [];
  for (const [i, word] of words.entries()) {
    const before = tagged.at(-1)?.tag;
    const tag = tagOf(words, i, before, wordNet);
    const lemma =
      tag === "noun"
        ? nounOf(wordNet, word)
        : tag === "verb"
          ? (verbOf(wordNet, word) ?? word)
          : tag === "adjective"
            ? adjectiveOf(wordNet, word)
            : word;
    tagged.push({ word, tag, lemma });
  }
  return tagged;
}

function tagOf(words: readonly string[], i: number, before: Tag | undefined, wordNet: WordNet): Tag {
  const word = words[i]!;
  const next = words[i + 1];
  const nextTag = next === undefined ? undefined : TAG_OF.get(next);
  if (word === "that" && before === "noun") return "relative";
  if (/^\d+$/.test(word)) return "number";
  if (word.includes("_")) return "preposition";
  const closed = TAG_OF.get(word);
  if (closed !== undefined) return closed;
  const inPhrase =
    before === "determiner" || before === "adjective" || before === "number" || before === "possessive";
  const namesNext = next !== undefined && nextTag === undefined;
  const verb = verbOf(wordNet, word);
  const participle = verb !== null && verb !== word && /(?:ing|ed|en)$/.test(word);
  // "a man riding", "is parked at", but "a grinning face".
  if (participle && (before === "noun" || isPreposition(next)) && !ADJECTIVES.has(word)) return "verb";
  const namesItself = inPhrase && !namesNext && wordNet.uses(word).n !== undefined && !ADJECTIVES.has(word);
  if (describes(wordNet, word) && !namesItself) return "adjective";
  if (participle) {
    if (namesNext && before !== "be") return "adjective";
    return inPhrase && word.endsWith("ing") ? "noun" : "verb";
  }
  if (verb !== null && verb !== word && !isNoun(wordNet, word)) return "verb";
  if (verb !== null && (before === "noun" || before === "pronoun" || before === "relative")) {
    const { n = 0, v = 0 } = wordNet.uses(verb);
    const previous = words[i - 1]!;
    // "two dogs play with": the form without an ending after a plural.
    const plural = before === "noun" && nounOf(wordNet, previous) !== previous;
    if (plural && verb === word && nextTag !== undefined && nextTag !== "be" && nextTag !== "and")
      return "verb";
    // "teddy bear sitting": the next word is the verb.
    const verbNext = nextTag === "be" || nextTag === "have" || /ing$/.test(next ?? "");
    if (v > n && !verbNext) return "verb";
  }
  if (wordNet.uses(word).r !== undefined && !isNoun(wordNet, word)) return "adverb";
  return "noun";
}

function isPreposition(word: string | undefined): boolean {
  return word !== undefined && (TAG_OF.get(word) === "preposition" || word.includes("_"));
}
