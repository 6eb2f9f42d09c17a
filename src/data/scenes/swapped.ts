/**
 * Captions that are false of a scene in one thing: a caption of the scene with another object, attribute, relation or place. They are
 * sentences of the grammar as the true ones are, so that only the picture tells which of the two is false.
 */

import { COLOUR_NAMES } from "./background.js";
import type { CaptionReader } from "./caption-reader.js";
import { Draws } from "./draws.js";
import { INVERSE, RELATIONS, type Relation } from "./geometry.js";
import { HIDING, SHAPES } from "./grammar.js";
import { mayBeConfused } from "./maker.js";
import {
  CORNER_ROWS,
  CORNERS,
  COUNTS,
  EDGES,
  GROUP,
  MIDDLES,
  NEXT_TO,
  OTHER_COLOUR_NAMES,
  PAIRS,
  RELATION_WORDS,
  type Role,
  SIZE_WORDS,
} from "./phrases.js";
import type { AnnotatedCaption } from "./references.js";
import type { Entity, Scene } from "./scene.js";
import { article, type Thing, TONES } from "./things.js";
import { truthOf } from "./truth.js";

/** What a swapped caption says wrongly. */
export const SWAPS = ["object", "attribute", "relation", "place"] as const;
/** One of `SWAPS`. */
export type Swap = (typeof SWAPS)[number];

/** A false caption. */
export interface SwappedCaption {
  readonly swap: Swap;
  readonly text: string;
}

/** A word of a caption. A comma stands behind it. */
interface Token {
  readonly text: string;
  readonly comma: boolean;
  readonly role: Role | null;
  readonly objects: readonly number[];
}

/** The tokens [from, to) of a caption. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** A changed caption. Of lines of things the reader gives no verdict: there the arrangement has told already that it is false. */
interface Edit {
  readonly tokens: readonly Token[];
  readonly isFalse?: boolean;
}

/** Makes the false captions of scenes that show some things. */
export class CaptionSwapper {
  readonly #things: readonly Thing[];
  readonly #reader: CaptionReader;
  /** The last caption, known to be true. */
  #known: { readonly scene: Scene; readonly text: string } | null = null;

  /** `reader` must know `things`. */
  constructor(things: readonly Thing[], reader: CaptionReader) {
    this.#things = things;
    this.#reader = reader;
  }

