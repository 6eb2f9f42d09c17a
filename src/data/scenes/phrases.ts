/** Phrases of captions: noun phrases, relations, places and grounds, in several wordings. Each word knows what it is about. */

import type { Ground } from "./background.js";
import type { Draws } from "./draws.js";
import { type Relation, thirdOf } from "./geometry.js";
import { type Entity, entityBox, type Scene } from "./scene.js";
import { article } from "./things.js";

/** What a content word says. */
export type Role = "thing" | "count" | "size" | "tone" | "gender" | "relation" | "place" | "ground";

/** A word of a caption; `role` is null for function words. */
export interface PhraseWord {
  readonly text: string;
  readonly role: Role | null;
  /** Numbers of the objects that it is about; none for the ground. */
  readonly objects: readonly number[];
}
export type Phrase = readonly PhraseWord[];

const FUNCTION_WORDS = new Set(
  "a an the is are on in at to of from and with against by there it its them that as part partly one each side other picture".split(
    " ",
  ),
);
/** Numbers in words, by number. */
export const COUNTS: readonly string[] = ["", "", "two", "three", "four"];
/** Words for two of a kind, before a plural. */
export const PAIRS: readonly string[] = ["a pair of", "a couple of"];
/** Before a number above two. */
export const GROUP = "a group of";
/** Words for the sizes that captions name. */
export const SIZE_WORDS: Readonly<Record<"small" | "large", readonly string[]>> = {
  small: ["small", "little", "tiny"],
  large: ["large", "big"],
};

/** Whether a word of a phrase says what the phrase is about: names do in all their words, other phrases not in their function words. */
export function isContentWord(word: string, role: Role): boolean {
  return role === "thing" || !FUNCTION_WORDS.has(word);
}

/** Words of one role; function words among them have none. */
export function phrase(text: string, role: Role | null, objects: readonly number[] = []): PhraseWord[] {
  return text.split(" ").map((word) => {
    const isContent = role !== null && isContentWord(word, role);
    return { text: word, role: isContent ? role : null, objects: isContent ? objects : [] };
  });
}

/** How much a noun phrase says. */
export interface NounOptions {
  /** The most usual name only. */
  readonly usual?: boolean;
  /** Chance in percent that size, tone and gender are said, each. */
  readonly attributes?: number;
  /** Whether two things may be called "a pair of": not where a verb would have to agree. */
  readonly collective?: boolean;
}

/** "a small dog", "two dark skinned female doctors", "a man with light skin". */
export function nounPhrase(draws: Draws, entity: Entity, options: NounOptions = {}): Phrase {
  const { thing, drawing, size, objects } = entity;
  const { usual = false, attributes = 45, collective = true } = options;
  // The usual name in every second case.
  const name = usual || draws.chance(50) ? thing.names[0]! : draws.pick(thing.names);
  const count = objects.length;
  const before: PhraseWord[] = [];
  const after: PhraseWord[] = [];
  if (size !== "medium" && draws.chance(attributes))
    before.push(...phrase(draws.pick(SIZE_WORDS[size]), "size", objects));
  if (drawing.tone !== null && draws.chance(attributes)) {
    const tone = drawing.tone;
    const wording = draws.below(3);
    if (wording === 0) before.push(...phrase(`${tone} skinned`, "tone", objects));
    else if (wording === 1) after.push(...phrase(`with ${tone} skin`, "tone", objects));
    else after.push(...phrase(`with a ${tone} skin tone`, "tone", objects));
  }
  if (drawing.gender !== null && draws.chance(attributes)) {
    const { gender } = drawing;
    const words = gender === "female" && count === 1 ? ["female", "woman"] : [gender];
    before.push(...phrase(draws.pick(words), "gender", objects));
  }
  const noun = phrase(count > 1 ? name.many : name.one, "thing", objects);
  const rest = [...before, ...noun, ...after];
  if (count === 1) return [...phrase(article(rest[0]!.text), null), ...rest];
  return [...countPhrase(draws, count, collective && !usual, objects), ...rest];
}

function countPhrase(draws: Draws, count: number, collective: boolean, objects: readonly number[]): Phrase {
  const number = phrase(COUNTS[count]!, "count", objects);
  if (!collective || draws.chance(70)) return number;
  if (count > 2) return [...phrase(GROUP, "count", objects), ...number];
  return phrase(draws.pick(PAIRS), "count", objects);
}

/** Words for the relations; the first of each are the usual ones. */
export const RELATION_WORDS: Readonly<Record<Relation, readonly string[]>> = {
  left: ["to the left of", "left of", "on the left side of"],
  right: ["to the right of", "right of", "on the right side of"],
  above: ["above", "over"],
  below: ["below", "under", "beneath"],
  front: ["in front of"],
  behind: ["behind"],
};
/** Words for "side by side, close to each other". */
export const NEXT_TO: readonly string[] = ["next to", "beside", "close to"];

/** Words for the places at the edges of the picture. */
export const EDGES: Readonly<Record<"left" | "right" | "top" | "bottom", readonly string[]>> = {
  left: ["on the left", "on the left side"],
  right: ["on the right", "on the right side"],
  top: ["at the top", "near the top"],
  bottom: ["at the bottom", "near the bottom"],
};
/** Words for the middle of the picture. */
export const MIDDLES: readonly string[] = ["in the middle", "in the center"];
/** Words for a corner; CORNER stands for one of `CORNER_ROWS`, and "left" or "right". */
export const CORNERS: readonly string[] = ["in the CORNER corner", "at the CORNER", "near the CORNER corner"];
/** Words for the upper and the lower corners. */
export const CORNER_ROWS: Readonly<Record<"top" | "bottom", readonly string[]>> = {
  top: ["top", "upper"],
  bottom: ["bottom", "lower"],
};

