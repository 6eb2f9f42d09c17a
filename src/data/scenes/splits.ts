/** Which pairs, relations, counts and drawings are kept out of training. Nothing is random: hashes of names decide. */

import { TRAINED_VENDORS, UNSEEN_VENDOR, type Vendor } from "../emoji-sources.js";
import { hashOf } from "./draws.js";
import { INVERSE, type Relation } from "./geometry.js";
import { entityRelation, type Scene } from "./scene.js";
import type { Thing } from "./things.js";

/**
 * - train: pictures by number, as many as wanted.
 * - validation, test: other pictures of the same kind.
 * - pairs: two things that are never trained in one picture, each of them trained.
 * - relations: a thing, a relation and a thing that are never trained together; the two things are, in other relations.
 * - counts: a number of a thing that is never trained, from two to four; other numbers of it are.
 * - drawings: a vendor's drawing of a thing that is never trained; other vendors' are.
 * - style: drawings of a vendor who is never trained (OpenMoji).
 *
 * Training, validation and test have nothing of what the last five hold out, and each of these has nothing of the others'.
 */
export const SCENE_SPLITS = [
  "train",
  "validation",
  "test",
  "pairs",
  "relations",
  "counts",
  "drawings",
  "style",
] as const;
/** One of `SCENE_SPLITS`. */
export type SceneSplit = (typeof SCENE_SPLITS)[number];
/** What can be held out. */
export type HeldOut = Extract<SceneSplit, "pairs" | "relations" | "counts" | "drawings" | "style">;

/** One of 25 pairs of things. */
export function isHeldOutPair(a: Thing, b: Thing): boolean {
  return hashOf(`pair ${[a.name, b.name].sort().join(", ")}`) % 25 === 0;
}

/** One of 12 of (thing, relation, thing); "a left of b" and "b right of a" are the same. */
export function isHeldOutRelation(a: Thing, relation: Relation, b: Thing): boolean {
  const [first, between, second] =
    relation === "right" || relation === "below" || relation === "behind"
      ? [b, INVERSE[relation], a]
      : [a, relation, b];
  return hashOf(`relation ${first.name} ${between} ${second.name}`) % 12 === 0;
}

/** The number of a thing that is held out: 2, 3 or 4 for one thing in four, else null. */
export function heldOutCount({ name }: Thing): number | null {
  const hash = hashOf(`count ${name}`);
  return hash % 4 === 0 ? 2 + (Math.floor(hash / 4) % 3) : null;
}

/** The vendor whose drawing of a thing is held out: for one thing in five, else null. */
export function heldOutVendor({ name }: Thing): Vendor | null {
  const hash = hashOf(`drawing ${name}`);
  return hash % 5 === 0 ? TRAINED_VENDORS[Math.floor(hash / 5) % TRAINED_VENDORS.length]! : null;
}

/** All that a scene shows and training must not. */
export function heldOutIn(scene: Pick<Scene, "entities" | "objects">): Set<HeldOut> {
  const found = new Set<HeldOut>();
  const { entities } = scene;
  for (const [i, entity] of entities.entries()) {
    if (entity.vendor === UNSEEN_VENDOR) found.add("style");
    if (entity.vendor === heldOutVendor(entity.thing)) found.add("drawings");
    if (entity.objects.length === heldOutCount(entity.thing)) found.add("counts");
    for (const other of entities.slice(0, i)) {
      if (isHeldOutPair(entity.thing, other.thing)) found.add("pairs");
      const relation = entityRelation(scene, entity, other);
      if (relation !== null && isHeldOutRelation(entity.thing, relation, other.thing)) found.add("relations");
    }
  }
  return found;
}

/** Whether a scene may be in a split: it shows of what is held out exactly what the split is named after. */
export function belongsTo(scene: Pick<Scene, "entities" | "objects">, split: SceneSplit): boolean {
  const found = heldOutIn(scene);
  const own = (["pairs", "relations", "counts", "drawings", "style"] as const).find((name) => name === split);
  return own === undefined ? found.size === 0 : found.size === 1 && found.has(own);
}
