/** Scenes of few things: the usual ones, in every split. */
import t from "tap";
import { PRESETS } from "../../dist/config/presets.js";
import { artOf } from "../../dist/data/scenes/art.js";
import { scenesDataset } from "../../dist/data/scenes/dataset.js";
import { USUAL } from "../../dist/data/scenes/usual.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { sceneArt as art } from "../support/scene-art.js";

t.test("the most usual things come first, then others from all over the list", (t) => {
  const known = new Set(art.things.map(({ name }) => name));
  t.same(
    USUAL.filter((name) => !known.has(name)),
    [],
    "each usual name is the first name of a thing",
  );
  t.equal(new Set(USUAL).size, USUAL.length, "none twice");
  for (const count of [30, 48, USUAL.length, 101, 400, art.things.length]) {
    const names = artOf(art, count).things.map(({ name }) => name);
    t.equal(names.length, count);
    t.ok(
      USUAL.slice(0, count).every((name) => names.includes(name)),
      `${count}: the usual ones`,
    );
  }
  const last = artOf(art, 200).things.map((thing) => art.things.indexOf(thing));
  t.ok(last.filter((place) => place > art.things.length / 2).length > 60, "others from both halves");
  t.equal(artOf(art, 0).things.length, art.things.length, "0: all");
  t.equal(PRESETS.scenes.data.things, art.things.length, "the preset of all scenes");
  for (const count of [1, 29, 30.5, art.things.length + 1])
    t.throws(
      () => artOf(art, count),
      { message: /scenes can show 30 to \d+ kinds of things, not .*data\.things/ },
      `${count}`,
    );
  t.end();
});

t.test("thirty things fill every split, and pictures of other things have other identifiers", async (t) => {
  const few = artOf(art, 30);
  const dataset = await scenesDataset(nodePlatform, few, { size: 48, trainingScenes: 50 });
  for (const [split, records] of Object.entries(dataset.splits)) {
    const wrong = records.slice(0, 50).filter((record) => {
      const { image, captions } = dataset.records[record]!;
      return (
        captions.length === 0 ||
        dataset.scene(image).entities.some(({ thing }) => !few.things.includes(thing))
      );
    });
    t.same(wrong, [], `${split}: scenes of those things, with captions`);
  }
  const more = await scenesDataset(nodePlatform, artOf(art, 31), { size: 48, trainingScenes: 50 });
  t.not(more.images.content(0), dataset.images.content(0), "one thing more is other data");
  await dataset.images.close();
  await more.images.close();
});