  /**
   * A caption of the scene with one thing swapped, as a pure function of its arguments; null if the caption says nothing of the kind
   * that could be swapped. The caption is one of the scene's own. The result was read: it is false, and the caption is true.
   */
  swapped(
    scene: Scene,
    caption: AnnotatedCaption,
    swap: Swap,
    { seed, index }: { readonly seed: number; readonly index: number },
  ): SwappedCaption | null {
    const draws = new Draws(seed, 0x73776170 + SWAPS.indexOf(swap), index);
    const { text } = caption;
    if (this.#known?.scene !== scene || this.#known.text !== text) {
      if (!this.#isTrue(scene, text)) return null;
      this.#known = { scene, text };
    }
    const tokens = tokensOf(caption);
    const makers = draws.shuffled(MAKERS[swap]);
    for (const make of makers) {
      for (const { tokens: changed, isFalse = false } of make({
        draws,
        scene,
        tokens,
        things: this.#things,
      })) {
        const other = textOf(changed);
        if (other !== text && (isFalse || !this.#isTrue(scene, other))) return { swap, text: other };
      }
    }
    return null;
  }

  /** Whether all that a caption says is so. */
  #isTrue(scene: Scene, caption: string): boolean {
    const { named, namedRight, ...truth } = truthOf(scene, this.#reader, caption);
    const { relation, count, place, ground, size, tone, gender } = truth;
    return (
      named === namedRight && [relation, count, place, ground, size, tone, gender].every((one) => one !== 0)
    );
  }
}

/** What an edit is made from. */
interface Material {
  readonly draws: Draws;
  readonly scene: Scene;
  readonly tokens: readonly Token[];
  readonly things: readonly Thing[];
}

type Maker = (material: Material) => Iterable<Edit>;

/** Ways to swap; one is chosen at random among those that a caption allows. */
const MAKERS: Readonly<Record<Swap, readonly Maker[]>> = {
  object: [otherThing],
  attribute: [otherSize, otherTone, otherGender, otherCount, otherColour],
  relation: [otherRelation, exchangedNouns, otherLine],
  place: [otherPlace],
};

function tokensOf({ text, words }: AnnotatedCaption): Token[] {
  const known = new Map(words.map((word) => [word.start, word]));
  return [...text.matchAll(/\S+/g)].map(({ 0: found, index }) => {
    const comma = found.endsWith(",");
    const { role = null, objects = [] } = known.get(index) ?? {};
    return { text: comma ? found.slice(0, -1) : found, comma, role, objects };
  });
}

/** The caption, with "a" and "an" as the words after them ask for. */
function textOf(tokens: readonly Token[]): string {
  return tokens
    .map(({ text, comma }, i) => {
      const next = tokens[i + 1];
      const word = (text === "a" || text === "an") && next ? article(next.text) : text;
      return comma ? `${word},` : word;
    })
    .join(" ");
}

/** The tokens with others in place of a span; a comma behind the span stays behind it. */
function replaced(tokens: readonly Token[], { from, to }: Span, by: readonly Token[]): Token[] {
  const comma = tokens[to - 1]!.comma;
  const within = by.map((token, i) => ({ ...token, comma: comma && i === by.length - 1 }));
  return [...tokens.slice(0, from), ...within, ...tokens.slice(to)];
}

const spoken = (text: string, { role, objects }: Pick<Token, "role" | "objects">): Token[] =>
  text.split(" ").map((word) => ({ text: word, comma: false, role, objects }));

const NOUN_ROLES: readonly (Role | null)[] = ["thing", "count", "size", "tone", "gender"];

/** The noun phrase of an entity with its article or number; null if the caption does not name it. */
function nounSpan(tokens: readonly Token[], { objects }: Entity): Span | null {
  const own = tokens.flatMap((token, i) =>
    NOUN_ROLES.includes(token.role) && token.objects.join() === objects.join() ? [i] : [],
  );
  if (!own.some((i) => tokens[i]!.role === "thing")) return null;
  const first = own[0]!;
  return { from: isArticle(tokens[first - 1]) ? first - 1 : first, to: own.at(-1)! + 1 };
}

function isArticle(token: Token | undefined): boolean {
  return token !== undefined && (token.text === "a" || token.text === "an");
}

/** Another thing in place of one: the size and number stay, tone and gender go with the person whom they are about. */
function* otherThing({ draws, scene, tokens, things }: Material): Iterable<Edit> {
  const others = draws
    .shuffled(things)
    .filter((thing) => !scene.entities.some((entity) => mayBeConfused(thing, entity.thing)));
  for (const [i, entity] of draws.shuffled(scene.entities).entries()) {
    const span = nounSpan(tokens, entity);
    const thing = others[i];
    if (!span || !thing) continue;
    const phrase = tokens.slice(span.from, span.to);
    const start = phrase.findIndex(({ role }) => role !== null && role !== "count" && role !== "size");
    const name = draws.chance(50) ? thing.names[0]! : draws.pick(thing.names);
    const noun = entity.objects.length > 1 ? name.many : name.one;
    const by = [...phrase.slice(0, start), ...spoken(noun, { role: "thing", objects: entity.objects })];
    yield { tokens: replaced(tokens, span, by) };
  }
}

/** Edits of single words of a role, in a random order: `others` gives what a word may become. */
function* otherWord(
  { draws, tokens }: Material,
  role: Role,
  others: (word: string, many: boolean) => readonly string[],
): Iterable<Edit> {
  for (const i of draws.shuffled([...tokens.keys()])) {
    const token = tokens[i]!;
    if (token.role !== role) continue;
    const words = others(token.text, token.objects.length > 1);
    if (words.length > 0)
      yield { tokens: replaced(tokens, { from: i, to: i + 1 }, spoken(draws.pick(words), token)) };
  }
}

function otherSize(material: Material): Iterable<Edit> {
  return otherWord(material, "size", (word) =>
    SIZE_WORDS.small.includes(word) ? SIZE_WORDS.large : SIZE_WORDS.small,
  );
}

function otherTone(material: Material): Iterable<Edit> {
  return otherWord(material, "tone", (word) =>
    TONES.some((tone) => tone === word) ? TONES.filter((tone) => tone !== word) : [],
  );
}

function otherGender(material: Material): Iterable<Edit> {
  return otherWord(material, "gender", (word, many) =>
    word === "male" ? (many ? ["female"] : ["female", "woman"]) : ["male"],
  );
}

/** "two" for "three", "a pair of" for "a group of three". */
function* otherCount({ draws, scene, tokens }: Material): Iterable<Edit> {
  for (const { objects } of draws.shuffled(scene.entities)) {
    const own = tokens.flatMap((token, i) =>
      token.role === "count" && token.objects.join() === objects.join() ? [i] : [],
    );
    const first = own[0];
    if (first === undefined) continue;
    const token = tokens[first]!;
    const isCollective = isArticle(tokens[first - 1]);
    const last = own.at(-1)!;
    const span = {
      from: isCollective ? first - 1 : first,
      to: tokens[last + 1]?.text === "of" ? last + 2 : last + 1,
    };
    const number = draws.pick([2, 3, 4].filter((count) => count !== objects.length));
    const plain = COUNTS[number]!;
    const text = !isCollective ? plain : number === 2 ? draws.pick(PAIRS) : `${GROUP} ${plain}`;
    yield { tokens: replaced(tokens, span, spoken(text, token)) };
  }
}

/** A span at which one of the phrases stands, with a word of this role in it; the longest at its place. */
function spansOf<T>(
  tokens: readonly Token[],
  role: Role,
  phrases: readonly { readonly text: string; readonly value: T }[],
): (Span & { readonly value: T })[] {
  const longest = [...phrases].sort((a, b) => b.text.length - a.text.length);
  const found: (Span & { value: T })[] = [];
  for (let from = 0; from < tokens.length; from++) {
    const fits = longest.find(({ text }) => {
      const words = text.split(" ");
      const there = tokens.slice(from, from + words.length);
      return (
        there.length === words.length &&
        there.every((token, i) => token.text === words[i]) &&
        there.some((token) => token.role === role)
      );
    });
    if (!fits) continue;
    const to = from + fits.text.split(" ").length;
    found.push({ from, to, value: fits.value });
    from = to - 1;
  }
  return found;
}

const COLOUR_WORDS = COLOUR_NAMES.flatMap((name) =>
  [...new Set([name, ...(OTHER_COLOUR_NAMES[name] ?? [])])].map((text) => ({ text, value: name })),
);

/** Another colour of the ground. */
function* otherColour({ draws, scene, tokens }: Material): Iterable<Edit> {
  const there = scene.ground.colours.map(({ name }) => name);
  const others = COLOUR_NAMES.filter((name) => !there.includes(name));
  for (const span of draws.shuffled(spansOf(tokens, "ground", COLOUR_WORDS))) {
    const colour = draws.pick(others);
    yield { tokens: replaced(tokens, span, spoken(colour, { role: "ground", objects: [] })) };
  }
}

interface SaidRelation {
  readonly relation: Relation;
  /** Its number among the words for the relation. */
  readonly wording: number;
}

const RELATION_PHRASES: readonly {
  readonly text: string;
  readonly value: SaidRelation | "next" | null;
}[] = [
  ...RELATIONS.flatMap((relation) =>
    RELATION_WORDS[relation].map((text, wording) => ({ text, value: { relation, wording } })),
  ),
  ...NEXT_TO.map((text) => ({ text, value: "next" as const })),
  // Nothing is hidden in front of another: of these the things are exchanged.
  { text: HIDING.behind, value: null },
];

/** The inverse of a relation, in a wording alike; for "next to" a relation with a side. */
function* otherRelation({ draws, scene, tokens }: Material): Iterable<Edit> {
  // Several of a kind are "next to each other": that is a line.
  if (scene.arrangement.kind === "group") return;
  for (const span of draws.shuffled(spansOf(tokens, "relation", RELATION_PHRASES))) {
    const { from, to, value } = span;
    const { role, objects } = tokens.slice(from, to).find((token) => token.role === "relation")!;
    const say = (relation: Relation, wording: number) => {
      const words = RELATION_WORDS[relation];
      const text = words[wording % words.length]!;
      return { tokens: replaced(tokens, span, spoken(text, { role, objects })) };
    };
    if (value === null) continue;
    if (value !== "next") yield say(INVERSE[value.relation], value.wording);
    // One of a pair of opposites may be true, then the other is not.
    else
      for (const relation of draws.shuffled(["left", "right", "above", "below"] as const))
        yield say(relation, 0);
  }
}

/** Two things in each other's place: they are as many, so that verbs agree. */
function* exchangedNouns({ draws, scene, tokens }: Material): Iterable<Edit> {
  const nouns = scene.entities.flatMap((entity) => {
    const span = nounSpan(tokens, entity);
    return span ? [{ span, many: entity.objects.length > 1 }] : [];
  });
  const pairs = nouns.flatMap((a, i) => nouns.slice(i + 1).map((b) => [a, b] as const));
  for (const [a, b] of draws.shuffled(pairs)) {
    if (a.many !== b.many) continue;
    const [first, second] = a.span.from < b.span.from ? [a.span, b.span] : [b.span, a.span];
    const of = ({ from, to }: Span) => tokens.slice(from, to);
    // The later one first: its span is then still where it was.
    yield { tokens: replaced(replaced(tokens, second, of(first)), first, of(second)) };
  }
}

/** A row for a column, and a column for a row. */
function* otherLine({ draws, scene, tokens }: Material): Iterable<Edit> {
  const { arrangement } = scene;
  if (arrangement.kind !== "group" || arrangement.shape === "scattered") return;
  const many = scene.objects.length === 2 ? "two" : "more";
  const phrases = SHAPES[arrangement.shape][many].map((text) => ({ text, value: null }));
  const others = SHAPES[arrangement.shape === "row" ? "column" : "row"][many];
  for (const span of spansOf(tokens, "relation", phrases)) {
    const { role, objects } = tokens.slice(span.from, span.to).find((token) => token.role === "relation")!;
    yield { tokens: replaced(tokens, span, spoken(draws.pick(others), { role, objects })), isFalse: true };
  }
}

type Edge = keyof typeof EDGES;
const OPPOSITE: Readonly<Record<Edge, Edge>> = { left: "right", right: "left", top: "bottom", bottom: "top" };

/** The nine places of a picture, each with its wordings. */
const PLACES: readonly (readonly string[])[] = [
  MIDDLES,
  ...Object.values(EDGES),
  ...(["top", "bottom"] as const).flatMap((row) =>
    ["left", "right"].map((side) =>
      CORNERS.flatMap((form) => CORNER_ROWS[row].map((word) => form.replace("CORNER", `${word} ${side}`))),
    ),
  ),
];
const PLACE_PHRASES = PLACES.flatMap((wordings, value) => wordings.map((text) => ({ text, value })));

/** Another place in the picture; of a pair that lies on two sides, the other side. */
function* otherPlace({ draws, scene, tokens }: Material): Iterable<Edit> {
  const isPair = scene.arrangement.kind === "pair";
  for (const span of draws.shuffled(spansOf(tokens, "place", PLACE_PHRASES))) {
    const { from, to, value } = span;
    const { role, objects } = tokens.slice(from, to).find((token) => token.role === "place")!;
    const text = tokens
      .slice(from, to)
      .map((token) => token.text)
      .join(" ");
    const edge = (Object.keys(EDGES) as Edge[]).find((name) => EDGES[name].includes(text));
    const by =
      isPair && edge
        ? EDGES[OPPOSITE[edge]][EDGES[edge].indexOf(text)]!
        : draws.pick(PLACES[draws.pick([...PLACES.keys()].filter((other) => other !== value))]!);
    yield { tokens: replaced(tokens, span, spoken(by, { role, objects })) };
  }
}
