/**
 * Sentences about scenes, as templates for each arrangement. In braces stand phrases:
 *
 * - {A} {B} {C}: a noun phrase of entity 0, 1, 2; {isA} … "is" or "are"; {itA} "it" or "them"; {thereA} "there is" or "there are";
 * - {A-B}: the relation of A to B in words; {A-BC}: of A to B and C together, {AB-C} of A and B together to C; {start A-B}: a wording
 *   with which a sentence can begin;
 * - {place}: where A is in the picture; {sideA}: the half of the picture that A is in;
 * - {on} {ground} {background}: the ground, after a noun, after "the background is", and as a noun;
 * - {shape}: how several things of a kind lie.
 *
 * Words in brackets are content words about all objects, such as [between]. A template is left out where a phrase is not true.
 */

import type { Draws } from "./draws.js";
import { areNextTo, INVERSE, type Relation } from "./geometry.js";
import {
  groundPhrase,
  type NounOptions,
  nounPhrase,
  type Phrase,
  type PhraseWord,
  phrase,
  placePhrase,
  relationPhrase,
  sidePhrase,
} from "./phrases.js";
import { type Arrangement, type Entity, entityRelation, type Scene } from "./scene.js";

/** The first template of each list says all that the scene is about. */
const TEMPLATES: Readonly<Record<Arrangement["kind"], readonly string[]>> = {
  single: [
    "{A} {on}",
    "{thereA} {A} {on}",
    "a picture of {A} {on}",
    "a drawing of {A} {on}",
    "the picture shows {A} {on}",
    "{A} {place}",
    "{A} {place} of the picture",
    "we see {A} {on}",
    "{A} {place} {on}",
    "{A} {on} {place}",
    "{thereA} {A} {place}",
    "the picture shows {A} {place}",
    "{start place} {thereA} {A}",
    "{background} with {A} {place}",
    "{background} with {A} on it",
    "{thereA} {A} and the background is {ground}",
    "{A} {isA} {place} and the background is {ground}",
    "{A} is shown {on}",
  ],
  group: [
    "{A} {on}",
    "{thereA} {A} {on}",
    "a picture of {A} {on}",
    "a drawing of {A} {on}",
    "{A} {shape} {on}",
    "{thereA} {A} {shape}",
    "the picture shows {A} {shape}",
    "{A} {isA} {shape} and the background is {ground}",
    "{thereA} {A} and the background is {ground}",
    "{background} with {A} on it",
    "{background} with {A} {shape}",
    "{A} can be seen {on}",
    "we see {A} {shape} {on}",
    "the picture shows {A} {on}",
  ],
  pair: [
    "{A} {A-B} {B}",
    "{A} {A-B} {B} {on}",
    "{thereA} {A} {A-B} {B}",
    "{A} {isA} {A-B} {B}",
    "{B} {B-A} {A}",
    "{B} {isB} {B-A} {A}",
    "{thereB} {B} {B-A} {A} {on}",
    "the picture shows {A} {A-B} {B}",
    "a picture of {B} {B-A} {A}",
    "{A} and {B} {on}",
    "we see {A} {A-B} {B} {on}",
    "a picture of {B} and {A}",
    "{start A-B} {B} {thereA} {A}",
    "{thereA} {A} and {B} {isB} {B-A} {itA}",
    "{thereB} {B} and {A} {isA} {A-B} {itB}",
    "{A} {isA} {A-B} {B} and the background is {ground}",
    "{A} {isA} {sideA} and {B} {isB} {sideB}",
    "{B} {sideB} and {A} {sideA}",
    "{background} with {B} {B-A} {A}",
    "{B} {isB} {hidden} {A}",
    "{A} {hides} {B}",
  ],
  between: [
    "{A} [between] {B} and {C}",
    "{A} [between] {B} and {C} {on}",
    "{thereA} {A} [between] {B} and {C}",
    "{A} {isA} [between] {C} and {B}",
    "the picture shows {A} [between] {C} and {B}",
    "{A} in [between] {B} and {C}",
    "{order} {thereB} {B}, {A} and {C}",
    "{B}, {A} and {C} {on}",
    "{A} has {B} on one side and {C} on the other",
    "{B} {isB} {B-A} {A} and {C} {isC} {C-A} it",
    "{B} {B-A} {A} with {C} on the other side",
    "[between] {B} and {C} {thereA} {A}",
    "{A} {isA} [between] {B} and {C} and the background is {ground}",
    "a picture of {A} with {B} on one side and {C} on the other",
  ],
  corner: [
    "{A} {A-B} {B} with {C} {C-AB} them",
    "{A} {isA} {A-B} {B} and {C} {isC} {C-AB} them",
    "{B} {isB} {B-A} {A} and {C} {isC} {C-AB} them",
    "{C} {C-AB} {A} and {B}",
    "{thereC} {C} {C-AB} {A} and {B}",
    "{A} and {B} {AB-C} {C}",
    "{A} and {B} are {AB-C} {C}",
    "{A}, {B} and {C} {on}",
    "a picture of {A}, {B} and {C}",
    "{thereA} {A} and {B} {AB-C} {C}",
    "{C} {isC} {C-AB} {A} and {B}",
    "{C} {C-AB} {A} and {B} {on}",
    "{start C-AB} {A} and {B} {thereC} {C}",
  ],
  untold: [],
};

