/** Makes scenes: scene (split, index) is a pure function of (seed, split, index). */

import { TRAINED_VENDORS, UNSEEN_VENDOR, type Vendor } from "../emoji-sources.js";
import { arrange, type Plan } from "./arrange.js";
import { distanceFrom, drawGround, type Ground } from "./background.js";
import { coveredPercent } from "./compose.js";
import { Draws } from "./draws.js";
import { RELATIONS, type Relation } from "./geometry.js";
import { type Entity, type Scene, SIDES, type SizeClass } from "./scene.js";
import {
  belongsTo,
  heldOutCount,
  heldOutVendor,
  isHeldOutPair,
  isHeldOutRelation,
  SCENE_SPLITS,
  type SceneSplit,
} from "./splits.js";
import type { SpriteSheet } from "./sprites.js";
import type { Thing } from "./things.js";

/** Plans after which a scene is given up; the mean is below ten. */
const MOST_PLANS = 1000;
/** Layouts that are tried for a plan. So many that plans which fit less easily are not much rarer. */
const LAYOUTS = 60;
/** Least distance of the ground's colours from the mean colour of each drawing, if ten draws reach it. */
const CONTRAST = 110;
/** Percent of the entities that are animals and people; the rest are things. */
const ANIMALS = 30;
const PEOPLE = 18;

/** Percent of a thing that is covered by what stands in front of it. */
const COVERED = { least: 6, most: 50 };

/** What scenes need to know of the drawings. */
export type Drawings = Pick<SpriteSheet, "extent" | "colour" | "sprite">;

/** Makes the scenes of all splits in one size. */
export class SceneMaker {
  readonly size: number;
  readonly #byKind: Readonly<Record<Thing["kind"], readonly Thing[]>>;
  readonly #things: readonly Thing[];
  readonly #drawings: Drawings;
  readonly #seed: number;

  /** `size`: side of the pictures in pixels. */
  constructor(
    things: readonly Thing[],
    drawings: Drawings,
    { size, seed = 1 }: { size: number; seed?: number },
  ) {
    const of = (kind: Thing["kind"]) => things.filter((thing) => thing.kind === kind);
    this.#byKind = { animal: of("animal"), person: of("person"), thing: of("thing") };
    this.#things = things;
    this.#drawings = drawings;
    this.#seed = seed;
    this.size = size;
  }

  /** Scene `index` of a split. */
  at(split: SceneSplit, index: number): Scene {
    const draws = new Draws(this.#seed, SCENE_SPLITS.indexOf(split), index);
    for (let number = 0; number < MOST_PLANS; number++) {
      const plan = this.#plan(draws, split);
      for (let attempt = 0; plan && attempt < LAYOUTS; attempt++) {
        const scene = this.#scene(draws, split, plan);
        if (scene && belongsTo(scene, split)) return scene;
      }
    }
    throw new Error(`no scene ${index} of split ${split} in ${MOST_PLANS} plans`);
  }

  #plan(draws: Draws, split: SceneSplit): Plan | null {
    const relation = draws.pick(RELATIONS);
    const heldOut = (thing: Thing) => heldOutVendor(thing) !== null;
    switch (split) {
      case "pairs": {
        const things = this.#two(draws, isHeldOutPair);
        return things && { kind: "pair", things, counts: [1, 1], relation };
      }
      case "relations": {
        const things = this.#two(draws, (a, b) => isHeldOutRelation(a, relation, b));
        return things && { kind: "pair", things, counts: [1, 1], relation };
      }
      case "counts": {
        const thing = this.#thing(draws);
        const count = heldOutCount(thing);
        if (count === null) return null;
        if (count === 4 || draws.chance(70)) return { kind: "group", things: [thing], counts: [count] };
        const other = this.#other(draws, [thing]);
        return other && { kind: "pair", things: [thing, other], counts: [count, 1], relation };
      }
      case "drawings": {
        const thing = this.#thing(draws);
        if (!heldOut(thing)) return null;
        if (draws.chance(40)) return { kind: "single", things: [thing], counts: [1] };
        const things = this.#two(draws, (_, b) => heldOut(b), thing);
        return things && { kind: "pair", things, counts: [1, 1], relation };
      }
      default:
        return this.#common(draws, relation);
    }
  }

