/** Reads noun phrases: "two dark skinned women doctors", "a big truck", "a man with light skin". */

import type { ClaimedWord, NounClaim, NounReading } from "./claims.js";
import { PhraseTable } from "./phrase-table.js";
import { COUNTS, GROUP, isContentWord, PAIRS, type Role, SIZE_WORDS } from "./phrases.js";
import { type Gender, type Thing, TONES, type Tone } from "./things.js";

/** Words before which an unknown noun ends. */
const ENDS = new Set(
  "a an the is are and with has have there on in at to of from by against above over below under beneath behind between next beside close left right covers cover hides partly it them can".split(
    " ",
  ),
);
const GENDERS: Readonly<Record<string, Gender>> = { male: "male", female: "female", woman: "female" };

/** A noun phrase and the number of words that it takes. */
export interface FoundNoun {
  readonly noun: NounClaim;
  readonly length: number;
}

interface Adjectives {
  readonly size: "small" | "large" | null;
  readonly tone: Tone | null;
  readonly gender: Gender | null;
  readonly words: readonly ClaimedWord[];
}

interface Ending {
  readonly reading: NounReading;
  readonly end: number;
}

const rolesOf = (words: readonly string[], from: number, to: number, role: Role): ClaimedWord[] =>
  words.slice(from, to).flatMap((word, i) => (isContentWord(word, role) ? [{ word: from + i, role }] : []));

/** Knows the names of things. */
export class NounReader {
  readonly #names = new PhraseTable<Thing>();
  readonly #counts = new PhraseTable<number>();
  readonly #sizes = new PhraseTable<"small" | "large">();

  constructor(things: readonly Thing[]) {
    for (const thing of things)
      for (const { one, many } of thing.names) for (const name of [one, many]) this.#names.add(name, thing);
    for (const [number, word] of COUNTS.entries()) {
      if (word === "") continue;
      this.#counts.add(word, number);
      if (number > 2) this.#counts.add(`${GROUP} ${word}`, number);
    }
    for (const pair of PAIRS) this.#counts.add(pair, 2);
    for (const article of ["a", "an"]) this.#counts.add(article, 1);
    for (const size of ["small", "large"] as const)
      for (const word of SIZE_WORDS[size]) this.#sizes.add(word, size);
  }

  /** The noun phrase at word `at`, of a thing that scenes show; null if there is none. */
  known(words: readonly string[], at: number): FoundNoun | null {
    const { count, start } = this.#determiner(words, at);
    const endings = this.#endings(words, start, { size: null, tone: null, gender: null, words: [] });
    const end = Math.max(0, ...endings.map((ending) => ending.end));
    if (end === 0) return null;
    const readings = endings.filter((ending) => ending.end === end).map(({ reading }) => reading);
    return { noun: { readings, count, countWords: this.#countWords(words, at, start) }, length: end - at };
  }

  /** A noun phrase of anything else: an article or a number with words after it; null if there is none. */
  unknown(words: readonly string[], at: number): FoundNoun | null {
    const { count, start } = this.#determiner(words, at);
    if (count === null) return null;
    let end = start;
    while (end < words.length && !ENDS.has(words[end]!)) end++;
    if (end === start) return null;
    return {
      noun: { readings: [], count, countWords: this.#countWords(words, at, start) },
      length: end - at,
    };
  }

  #determiner(words: readonly string[], at: number): { count: number | null; start: number } {
    const found = this.#counts.longest(words, at);
    if (found) return { count: found.values[0]!, start: at + found.length };
    return { count: null, start: words[at] === "the" ? at + 1 : at };
  }

  #countWords(words: readonly string[], at: number, start: number): ClaimedWord[] {
    return rolesOf(words, at, start, "count");
  }

  /** All ways to read adjectives and a name from word `at` on. */
  #endings(words: readonly string[], at: number, said: Adjectives): Ending[] {
    const found: Ending[] = [];
    const name = this.#names.longest(words, at);
    if (name) found.push(this.#withSkin(words, at, name.length, name.values, said));
    const word = words[at] ?? "";
    const further = (length: number, role: Role, change: Partial<Adjectives>) =>
      found.push(
        ...this.#endings(words, at + length, {
          ...said,
          ...change,
          words: [...said.words, ...rolesOf(words, at, at + length, role)],
        }),
      );
    const size = this.#sizes.longest(words, at);
    if (size && said.size === null) further(size.length, "size", { size: size.values[0]! });
    const tone = TONES.find((known) => known === word);
    if (tone && words[at + 1] === "skinned" && said.tone === null) further(2, "tone", { tone });
    const gender = Object.hasOwn(GENDERS, word) ? GENDERS[word]! : null;
    if (gender && said.gender === null) further(1, "gender", { gender });
    return found;
  }

  /** A name, and "with light skin" after it. */
  #withSkin(
    words: readonly string[],
    at: number,
    length: number,
    things: readonly Thing[],
    { size, tone, gender, words: before }: Adjectives,
  ): Ending {
    const end = at + length;
    const skin = /^with (?:a )?(light|medium|dark) skin(?: tone)?(?= |$)/.exec(
      words.slice(end, end + 5).join(" "),
    );
    const after = skin ? skin[0].split(" ").length : 0;
    return {
      reading: {
        things: things.map(({ name }) => name),
        size,
        tone: (skin?.[1] as Tone | undefined) ?? tone,
        gender,
        words: [...before, ...rolesOf(words, at, end, "thing"), ...rolesOf(words, end, end + after, "tone")],
      },
      end: end + after,
    };
  }
}
