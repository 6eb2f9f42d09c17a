/** One scene: what is where. */

import { TRAINED_VENDORS, type Vendor } from "../emoji-sources.js";
import type { Ground } from "./background.js";
import { type Box, type Relation, relationOf, union } from "./geometry.js";
import type { Drawing, Thing } from "./things.js";

/** Size classes: shares of the picture's side, in 96ths, that the longer side of an object has. */
export const SIDES = { small: [19, 24], medium: [30, 37], large: [46, 60] } as const;
/** One of the keys of `SIDES`. */
export type SizeClass = keyof typeof SIDES;

/** One drawing in the picture. */
export interface SceneObject {
  /** Number of its entity in `Scene.entities`. */
  readonly entity: number;
  /** Its drawing's rectangle, also where others hide it. */
  readonly box: Box;
  /** The longer side of the rectangle. */
  readonly side: number;
  readonly mirrored: boolean;
}

/** One or several objects that are the same thing, drawn alike. */
export interface Entity {
  readonly thing: Thing;
  readonly drawing: Drawing;
  readonly vendor: Vendor;
  readonly size: SizeClass;
  /** Numbers of its objects in `Scene.objects`. */
  readonly objects: readonly number[];
}

/** How the entities lie; grammar and checks go by it. */
export type Arrangement =
  | { readonly kind: "single" }
  | { readonly kind: "group"; readonly shape: "row" | "column" | "scattered" }
  | { readonly kind: "pair"; readonly relation: Relation }
  /** Entity 0 stands between 1 and 2. */
  | { readonly kind: "between"; readonly axis: "row" | "column" }
  /** Entity 0 is left of entity 1, and entity 2 is above or below both. */
  | { readonly kind: "corner"; readonly relation: "above" | "below" }
  /** In a way that no sentence of the grammar tells: only of scenes that somebody has placed. */
  | { readonly kind: "untold" };

/** What a picture shows, without its pixels. */
export interface Scene {
  /** Side of the picture in pixels. */
  readonly size: number;
  readonly ground: Ground;
  readonly entities: readonly Entity[];
  /** In the order of drawing: later ones hide earlier ones. */
  readonly objects: readonly SceneObject[];
  readonly arrangement: Arrangement;
}

/** The box around all objects of an entity. */
export function entityBox(scene: Pick<Scene, "objects">, { objects }: Entity): Box {
  return union(objects.map((object) => scene.objects[object]!.box));
}

/** The relation of entity a to entity b, from their boxes and the order of drawing; null if none can be said. */
export function entityRelation(scene: Pick<Scene, "objects">, a: Entity, b: Entity): Relation | null {
  const later = Math.min(...a.objects) > Math.max(...b.objects);
  return relationOf(entityBox(scene, a), entityBox(scene, b), later);
}

/** Whether a vendor's drawings may be trained on. */
export function isTrained(vendor: Vendor): boolean {
  return (TRAINED_VENDORS as readonly Vendor[]).includes(vendor);
}
