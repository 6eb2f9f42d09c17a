/** Scenes drawn again with one thing changed: without it, elsewhere, or larger. */

import { type Box, overlap } from "../../data/scenes/geometry.js";
import { marginOf } from "../../data/scenes/layout.js";
import type { Drawings } from "../../data/scenes/maker.js";
import { type Entity, entityBox, type Scene, SIDES } from "../../data/scenes/scene.js";

/** What happens to a thing. */
export const EDITS = ["removed", "moved", "grown"] as const;
/** One of `EDITS`. */
export type Edit = (typeof EDITS)[number];

/** A changed scene: objects keep their numbers. */
export interface EditedScene {
  /** What is drawn. */
  readonly scene: Scene;
  /** What captions are judged by: without a removed entity. */
  readonly truth: Scene;
  /** Numbers of objects that are not drawn. */
  readonly hidden: ReadonlySet<number>;
}

/** The scene with entity number `changed` changed; null where there is no room for it, or nothing to grow. */
export function edited(
  scene: Scene,
  changed: number,
  edit: Edit,
  drawings: Pick<Drawings, "extent">,
): EditedScene | null {
  const entity = scene.entities[changed]!;
  if (edit === "removed") {
    const entities = scene.entities.filter((_, i) => i !== changed);
    return { scene, truth: { ...scene, entities }, hidden: new Set(entity.objects) };
  }
  const after = edit === "moved" ? moved(scene, entity) : grown(scene, entity, changed, drawings);
  return after && { scene: after, truth: after, hidden: new Set() };
}

/** The thing as far away from its place as it can be without touching others; null if that is less than a quarter of the picture. */
function moved(scene: Scene, entity: Entity): Scene | null {
  const from = entityBox(scene, entity);
  const places = freePlaces(scene, entity, from);
  const distance = (box: Box) => Math.hypot(box.x - from.x, box.y - from.y);
  const to = places.reduce<Box | null>(
    (best, box) => (best && distance(best) >= distance(box) ? best : box),
    null,
  );
  if (to === null || 4 * distance(to) < scene.size) return null;
  const objects = scene.objects.map((object, number) =>
    entity.objects.includes(number)
      ? {
          ...object,
          box: { ...object.box, x: object.box.x + to.x - from.x, y: object.box.y + to.y - from.y },
        }
      : object,
  );
  return { ...scene, objects };
}

/** A small or medium thing as a large one, as near to its place as it can be without touching others. */
function grown(
  scene: Scene,
  entity: Entity,
  changed: number,
  drawings: Pick<Drawings, "extent">,
): Scene | null {
  if (entity.size === "large" || entity.objects.length > 1) return null;
  const [number] = entity.objects as [number];
  const from = scene.objects[number]!.box;
  const side = Math.floor((SIDES.large[0] * scene.size) / 96);
  const size = drawings.extent(entity.vendor, entity.drawing.code, side);
  const distance = (box: Box) =>
    Math.hypot(
      2 * box.x + box.width - 2 * from.x - from.width,
      2 * box.y + box.height - 2 * from.y - from.height,
    );
  const places = freePlaces(scene, entity, size);
  const to = places.reduce<Box | null>(
    (best, box) => (best && distance(best) <= distance(box) ? best : box),
    null,
  );
  if (to === null) return null;
  const entities = scene.entities.map((other, i) =>
    i === changed ? { ...other, size: "large" as const } : other,
  );
  const objects = scene.objects.map((object, i) => (i === number ? { ...object, box: to, side } : object));
  return { ...scene, entities, objects };
}

/** All places, in steps of 1/24 of the picture, where a box of this size touches no other thing. */
function freePlaces(scene: Scene, entity: Entity, { width, height }: Pick<Box, "width" | "height">): Box[] {
  const others = scene.entities
    .filter((other) => !sameThing(other, entity))
    .map((other) => entityBox(scene, other));
  const margin = marginOf(scene.size);
  const step = Math.max(1, Math.floor(scene.size / 24));
  const places: Box[] = [];
  for (let y = margin; y + height <= scene.size - margin; y += step)
    for (let x = margin; x + width <= scene.size - margin; x += step) {
      const box = { x, y, width, height };
      if (others.every((other) => overlap(other, box) === 0)) places.push(box);
    }
  return places;
}

const sameThing = (a: Entity, b: Entity) => a.thing.name === b.thing.name;
