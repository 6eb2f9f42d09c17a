/** Splits of scenes: as large as stated, with what they hold out and nothing else. */
import t from "tap";
import { scenesDataset } from "../../dist/data/scenes/dataset.js";
import { type Box, type Relation, union } from "../../dist/data/scenes/geometry.js";
import { SceneMaker } from "../../dist/data/scenes/maker.js";
import type { Scene } from "../../dist/data/scenes/scene.js";
import {
  heldOutCount,
  heldOutVendor,
  isHeldOutPair,
  isHeldOutRelation,
  SCENE_SPLITS,
} from "../../dist/data/scenes/splits.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { sceneArt as art } from "../support/scene-art.js";

const size = 96;
const maker = new SceneMaker(art.things, art.sheet, { size });

t.test("splits: as large as stated, each with what it holds out and nothing else", async (t) => {
  const dataset = await scenesDataset(nodePlatform, art, { size, trainingScenes: 3000 });
  const counts = Object.fromEntries(
    Object.entries(dataset.splits).map(([name, list]) => [name, list.length]),
  );
  const heldOut = Object.fromEntries(SCENE_SPLITS.slice(1).map((name) => [name, 1000]));
  t.same(counts, { train: 3000, ...heldOut });

  // What training shows, found without the code that keeps it out.
  const seen = {
    pairs: new Set(),
    relations: new Set(),
    counts: new Set(),
    drawings: new Set(),
    scenes: new Set(),
  };
  const things = new Set<string>();
  const describe = (scene: Scene) => {
    const box = (e: number) => {
      const boxes = scene.entities[e]!.objects.map((o) => scene.objects[o]!.box);
      const [x, y] = [Math.min(...boxes.map((b) => b.x)), Math.min(...boxes.map((b) => b.y))];
      return {
        x,
        y,
        r: Math.max(...boxes.map((b) => b.x + b.width)),
        b: Math.max(...boxes.map((b) => b.y + b.height)),
      };
    };
    const pairs: string[] = [];
    const relations: string[] = [];
    for (const [i, a] of scene.entities.entries()) {
      for (const [j, b] of scene.entities.entries()) {
        if (i === j) continue;
        pairs.push(`${a.thing.name}, ${b.thing.name}`);
        const [p, q] = [box(i), box(j)];
        const [dx, dy] = [q.x + q.r - p.x - p.r, q.y + q.b - p.y - p.b];
        const left = p.r <= q.x && 5 * Math.abs(dy) <= 3 * dx;
        const above = p.b <= q.y && 5 * Math.abs(dx) <= 3 * dy;
        if (left || above) relations.push(`${a.thing.name} ${left ? "left of" : "above"} ${b.thing.name}`);
      }
    }
    return {
      pairs,
      relations,
      counts: scene.entities.map(({ thing, objects }) => `${objects.length} ${thing.name}`),
      drawings: scene.entities.map(({ thing, vendor }) => `${vendor} ${thing.name}`),
      scenes: [
        JSON.stringify([
          scene.entities.map(({ drawing }) => drawing.code),
          scene.objects.map(({ box }) => box),
        ]),
      ],
    };
  };
  const names = ["pairs", "relations", "counts", "drawings", "scenes"] as const;
  for (let image = 0; image < 3000; image++) {
    const { scene } = { scene: maker.at("train", image) };
    const shown = describe(scene);
    for (const name of names) for (const item of shown[name]) seen[name].add(item);
    for (const { thing, vendor, objects } of scene.entities) {
      things.add(thing.name);
      if (vendor === "openmoji" || heldOutVendor(thing) === vendor)
        t.fail(`training has ${vendor}'s ${thing.name}`);
      if (heldOutCount(thing) === objects.length) t.fail(`training has ${objects.length} of ${thing.name}`);
    }
  }
  const stated: Record<string, (scene: Scene) => boolean> = {
    pairs: (scene) => !describe(scene).pairs.some((pair) => seen.pairs.has(pair)),
    relations: (scene) => !describe(scene).relations.some((relation) => seen.relations.has(relation)),
    counts: (scene) =>
      scene.entities.some(
        ({ thing, objects }) => objects.length > 1 && heldOutCount(thing) === objects.length,
      ),
    drawings: (scene) => !describe(scene).drawings.some((drawing) => seen.drawings.has(drawing)),
    style: (scene) => scene.entities.every(({ vendor }) => vendor === "openmoji"),
  };
  for (const split of SCENE_SPLITS.slice(1)) {
    let again = 0;
    let strange = 0;
    for (let index = 0; index < 300; index++) {
      const scene = maker.at(split, index);
      again += describe(scene).scenes.some((one) => seen.scenes.has(one)) ? 1 : 0;
      if (stated[split] && !stated[split](scene))
        t.fail(`scene ${index} of ${split} does not show what it says`);
      if (split !== "style" && scene.entities.some(({ vendor }) => vendor === "openmoji")) strange++;
      if (
        split !== "counts" &&
        scene.entities.some(({ thing, objects }) => heldOutCount(thing) === objects.length)
      )
        strange++;
      if (split !== "drawings" && scene.entities.some(({ thing, vendor }) => heldOutVendor(thing) === vendor))
        strange++;
    }
    t.same([again, strange], [0, 0], `${split}: scenes of training, and what other splits hold out`);
  }
  t.ok(things.size > 600, `${things.size} of ${art.things.length} things in 3000 training scenes`);
  await t.rejects(scenesDataset(nodePlatform, art, { size: 16 }), /at least 32 pixels/);
  await t.rejects(scenesDataset(nodePlatform, art, { size, trainingScenes: 0 }), /at least 1 training scene/);
});

