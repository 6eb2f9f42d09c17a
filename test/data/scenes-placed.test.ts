/** Scenes of placed objects: a drawn scene placed again is the same one, and what no sentence tells has no captions. */
import t from "tap";
import { SceneMaker } from "../../dist/data/scenes/maker.js";
import { placedScene } from "../../dist/data/scenes/placed.js";
import { referencesOf } from "../../dist/data/scenes/references.js";
import type { Scene } from "../../dist/data/scenes/scene.js";
import { sceneArt as art } from "../support/scene-art.js";

const maker = new SceneMaker(art.things, art.sheet, { size: 96 });
const placed = ({ size, ground, entities, objects }: Scene) => ({
  size,
  ground,
  objects: objects.map(({ entity, box, side, mirrored }) => {
    const { thing, drawing, vendor } = entities[entity]!;
    return { thing, drawing, vendor, side, x: box.x, y: box.y, mirrored };
  }),
});

t.test("the objects of 300 drawn scenes give their boxes, sizes and relations again", async (t) => {
  for (let index = 0; index < 300; index++) {
    const scene = maker.at("test", index);
    const again = placedScene(placed(scene), art.sheet);
    const seen = ({ objects, entities }: Scene) =>
      objects.map(({ box, entity }) => ({
        box,
        name: entities[entity]!.thing.name,
        size: entities[entity]!.size,
      }));
    if (JSON.stringify(seen(again)) !== JSON.stringify(seen(scene))) t.same(seen(again), seen(scene));
    if (again.arrangement.kind !== "untold" && referencesOf(again, 1, index).length !== 10)
      t.fail(`scene ${index} has too few captions`);
    const { kind } = scene.arrangement;
    if ((kind === "single" || kind === "pair") && again.arrangement.kind !== kind)
      t.fail(`scene ${index}: ${kind} became ${again.arrangement.kind}`);
  }
});

t.test("five of a thing, or nothing, are told by no sentence", async (t) => {
  const scene = placed(maker.at("test", 0));
  const row = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ ...scene.objects[0]!, side: 12, x: 19 * i, y: 40 }));
  const of = (objects: ReturnType<typeof row>) => placedScene({ ...scene, objects }, art.sheet);
  for (const objects of [[], row(5)]) {
    t.equal(of(objects).arrangement.kind, "untold");
    t.same(referencesOf(of(objects), 1, 0), []);
  }
  t.same(of(row(4)).arrangement, { kind: "group", shape: "row" }, "four are counted");
});
