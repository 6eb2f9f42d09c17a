/**
 * The sentences in which captions state relations. A caption is a row of letters: N a noun, R a relation ("left of"), T "between",
 * O "from left to right", B "is", H "there is", A "and", W "with" or "has", I "it", M "them", 1 "on one side", 2 "on the other side",
 * P a place, S a line of things, X anything else.
 */

/** A relation by the places of its letters. */
export interface StatedRelation {
  /** The letter that tells the relation; null for "between" that no word of its own says ("… on the other side"). */
  readonly word: number | null;
  readonly relation: "between" | null;
  /** Whether its word is about this relation alone, or, of "from left to right", about all that it says. */
  readonly owns: boolean;
  readonly from: readonly number[];
  readonly to: readonly number[];
}

interface Form {
  readonly letters: RegExp;
  /** The relations, from the places of the form's nouns and of its words R, T and O, each in order. */
  readonly relations: (nouns: readonly number[], words: readonly number[]) => StatedRelation[];
}

const related = (
  word: number,
  from: readonly number[],
  to: readonly number[],
  owns = true,
): StatedRelation => ({ word, relation: null, owns, from, to });
const between = (word: number | null, middle: number, ends: readonly number[]): StatedRelation => ({
  word,
  relation: "between",
  owns: word !== null,
  from: [middle],
  to: ends,
});

/** The first form that fits a word takes it. */
const FORMS: readonly Form[] = [
  // Left of a dog and a bird there is a cat.
  { letters: /(?<!NB?)RNANHN/, relations: ([a, b, c], [r]) => [related(r!, [c!], [a!, b!])] },
  { letters: /(?<!NB?)RNHN/, relations: ([a, b], [r]) => [related(r!, [b!], [a!])] },
  { letters: /(?<!NB?)TNANHN/, relations: ([a, b, c], [r]) => [between(r!, c!, [a!, b!])] },
  // From left to right there are a dog, a cat and a bird.
  {
    letters: /OH?NA?NA?N/,
    relations: ([a, b, c], [r]) => [
      between(r!, b!, [a!, c!]),
      related(r!, [a!], [b!], false),
      related(r!, [b!], [c!], false),
    ],
  },
  { letters: /NB?TNAN/, relations: ([a, b, c], [r]) => [between(r!, a!, [b!, c!])] },
  { letters: /NWN1AN2/, relations: ([a, b, c]) => [between(null, a!, [b!, c!])] },
  // A dog left of a cat with a bird on the other side.
  {
    letters: /NB?RNWN2/,
    relations: ([a, b, c], [r]) => [related(r!, [a!], [b!]), between(null, b!, [a!, c!])],
  },
  {
    letters: /NB?RN[AW]NB?RM/,
    relations: ([a, b, c], [r, s]) => [related(r!, [a!], [b!]), related(s!, [c!], [a!, b!])],
  },
  {
    letters: /NB?RNANB?RI/,
    relations: ([a, b, c], [r, s]) => [related(r!, [a!], [b!]), related(s!, [c!], [b!])],
  },
  // There is a cat and a dog is left of it.
  { letters: /NANB?R[IM]/, relations: ([a, b], [r]) => [related(r!, [b!], [a!])] },
  // A cat and a dog left of a bird; not the end of another relation.
  { letters: /(?<![RrTtOo])NANB?RN/, relations: ([a, b, c], [r]) => [related(r!, [a!, b!], [c!])] },
  { letters: /NB?RNAN(?!B?[RPS])/, relations: ([a, b, c], [r]) => [related(r!, [a!], [b!, c!])] },
  { letters: /NB?RN/, relations: ([a, b], [r]) => [related(r!, [a!], [b!])] },
];

/** The relations that a row of letters states, and how many of its words of relations have not the nouns that they need. */
export function relationsIn(letters: string): { stated: StatedRelation[]; dangling: number } {
  const stated: StatedRelation[] = [];
  let open = letters;
  const take = (place: number) => {
    const letter = /[12]/.test(open[place]!) ? "x" : open[place]!.toLowerCase();
    open = open.slice(0, place) + letter + open.slice(place + 1);
  };
  for (const { letters: form, relations } of FORMS) {
    // Again after each match: "a cat left of a dog left of a bird" has two that share a noun.
    for (let match = form.exec(open); match; match = form.exec(open)) {
      const { 0: text, index } = match;
      const places = (kind: RegExp) => [...text.matchAll(kind)].map((letter) => index + letter.index);
      const words = places(/[RTO12]/g);
      stated.push(...relations(places(/N/g), words));
      for (const place of words) take(place);
    }
  }
  return { stated, dangling: (open.match(/[RTO]/g) ?? []).length };
}