/** A relation in words, such as "to the left of". `nextTo` allows the words that say no side. */
export function relationPhrase(
  draws: Draws,
  relation: Relation,
  objects: readonly number[],
  { usual = false, nextTo = false } = {},
): Phrase {
  const words = RELATION_WORDS[relation];
  if (usual) return phrase(words[0]!, "relation", objects);
  const text =
    nextTo && draws.chance(50) ? draws.pick(NEXT_TO) : draws.chance(50) ? words[0]! : draws.pick(words);
  return phrase(text, "relation", objects);
}

/** "on the left" and "on the right", "at the top" and "at the bottom": where an entity lies by itself; null if in neither half. */
export function sidePhrase(
  draws: Draws,
  scene: Scene,
  entity: Entity,
  axis: "across" | "down",
): Phrase | null {
  const box = entityBox(scene, entity);
  const third =
    axis === "across" ? thirdOf(box.x, box.width, scene.size) : thirdOf(box.y, box.height, scene.size);
  if (third !== 0 && third !== 2) return null;
  const [first, last] = axis === "across" ? [EDGES.left, EDGES.right] : [EDGES.top, EDGES.bottom];
  return phrase(draws.pick(third === 0 ? first : last), "place", entity.objects);
}

/** Where an entity is in the picture: "in the top left corner", "in the middle"; null between the named places. */
export function placePhrase(draws: Draws, scene: Scene, entity: Entity): Phrase | null {
  const box = entityBox(scene, entity);
  const across = thirdOf(box.x, box.width, scene.size);
  const down = thirdOf(box.y, box.height, scene.size);
  if (across === null || down === null) return null;
  const text =
    across === 1 && down === 1
      ? draws.pick(MIDDLES)
      : across === 1
        ? draws.pick(down === 0 ? EDGES.top : EDGES.bottom)
        : down === 1
          ? draws.pick(across === 0 ? EDGES.left : EDGES.right)
          : draws
              .pick(CORNERS)
              .replace(
                "CORNER",
                `${draws.pick(down === 0 ? CORNER_ROWS.top : CORNER_ROWS.bottom)} ${across === 0 ? "left" : "right"}`,
              );
  return phrase(text, "place", entity.objects);
}

/** Colours with several names. */
export const OTHER_COLOUR_NAMES: Readonly<Record<string, readonly string[]>> = {
  purple: ["purple", "violet"],
  "light blue": ["light blue", "pale blue"],
  "light green": ["light green", "pale green"],
};

/**
 * A ground in words. `on`: "on a blue background"; `is`: what follows "the background is"; `noun`: "a blue background". A, B are
 * replaced by the colours.
 */
export const GROUNDS: Readonly<Record<Ground["kind"], Record<"on" | "is" | "noun", readonly string[]>>> = {
  plain: {
    on: ["on a A background", "against a A background", "on a plain A background"],
    is: ["A", "plain A"],
    noun: ["a A background", "a plain A background"],
  },
  gradient: {
    on: ["on a A to B gradient", "on a background fading from A to B", "against a A to B gradient"],
    is: ["a gradient from A to B"],
    noun: ["a background fading from A to B", "a A to B gradient"],
  },
  stripes: {
    on: [
      "on a background with A and B stripes",
      "on a striped A and B background",
      "on DIRECTION A and B stripes",
    ],
    is: ["striped in A and B"],
    noun: ["a striped A and B background"],
  },
  dots: {
    on: ["on a A background with B dots", "on a A background with B polka dots"],
    is: ["A with B dots"],
    noun: ["a A and B polka dot background", "a dotted A and B background"],
  },
  checks: {
    on: ["on a A and B checkered background", "on a A and B checkerboard"],
    is: ["checkered in A and B"],
    noun: ["a checkered A and B background"],
  },
  speckled: {
    on: ["on a speckled A background", "on a grainy A background"],
    is: ["A and grainy", "a speckled A"],
    noun: ["a speckled A background", "a grainy A background"],
  },
};

/** The ground in one of its wordings. */
export function groundPhrase(
  draws: Draws,
  ground: Ground,
  form: "on" | "is" | "noun",
  usual = false,
): Phrase {
  const wordings = GROUNDS[ground.kind][form];
  const colour = (name: string) =>
    usual || draws.chance(70) ? name : draws.pick(OTHER_COLOUR_NAMES[name] ?? [name]);
  const text = (usual ? wordings[0]! : draws.pick(wordings))
    .replace(/\bA\b/, colour(ground.colours[0].name))
    .replace(/\bB\b/, colour(ground.colours.at(-1)!.name))
    .replace("DIRECTION", ground.kind === "stripes" ? ground.direction : "");
  const all = text.split(" ").map((word, i, list) => (word === "a" ? article(list[i + 1] ?? "") : word));
  return phrase(all.join(" "), "ground").map((word) =>
    word.text === "background" ? { ...word, role: null } : word,
  );
}
