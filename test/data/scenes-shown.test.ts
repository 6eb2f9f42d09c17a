/** What the places of scenes show, cell by cell: the thing on top at the middle of each; and what words are about. */
import t from "tap";
import { scenesDataset } from "../../dist/data/scenes/dataset.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { sceneArt as art } from "../support/scene-art.js";

t.test("each cell shows the last drawn object whose box holds its middle", async (t) => {
  for (const [size, side] of [
    [96, 12],
    [64, 8],
    [50, 7],
  ] as const) {
    const dataset = await scenesDataset(nodePlatform, art, { size, trainingScenes: 60 });
    const { things, at } = dataset.shown!;
    t.equal(things, art.things.length);
    const wanted = Array.from({ length: 60 }, (_, i) => (i * 7) % 60);
    const shown = at(wanted, side);
    t.equal(shown.length, 60 * side * side);
    const seen = new Set<number>();
    for (const [i, image] of wanted.entries()) {
      const scene = dataset.scene(image);
      for (let place = 0; place < side * side; place++) {
        const [x, y] = [place % side, Math.floor(place / side)].map((n) => ((n + 0.5) * size) / side) as [
          number,
          number,
        ];
        const top = scene.objects.findLast(
          ({ box }) => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height,
        );
        const thing = top ? art.things.indexOf(scene.entities[top.entity]!.thing) : things;
        if (top) seen.add(thing);
        if (shown[i * side * side + place] !== thing)
          t.fail(`scene ${image}, place ${place}: ${shown[i * side * side + place]}, not ${thing}`);
      }
      for (const { entity } of scene.objects) {
        const number = art.things.indexOf(scene.entities[entity]!.thing);
        if (
          scene.objects.length === 1 &&
          !shown.subarray(i * side * side, (i + 1) * side * side).includes(number)
        )
          t.fail(`scene ${image}: its only thing has no place`);
      }
    }
    t.ok(seen.size > 30, `${seen.size} things are seen`);
    await dataset.images.close();
  }
});

t.test("words are about entities, by the numbers that the places have", async (t) => {
  const side = 12;
  const dataset = await scenesDataset(nodePlatform, art, { size: 96, trainingScenes: 80 });
  const { referents, shown } = dataset;
  let [ofOne, others] = [0, 0];
  for (let image = 0; image < 80; image++) {
    const { scene, captions } = dataset.captioned(image);
    const places = referents!.at([image], side, 9);
    const things = shown!.at([image], side);
    for (const [place, entity] of places.entries()) {
      const thing = entity === 9 ? shown!.things : art.things.indexOf(scene.entities[entity]!.thing);
      if (things[place] !== thing) t.fail(`scene ${image}, place ${place}: ${entity}`);
    }
    for (const [number, { text, words }] of captions.entries()) {
      const told = referents!.words(image, number);
      const spans = new Map(told.map(({ start, end, thing }) => [text.slice(start, end) + start, thing]));
      for (const { start, end, objects } of words) {
        const entities = new Set(objects.map((object) => scene.objects[object]!.entity));
        const about = spans.get(text.slice(start, end) + start);
        if (entities.size === 1) ofOne++;
        else others++;
        if (about !== (entities.size === 1 ? [...entities][0] : undefined))
          t.fail(`scene ${image}, "${text}", ${text.slice(start, end)}: ${about}`);
      }
      if (told.length > words.length) t.fail(`"${text}" has ${words.length} content words`);
    }
  }
  t.ok(
    ofOne > 1000 && others > 500,
    `${ofOne} words about one entity, ${others} about several or the ground`,
  );
});