  /** A scene as in training. */
  #common(draws: Draws, relation: Relation): Plan | null {
    const first = this.#thing(draws);
    const kind = draws.below(100);
    if (kind < 24) return { kind: "single", things: [first], counts: [1] };
    if (kind < 42) return { kind: "group", things: [first], counts: [draws.between(2, 4)] };
    const second = this.#other(draws, [first]);
    if (second === null) return null;
    if (kind < 76) return { kind: "pair", things: [first, second], counts: [1, 1], relation };
    if (kind < 86) {
      const counts = draws.pick([
        [2, 1],
        [1, 2],
        [3, 1],
        [1, 3],
        [2, 2],
      ]);
      return { kind: "pair", things: [first, second], counts, relation };
    }
    const third = this.#other(draws, [first, second]);
    return (
      third && { kind: kind < 94 ? "between" : "corner", things: [first, second, third], counts: [1, 1, 1] }
    );
  }

  #thing(draws: Draws): Thing {
    const kind = draws.below(100);
    return draws.pick(this.#byKind[kind < ANIMALS ? "animal" : kind < ANIMALS + PEOPLE ? "person" : "thing"]);
  }

  /** A thing that nobody takes for one of the others; null if this time none was drawn. */
  #other(draws: Draws, others: readonly Thing[]): Thing | null {
    const thing = this.#thing(draws);
    return others.some((other) => mayBeConfused(thing, other)) ? null : thing;
  }

  /** A thing, or `first`, and another one for which `suits` holds; null if there is none. */
  #two(
    draws: Draws,
    suits: (a: Thing, b: Thing) => boolean,
    first = this.#thing(draws),
  ): [Thing, Thing] | null {
    const start = draws.below(this.#things.length);
    for (let i = 0; i < this.#things.length; i++) {
      const second = this.#things[(start + i) % this.#things.length]!;
      if (suits(first, second) && !mayBeConfused(first, second)) return [first, second];
    }
    return null;
  }

  #scene(draws: Draws, split: SceneSplit, plan: Plan): Scene | null {
    const { size } = this;
    const placed = plan.things.map((thing, i) => {
      const drawing = draws.pick(thing.drawings);
      const vendor = vendorFor(draws, split, thing);
      const sizeClass = drawSize(draws, plan, plan.counts[i]!);
      const [least, most] = SIDES[sizeClass];
      const side = draws.between(Math.floor((least * size) / 96), Math.floor((most * size) / 96));
      const extent = this.#drawings.extent(vendor, drawing.code, side);
      return { thing, drawing, vendor, size: sizeClass, side, extent };
    });
    const found = arrange(
      draws,
      plan,
      placed.map(({ extent }) => extent),
      size,
    );
    if (found === null) return null;
    const { boxes, arrangement } = found;
    const isFront = arrangement.kind === "pair" && arrangement.relation === "front";
    const order = isFront ? [1, 0] : plan.things.map((_, i) => i);
    const objects: Scene["objects"][number][] = [];
    const numbers = plan.things.map((): number[] => []);
    for (const entity of order) {
      for (const box of boxes[entity]!) {
        const { side, thing } = placed[entity]!;
        numbers[entity]!.push(objects.length);
        // Things may carry letters and figures.
        objects.push({ entity, box, side, mirrored: thing.kind !== "thing" && draws.chance(50) });
      }
    }
    const entities = placed.map(
      ({ thing, drawing, vendor, size }, i): Entity => ({
        thing,
        drawing,
        vendor,
        size,
        objects: numbers[i]!,
      }),
    );
    const scene = { size, ground: this.#ground(draws, entities), entities, objects, arrangement };
    return this.#hidesEnough(scene) ? scene : null;
  }

  /** Whether of two things one behind the other the further one is covered in part: boxes alone may meet in empty corners. */
  #hidesEnough(scene: Scene): boolean {
    const { arrangement } = scene;
    if (
      arrangement.kind !== "pair" ||
      (arrangement.relation !== "front" && arrangement.relation !== "behind")
    )
      return true;
    const percent = coveredPercent(scene, this.#drawings, { object: 0, by: 1 });
    return percent >= COVERED.least && percent <= COVERED.most;
  }

  /** A ground that sets off all drawings, if one is found. */
  #ground(draws: Draws, entities: readonly Entity[]): Ground {
    const colours = entities.map(({ vendor, drawing }) => this.#drawings.colour(vendor, drawing.code));
    let ground = drawGround(draws);
    for (let i = 0; i < 10; i++) {
      if (colours.every((colour) => distanceFrom(ground, colour) >= CONTRAST)) break;
      ground = drawGround(draws);
    }
    return ground;
  }
}

/** Whether two things share a name, the last word of a name, or a more general word. */
export function mayBeConfused(a: Thing, b: Thing): boolean {
  for (const family of a.families) if (b.families.has(family)) return true;
  return false;
}

function vendorFor(draws: Draws, split: SceneSplit, thing: Thing): Vendor {
  if (split === "style") return UNSEEN_VENDOR;
  const heldOut = heldOutVendor(thing);
  if (split === "drawings") return heldOut!;
  return draws.pick(TRAINED_VENDORS.filter((vendor) => vendor !== heldOut));
}

function drawSize(draws: Draws, { kind, counts }: Plan, count: number): SizeClass {
  const chances = {
    single: [25, 35],
    group: count > 2 ? [75, 25] : [45, 55],
    pair: counts.some((each) => each > 1) ? [65, 35] : [35, 45],
    between: [65, 35],
    corner: [60, 40],
  } as const;
  const [small, medium] = chances[kind];
  const drawn = draws.below(100);
  return drawn < small ? "small" : drawn < small + medium ? "medium" : "large";
}