t.test(
  "no scene shows a held-out pair or relation but those of its split, whichever thing comes first",
  async (t) => {
    // Relations of two boxes, found again from what the documentation says of them.
    const center = ({ x, y, width, height }: Box) => [x + width / 2, y + height / 2] as const;
    const whole = (scene: Scene, e: number) =>
      union(scene.entities[e]!.objects.map((o) => scene.objects[o]!.box));
    const relation = (scene: Scene, a: number, b: number): Relation | null => {
      const [p, q] = [whole(scene, a), whole(scene, b)];
      const [dx, dy] = [center(q)[0] - center(p)[0], center(q)[1] - center(p)[1]];
      if (p.x + p.width <= q.x && Math.abs(dy) <= 0.6 * dx) return "left";
      if (p.y + p.height <= q.y && Math.abs(dx) <= 0.6 * dy) return "above";
      const { arrangement } = scene;
      const isOver = arrangement.kind === "pair" && arrangement.relation === (a === 0 ? "front" : "behind");
      return isOver ? "front" : null;
    };
    const shows = (scene: Scene) => {
      const found = { pairs: 0, relations: 0 };
      for (const [i, a] of scene.entities.entries()) {
        for (const [j, b] of scene.entities.entries()) {
          if (i === j) continue;
          if (i < j && isHeldOutPair(a.thing, b.thing)) found.pairs++;
          const way = relation(scene, i, j);
          if (way !== null && isHeldOutRelation(a.thing, way, b.thing)) found.relations++;
        }
      }
      return found;
    };
    let [pairs, relations, tried] = [0, 0, 0];
    for (const [i, a] of art.things.entries()) {
      const b = art.things[(i * 7 + 1) % art.things.length]!;
      if (a === b) continue;
      tried++;
      if (isHeldOutPair(a, b)) pairs++;
      if (isHeldOutPair(a, b) !== isHeldOutPair(b, a)) t.fail("a pair depends on its order");
      for (const [way, back] of [
        ["left", "right"],
        ["above", "below"],
        ["front", "behind"],
      ] as const) {
        if (isHeldOutRelation(a, way, b)) relations++;
        if (isHeldOutRelation(a, way, b) !== isHeldOutRelation(b, back, a))
          t.fail(`${way} is not ${back} from behind`);
      }
    }
    t.ok(Math.abs(pairs / tried - 1 / 25) < 0.03, `${pairs} of ${tried} pairs`);
    t.ok(Math.abs(relations / tried / 3 - 1 / 12) < 0.03, `${relations} of ${3 * tried} relations`);
    for (const split of SCENE_SPLITS) {
      const expected = [split === "pairs" ? 1 : 0, split === "relations" ? 1 : 0];
      const count = split === "train" ? 4000 : 300;
      for (let index = 0; index < count; index++) {
        const found = shows(maker.at(split, index));
        if (found.pairs !== expected[0] || found.relations !== expected[1])
          t.fail(
            `scene ${index} of ${split} shows ${found.pairs} held-out pairs and ${found.relations} relations`,
          );
      }
    }
  },
);
