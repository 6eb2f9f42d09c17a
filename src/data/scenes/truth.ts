/** Which claims of a caption are true of a scene, by the rules that wrote the scene's own captions. */

import type { CaptionReader } from "./caption-reader.js";
import type { Claims, GroundClaim, NounClaim, NounReading, PlaceClaim, RelationClaim } from "./claims.js";
import { areNextTo, type Box, relationOf, thirdOf, union } from "./geometry.js";
import { isBetween } from "./layout.js";
import type { Entity, Scene } from "./scene.js";

/** True or not; "absent" of what the scene does not show; null where there is nothing to judge. */
export type Verdict = "right" | "wrong" | "absent";

/** What a noun means in a scene: one of its entities, and the way to read it. */
export interface Meant {
  readonly entity: Entity;
  readonly reading: NounReading;
}

const verdict = (holds: boolean): Verdict => (holds ? "right" : "wrong");

/** The entity that a noun names; null if the scene has no such thing. */
export function meantBy({ entities }: Pick<Scene, "entities">, { readings }: NounClaim): Meant | null {
  for (const reading of readings) {
    const entity = entities.find(({ thing }) => reading.things.includes(thing.name));
    if (entity) return { entity, reading };
  }
  return null;
}

/** Whether a noun names what the scene shows. */
export function nounVerdict(scene: Scene, noun: NounClaim): Verdict {
  return meantBy(scene, noun) ? "right" : "absent";
}

/** Whether there are as many as a noun phrase says; null if it states no number. "a" counts if one or several are there. */
export function countVerdict(scene: Scene, noun: NounClaim): Verdict | null {
  const entity = meantBy(scene, noun)?.entity;
  if (noun.count === null) return null;
  if (!entity) return noun.count > 1 ? "absent" : null;
  const there = entity.objects.length;
  return noun.count > 1 || there > 1 ? verdict(noun.count === there) : null;
}

/** Whether a size, tone or gender is that of the thing; null if none is said, or of a gender that the drawing does not have. */
export function attributeVerdict(
  scene: Scene,
  noun: NounClaim,
  attribute: "size" | "tone" | "gender",
): Verdict | null {
  const meant = meantBy(scene, noun);
  const said = (meant?.reading ?? noun.readings[0])?.[attribute] ?? null;
  if (said === null) return null;
  if (meant === null) return "absent";
  const { size, drawing } = meant.entity;
  if (attribute === "gender" && drawing.gender === null) return null;
  return verdict(said === (attribute === "size" ? size : drawing[attribute]));
}

/** Whether a relation holds between the boxes of what it names. */
export function relationVerdict(
  scene: Scene,
  { nouns }: Claims,
  { relation, from, to }: RelationClaim,
): Verdict {
  const numbersOf = (list: readonly number[]) => {
    const meant = list.map((noun) => meantBy(scene, nouns[noun]!));
    return meant.some((one) => one === null) ? null : meant.map((one) => one!.entity.objects);
  };
  const [a, b] = [numbersOf(from), numbersOf(to)];
  if (a === null || b === null) return "absent";
  const boxOf = (objects: readonly number[]): Box =>
    union(objects.map((number) => scene.objects[number]!.box));
  const [first, second] = [boxOf(a.flat()), boxOf(b.flat())];
  if (relation === "next") return verdict(areNextTo(first, second, scene.size));
  if (relation === "between") {
    const [one, other] = b.map(boxOf) as [Box, Box];
    return verdict(isBetween([first, one, other]) || isBetween([first, other, one]));
  }
  const later = Math.min(...a.flat()) > Math.max(...b.flat());
  return verdict(relationOf(first, second, later) === relation);
}

/** Whether a thing lies where the caption says. */
export function placeVerdict(scene: Scene, { nouns }: Claims, { noun, across, down }: PlaceClaim): Verdict {
  const meant = meantBy(scene, nouns[noun]!);
  if (meant === null) return "absent";
  const box = union(meant.entity.objects.map((number) => scene.objects[number]!.box));
  const lies = (said: 0 | 1 | 2 | null, start: number, length: number) =>
    said === null || thirdOf(start, length, scene.size) === said;
  return verdict(lies(across, box.x, box.width) && lies(down, box.y, box.height));
}

/** Whether the ground is of this kind, in these colours. */
export function groundVerdict(
  { ground }: Scene,
  { kind, colours, ordered, direction }: GroundClaim,
): Verdict {
  const names = ground.colours.map(({ name }) => name);
  const order = (list: readonly string[]) => (ordered ? list : [...list].sort()).join();
  const sameDirection = direction === null || (ground.kind === "stripes" && ground.direction === direction);
  return verdict(kind === ground.kind && order(colours) === order(names) && sameDirection);
}

/** What is true of one caption of one scene. Verdicts: 1 if all that it says of the kind is right, 0 if not, NaN if it says nothing. */
export interface CaptionTruth {
  /** Objects of the scene, and different things among them. */
  readonly objects: number;
  readonly things: number;
  /** Different things that the caption names, and how many of them the scene shows. */
  readonly named: number;
  readonly namedRight: number;
  /** What the scene does not show counts as wrong. */
  readonly relation: number;
  readonly count: number;
  readonly place: number;
  readonly ground: number;
  /** The same, of things that the scene shows alone. */
  readonly relationShown: number;
  readonly countShown: number;
  readonly size: number;
  readonly tone: number;
  readonly gender: number;
}

/** Judges a caption of a scene. */
export function truthOf(scene: Scene, reader: CaptionReader, caption: string): CaptionTruth {
  const claims = reader.read(caption);
  const { nouns, relations, places, grounds, dangling } = claims;
  const names = nouns.map((noun) => meantBy(scene, noun)?.entity.thing.name ?? null);
  const right = new Set(names.filter((name) => name !== null));
  const foreign = new Set(
    nouns.flatMap(({ readings }, i) => (names[i] === null ? [readings[0]?.things[0] ?? i] : [])),
  );
  const related: Verdict[] = relations.map((claim) => relationVerdict(scene, claims, claim));
  const counted = nouns.map((noun) => countVerdict(scene, noun));
  const attribute = (name: "size" | "tone" | "gender") =>
    shown(nouns.map((noun) => attributeVerdict(scene, noun, name)));
  return {
    objects: scene.objects.length,
    things: scene.entities.length,
    named: right.size + foreign.size,
    namedRight: right.size,
    relation: dangling > 0 ? 0 : strict(related),
    count: strict(counted),
    place: strict(places.map((claim) => placeVerdict(scene, claims, claim))),
    ground: strict(grounds.map((claim) => groundVerdict(scene, claim))),
    relationShown: shown(related),
    countShown: shown(counted),
    size: attribute("size"),
    tone: attribute("tone"),
    gender: attribute("gender"),
  };
}

/** 1 if all verdicts are "right", NaN if there are none. */
function strict(verdicts: readonly (Verdict | null)[]): number {
  const given = verdicts.filter((one) => one !== null);
  return given.length === 0 ? Number.NaN : Number(given.every((one) => one === "right"));
}

/** The same without what the scene does not show. */
function shown(verdicts: readonly (Verdict | null)[]): number {
  return strict(verdicts.filter((one) => one !== "absent"));
}