/** The templates of a scene's arrangement. */
export function templatesOf({ arrangement }: Pick<Scene, "arrangement">): readonly string[] {
  return TEMPLATES[arrangement.kind];
}

const pieces = new Map<string, RegExpMatchArray[]>();

/** A template's words, commas, phrases in braces and words in brackets. */
function piecesOf(template: string): RegExpMatchArray[] {
  let found = pieces.get(template);
  if (found === undefined) {
    found = [...template.matchAll(/\{([^}]+)\}|\[([^\]]+)\]|,|[^{}[\], ]+/g)];
    pieces.set(template, found);
  }
  return found;
}

/** Fills in a template; null if one of its phrases is not true of the scene. */
export function fill(draws: Draws, scene: Scene, template: string, options: NounOptions = {}): Phrase | null {
  const words: PhraseWord[] = [];
  const everything = scene.objects.map((_, i) => i);
  // "there are" and "is" agree with the number of things, "a pair" is one.
  const noun = { ...options, collective: !/\{(there|is)/.test(template) };
  for (const [piece, name, content] of piecesOf(template)) {
    if (piece === ",") {
      // Belongs to the word before it; tokenizers drop it.
      const last = words.pop()!;
      words.push({ ...last, text: `${last.text},` });
    } else if (name !== undefined) {
      const part = phraseOf(draws, scene, name, noun);
      if (part === null) return null;
      words.push(...part);
    } else if (content !== undefined) {
      words.push(...phrase(content, "relation", everything));
    } else {
      words.push(...phrase(piece, null));
    }
  }
  return words;
}

function phraseOf(draws: Draws, scene: Scene, name: string, options: NounOptions): Phrase | null {
  const { usual = false } = options;
  switch (name) {
    case "on":
      return groundPhrase(draws, scene.ground, "on", usual);
    case "ground":
      return groundPhrase(draws, scene.ground, "is", usual);
    case "background":
      return groundPhrase(draws, scene.ground, "noun", usual);
    case "place":
    case "start place":
      return placePhrase(draws, scene, scene.entities[0]!);
    case "shape":
      return shapePhrase(draws, scene);
    case "order":
      return orderPhrase(scene);
    case "hides":
    case "hidden":
      return hidingPhrase(draws, scene, name);
  }
  if (name.includes("-")) return related(draws, scene, name, usual);
  const entity = scene.entities[name.charCodeAt(name.length - 1) - 65]!;
  const many = entity.objects.length > 1;
  switch (name.slice(0, -1)) {
    case "":
      return nounPhrase(draws, entity, options);
    case "is":
      return phrase(many ? "are" : "is", null);
    case "it":
      return phrase(many ? "them" : "it", null);
    case "there":
      return phrase(many ? "there are" : "there is", null);
    case "side":
      return halfOf(draws, scene, entity);
    default:
      throw new Error(`a template names {${name}}, which no phrase has`);
  }
}

/** {A-B}, {A-BC}, {AB-C}, {start A-B}: the relation of entities to others. */
function related(draws: Draws, scene: Scene, name: string, usual: boolean): Phrase | null {
  const [from, to] = name.replace("start ", "").split("-") as [string, string];
  const entities = (letters: string) =>
    [...letters].map((letter) => scene.entities[letter.charCodeAt(0) - 65]!);
  const objects = [...entities(from), ...entities(to)].flatMap((entity) => entity.objects);
  let relation: Relation | null;
  if (from.length + to.length > 2) {
    if (scene.arrangement.kind !== "corner") return null;
    relation = from === "C" ? scene.arrangement.relation : INVERSE[scene.arrangement.relation];
  } else {
    relation = entityRelation(scene, entities(from)[0]!, entities(to)[0]!);
  }
  if (relation === null) return null;
  const starts = name.startsWith("start ");
  if (starts && (relation === "left" || relation === "right"))
    return phrase(`to the ${relation} of`, "relation", objects);
  const nextTo = objects.length === 2 && isNextTo(scene, objects);
  return relationPhrase(draws, relation, objects, { usual, nextTo: nextTo && !usual });
}

function isNextTo({ objects, size }: Scene, [a, b]: readonly number[]): boolean {
  return areNextTo(objects[a!]!.box, objects[b!]!.box, size);
}

/** The half of the picture that an entity of a pair is in, if that is what its relation is about. */
function halfOf(draws: Draws, scene: Scene, entity: Entity): Phrase | null {
  const { arrangement } = scene;
  if (arrangement.kind !== "pair") return null;
  const { relation } = arrangement;
  if (relation === "front" || relation === "behind") return null;
  const axis = relation === "left" || relation === "right" ? "across" : "down";
  return sidePhrase(draws, scene, entity, axis);
}

/** Words for several things of a kind in a line: of two, and of more. */
export const SHAPES: Readonly<Record<"row" | "column", Readonly<Record<"two" | "more", readonly string[]>>>> =
  {
    row: {
      two: ["side by side", "next to each other"],
      more: ["in a row", "side by side", "next to each other"],
    },
    column: { two: ["one above the other"], more: ["in a column", "one below the other"] },
  };

/** "in a row", "side by side", "one above the other"; null for scattered things. */
function shapePhrase(draws: Draws, scene: Scene): Phrase | null {
  const { arrangement } = scene;
  const [entity] = scene.entities as [Entity];
  if (arrangement.kind !== "group" || arrangement.shape === "scattered") return null;
  const words = SHAPES[arrangement.shape][entity.objects.length === 2 ? "two" : "more"];
  return phrase(draws.pick(words), "relation", entity.objects);
}

/** Words before things that are named in the order in which they lie. */
export const ORDERS: Readonly<Record<"row" | "column", string>> = {
  row: "from left to right",
  column: "from top to bottom",
};

/** "from left to right" or "from top to bottom", of three in a row. */
function orderPhrase({ arrangement, objects }: Scene): Phrase | null {
  if (arrangement.kind !== "between") return null;
  return phrase(
    ORDERS[arrangement.axis],
    "relation",
    objects.map((_, i) => i),
  );
}

/** Words for what is in front of a thing, by their subject's number, and for what is behind. */
export const HIDING = {
  one: ["covers part of", "hides part of"],
  many: ["cover part of"],
  behind: "partly hidden behind",
} as const;

/** "partly hidden behind", of B behind A; "hides part of", of A in front of B. */
function hidingPhrase(draws: Draws, scene: Scene, form: "hides" | "hidden"): Phrase | null {
  const { arrangement, entities, objects } = scene;
  if (arrangement.kind !== "pair" || arrangement.relation !== "front") return null;
  const isOne = entities[0]!.objects.length === 1;
  const text = form === "hidden" ? HIDING.behind : draws.pick(isOne ? HIDING.one : HIDING.many);
  return phrase(
    text,
    "relation",
    objects.map((_, i) => i),
  );
}
