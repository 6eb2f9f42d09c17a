/** Scenes of objects that somebody has placed: what counts as one entity, and whether the grammar has sentences for how they lie. */

import type { Vendor } from "../emoji-sources.js";
import type { Ground } from "./background.js";
import { type Box, overlap, relationOf, union } from "./geometry.js";
import { isBetween } from "./layout.js";
import { type Drawings, mayBeConfused } from "./maker.js";
import { type Arrangement, type Entity, entityRelation, type Scene, SIDES, type SizeClass } from "./scene.js";
import type { Drawing, Thing } from "./things.js";

/** Most objects of one thing that captions count. */
const MOST_ALIKE = 4;

/** A drawing at a place. */
export interface PlacedObject {
  readonly thing: Thing;
  readonly drawing: Drawing;
  readonly vendor: Vendor;
  /** The longer side in pixels. */
  readonly side: number;
  /** The top left pixel. */
  readonly x: number;
  readonly y: number;
  readonly mirrored: boolean;
}

/** A picture of objects that somebody has placed. */
export interface PlacedScene {
  /** Side of the picture in pixels. */
  readonly size: number;
  readonly ground: Ground;
  /** In the order of drawing. Their boxes must lie in the picture. */
  readonly objects: readonly PlacedObject[];
}

/**
 * A scene of placed objects: objects of a thing are one entity, whose size is that of their mean side. Its arrangement is "untold",
 * and `referencesOf` has no captions, if no object is there, things may be confused with each other, or they lie in no way that sentences tell.
 */
export function placedScene(
  { size, ground, objects: placed }: PlacedScene,
  drawings: Pick<Drawings, "extent">,
): Scene {
  const boxes = placed.map(
    ({ vendor, drawing, side, x, y }): Box => ({ x, y, ...drawings.extent(vendor, drawing.code, side) }),
  );
  const names = [...new Set(placed.map(({ thing }) => thing.name))];
  const groups = names.map((name): Entity => {
    const numbers = placed.flatMap(({ thing }, number) => (thing.name === name ? [number] : []));
    const { thing, drawing, vendor } = placed[numbers[0]!]!;
    const mean = numbers.reduce((sum, number) => sum + placed[number]!.side, 0) / numbers.length;
    return { thing, drawing, vendor, size: sizeClass(mean, size), objects: numbers };
  });
  const { entities, arrangement } = arranged(groups, boxes);
  const entityOf = ({ thing }: PlacedObject) => entities.findIndex((entity) => entity.thing === thing);
  const objects = placed.map((object, number) => ({
    entity: entityOf(object),
    box: boxes[number]!,
    side: object.side,
    mirrored: object.mirrored,
  }));
  return { size, ground, entities, objects, arrangement };
}

/** The class whose bounds are the nearest. */
function sizeClass(side: number, size: number): SizeClass {
  const share = (96 * side) / size;
  const between = (a: SizeClass, b: SizeClass) => (SIDES[a][1] + SIDES[b][0]) / 2;
  if (share < between("small", "medium")) return "small";
  return share < between("medium", "large") ? "medium" : "large";
}

/** The entities in the order in which the grammar speaks of them, and how they lie. */
function arranged(
  groups: readonly Entity[],
  boxes: readonly Box[],
): { entities: readonly Entity[]; arrangement: Arrangement } {
  const unsaid = { entities: groups, arrangement: { kind: "untold" } as const };
  const [first, second] = groups;
  const isClear = groups.every((a, i) => groups.slice(0, i).every((b) => !mayBeConfused(a.thing, b.thing)));
  if (!first || !isClear || groups.some(({ objects }) => objects.length > MOST_ALIKE)) return unsaid;
  if (!second) {
    if (first.objects.length === 1) return { entities: groups, arrangement: { kind: "single" } };
    const shape = shapeOf(boxes);
    return shape ? { entities: groups, arrangement: { kind: "group", shape } } : unsaid;
  }
  if (groups.length === 2) {
    const objects = boxes.map((box, number) => ({
      entity: first.objects.includes(number) ? 0 : 1,
      box,
      side: 0,
      mirrored: false,
    }));
    const relation = entityRelation({ objects }, first, second);
    const isHidden = relation === "front" || relation === "behind";
    if (relation === null || (isHidden && boxes.length > 2)) return unsaid;
    return { entities: groups, arrangement: { kind: "pair", relation } };
  }
  return (groups.length === 3 && boxes.length === 3 && ofThree(groups, boxes)) || unsaid;
}

/** How several objects of a thing lie; null if they touch. */
function shapeOf(boxes: readonly Box[]): "row" | "column" | "scattered" | null {
  const follow = (relation: "left" | "above", start: (box: Box) => number) => {
    const sorted = [...boxes].sort((a, b) => start(a) - start(b));
    return sorted.every((box, i) => i === 0 || relationOf(sorted[i - 1]!, box, false) === relation);
  };
  if (follow("left", ({ x }) => x)) return "row";
  if (follow("above", ({ y }) => y)) return "column";
  return boxes.some((a, i) => boxes.slice(0, i).some((b) => overlap(a, b) > 0)) ? null : "scattered";
}

/** Three things with one object each: one between the others, or two side by side with the third above or below both. */
function ofThree(groups: readonly Entity[], boxes: readonly Box[]) {
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ] as const;
  for (const order of orders) {
    const entities = order.map((number) => groups[number]!);
    const [a, b, c] = entities.map(({ objects }) => boxes[objects[0]!]!) as [Box, Box, Box];
    if (isBetween([a, b, c])) {
      const axis = relationOf(b, a, false) === "left" ? "row" : "column";
      return { entities, arrangement: { kind: "between", axis } as const };
    }
    const relation = relationOf(c, union([a, b]), true);
    if (relationOf(a, b, false) === "left" && (relation === "above" || relation === "below"))
      return { entities, arrangement: { kind: "corner", relation } as const };
  }
  return null;
}
