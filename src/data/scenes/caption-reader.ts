/**
 * Reads what a caption says, by the words of the grammar: nouns, relations, places and grounds, in any order in which they make sense.
 * Captions of the data set are read completely. Of other texts what is understood is read, and the rest is passed over.
 */

import { words as wordsOf } from "../../text/words.js";
import type {
  ClaimedRelation,
  ClaimedWord,
  Claims,
  GroundClaim,
  LineClaim,
  NounClaim,
  PlaceClaim,
  RelationClaim,
} from "./claims.js";
import { HIDING, ORDERS, SHAPES } from "./grammar.js";
import { readGround } from "./ground-reader.js";
import { NounReader } from "./noun-reader.js";
import { PhraseTable } from "./phrase-table.js";
import {
  CORNER_ROWS,
  CORNERS,
  EDGES,
  isContentWord,
  MIDDLES,
  NEXT_TO,
  RELATION_WORDS,
  type Role,
} from "./phrases.js";
import { relationsIn } from "./relation-forms.js";
import type { Thing } from "./things.js";

type Where = Pick<PlaceClaim, "across" | "down">;

/** What a phrase is to the sentence: a letter of `relation-forms.ts`, or P for a place, S for a line of things, "" for nothing. */
interface Meaning {
  readonly letter: string;
  readonly role: Role | null;
  readonly relation?: ClaimedRelation;
  readonly where?: Where;
}

/** A phrase of a caption: its meaning, and its words [from, to). */
interface Found extends Meaning {
  readonly from: number;
  readonly to: number;
  /** The number of a noun. */
  readonly noun?: number;
}

const SILENT = [
  "the picture shows",
  "a picture of",
  "a drawing of",
  "we see",
  "is shown",
  "are shown",
  "can be seen",
  "a background",
  "the background",
  "on it",
  "on them",
];

/** All phrases but nouns and grounds. */
function phraseTable(): PhraseTable<Meaning> {
  const table = new PhraseTable<Meaning>();
  const letter = (name: string, ...phrases: string[]) => {
    for (const phrase of phrases) table.add(phrase, { letter: name, role: null });
  };
  letter("", ...SILENT);
  letter("H", "there is", "there are");
  letter("B", "is", "are");
  letter("A", "and");
  letter("W", "with", "has", "have");
  letter("I", "it");
  letter("M", "them");
  letter("1", "on one side");
  letter("2", "on the other side", "on the other");
  const relation = (name: ClaimedRelation, phrases: readonly string[]) => {
    const meaning: Meaning = { letter: name === "between" ? "T" : "R", role: "relation", relation: name };
    for (const phrase of phrases) table.add(phrase, meaning);
  };
  for (const [name, phrases] of Object.entries(RELATION_WORDS)) relation(name as ClaimedRelation, phrases);
  relation("next", NEXT_TO);
  relation("front", [...HIDING.one, ...HIDING.many]);
  relation("behind", [HIDING.behind]);
  relation("between", ["between", "in between"]);
  for (const [axis, phrase] of Object.entries(ORDERS))
    table.add(phrase, { letter: "O", role: "relation", relation: axis === "row" ? "left" : "above" });
  for (const { two, more } of Object.values(SHAPES))
    for (const phrase of [...two, ...more]) table.add(phrase, { letter: "S", role: "relation" });
  const place = (phrase: string, where: Where) => {
    const meaning: Meaning = { letter: "P", role: "place", where };
    for (const whole of [phrase, `${phrase} of the picture`]) table.add(whole, meaning);
  };
  for (const phrase of MIDDLES) place(phrase, { across: 1, down: 1 });
  for (const phrase of EDGES.left) place(phrase, { across: 0, down: null });
  for (const phrase of EDGES.right) place(phrase, { across: 2, down: null });
  for (const phrase of EDGES.top) place(phrase, { across: null, down: 0 });
  for (const phrase of EDGES.bottom) place(phrase, { across: null, down: 2 });
  for (const form of CORNERS)
    for (const row of ["top", "bottom"] as const)
      for (const word of CORNER_ROWS[row])
        for (const side of ["left", "right"] as const)
          place(form.replace("CORNER", `${word} ${side}`), {
            across: side === "left" ? 0 : 2,
            down: row === "top" ? 0 : 2,
          });
  return table;
}

const PHRASES = phraseTable();

/** Reads captions about some things. */
export class CaptionReader {
  readonly #nouns: NounReader;

  /** The things whose names it knows. */
  constructor(things: readonly Thing[]) {
    this.#nouns = new NounReader(things);
  }

  /** What a caption says, as text or as its `words`. */
  read(caption: string | readonly string[]): Claims {
    const words = typeof caption === "string" ? wordsOf(caption) : caption;
    const { phrases, nouns, grounds } = this.#phrases(words);
    const letters = phrases.map(({ letter }) => letter).join("");
    const nounsAt = (places: readonly number[]) => places.map((place) => phrases[place]!.noun!);
    const wordsAt = (place: number): ClaimedWord[] => {
      const { from, to, role } = phrases[place]!;
      return words
        .slice(from, to)
        .flatMap((word, i) => (role !== null && isContentWord(word, role) ? [{ word: from + i, role }] : []));
    };
    const { stated, dangling } = relationsIn(letters);
    const relations = stated.map(
      ({ relation, word, owns, from, to }): RelationClaim => ({
        relation: relation ?? phrases[word!]!.relation!,
        from: nounsAt(from),
        to: nounsAt(to),
        words: owns ? wordsAt(word!) : [],
      }),
    );
    const places: PlaceClaim[] = [];
    const lines: LineClaim[] = [];
    for (const { place, noun } of placesIn(letters)) {
      const { where } = phrases[place]!;
      const claim = { noun: phrases[noun]!.noun!, words: wordsAt(place) };
      if (where) places.push({ ...claim, ...where });
      else lines.push(claim);
    }
    return { nouns, relations, places, lines, grounds, dangling };
  }

  /** Divides a caption into phrases. Grounds, and phrases that say nothing, are not among `phrases`. */
  #phrases(words: readonly string[]) {
    const phrases: Found[] = [];
    const nouns: NounClaim[] = [];
    const grounds: GroundClaim[] = [];
    for (let at = 0; at < words.length; ) {
      const ground = readGround(words, at);
      const phrase = ground ? null : PHRASES.longest(words, at);
      const noun = phrase || ground ? null : (this.#nouns.known(words, at) ?? this.#nouns.unknown(words, at));
      const to = at + (ground ?? phrase ?? noun ?? { length: 1 }).length;
      if (phrase) {
        const [meaning] = phrase.values as [Meaning];
        if (meaning.letter !== "") phrases.push({ ...meaning, from: at, to });
      } else if (ground) {
        grounds.push(ground.ground);
        // "… and the background is blue" joins nothing.
        if (words[at] === "the" && phrases.at(-1)?.letter === "A") phrases.pop();
      } else if (noun) {
        phrases.push({ letter: "N", role: null, from: at, to, noun: nouns.length });
        nouns.push(noun.noun);
      } else phrases.push({ letter: "X", role: null, from: at, to });
      at = to;
    }
    return { phrases, nouns, grounds };
  }
}

/** Places P and lines S with the noun that they are about: the one before, with "is" or without, or the one after "there is". */
function placesIn(letters: string): { place: number; noun: number }[] {
  return [...letters.matchAll(/(?<=N)(B?)[PS]|P(?=HN)/g)].map(({ 0: text, index }) => {
    const place = index + text.length - 1;
    return { place, noun: letters[index - 1] === "N" ? index - 1 : place + 2 };
  });
}
