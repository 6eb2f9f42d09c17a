/** Scenes: the same everywhere, composed and boxed to the pixel. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { ScenePainters } from "../../dist/cli/scene-painters.js";
import { readImages } from "../../dist/data/dataset.js";
import { readArt, writeArt } from "../../dist/data/scenes/art.js";
import { paintGround } from "../../dist/data/scenes/background.js";
import { compose, visibleBoxes } from "../../dist/data/scenes/compose.js";
import { OwnPainter, type SceneNumber, scenesDataset } from "../../dist/data/scenes/dataset.js";
import { mayBeConfused, SceneMaker } from "../../dist/data/scenes/maker.js";
import type { Scene } from "../../dist/data/scenes/scene.js";
import { SCENE_SPLITS } from "../../dist/data/scenes/splits.js";
import { SOLID, type Sprite, scaleSprite } from "../../dist/data/scenes/sprites.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { sceneArt as art } from "../support/scene-art.js";

const size = 96;
const each = size * size * 3;
const maker = new SceneMaker(art.things, art.sheet, { size });
const painted = (
  scene: Scene,
  hidden?: ReadonlySet<number>,
  sheet: { sprite: typeof art.sheet.sprite } = art.sheet,
) => {
  const target = new Uint8Array(scene.size ** 2 * 3);
  compose(scene, sheet, target, hidden);
  return target;
};

t.test("a scene depends on seed, split and number alone", async (t) => {
  const again = new SceneMaker(art.things, art.sheet, { size });
  const numbers = [7, 3, 1000, 0, 99_999];
  const first = numbers.map((index) => JSON.stringify(maker.at("train", index).objects));
  const second = [...numbers].reverse().map((index) => JSON.stringify(again.at("train", index).objects));
  t.same(second.reverse(), first, "in another order");
  t.not(JSON.stringify(maker.at("test", 7).objects), first[0], "another split");
  const other = new SceneMaker(art.things, art.sheet, { size, seed: 2 });
  t.not(JSON.stringify(other.at("train", 7).objects), first[0], "another seed");
});

t.test("threads compose the same bytes, in any order and division", async (t) => {
  const numbers = Array.from({ length: 21 }, (_, i): SceneNumber => {
    return { split: SCENE_SPLITS[i % SCENE_SPLITS.length]!, index: (i * 37) % 500 };
  });
  const own = new Uint8Array(numbers.length * each);
  await new OwnPainter(art, { size, seed: 1 }).paint(numbers, own);
  for (const threads of [1, 3]) {
    const painters = new ScenePainters(art, { size, seed: 1, threads });
    const theirs = new Uint8Array(own.length);
    await painters.paint([...numbers].reverse(), theirs);
    for (let i = 0; i < numbers.length; i++) {
      const [a, b] = [
        own.subarray(i * each, (i + 1) * each),
        theirs.subarray((20 - i) * each, (21 - i) * each),
      ];
      t.ok(Buffer.compare(a, b) === 0, `picture ${i}, ${threads} threads`);
    }
    await t.rejects(painters.paint([{ split: "train", index: 0 }], new Uint8Array(5)), /offset|bound|range/i);
    await painters.close();
  }
});

t.test("a record's captions, picture and ground truth belong together", async (t) => {
  const dataset = await scenesDataset(nodePlatform, art, { size, trainingScenes: 50 });
  const number = dataset.splits.pairs![5]!;
  const { id, image, captions, attributes, split } = dataset.records[number]!;
  t.same([id, split, captions.length], ["pairs/000005", "pairs", 10]);
  const { scene, captions: annotated, boxes } = dataset.annotated(image);
  t.same(
    annotated.map(({ text }) => text),
    captions,
  );
  t.same(await readImages(dataset, [image]), painted(scene));
  t.same(boxes, visibleBoxes(scene, art.sheet));
  t.ok(attributes.objectWords.length > 1);
  t.not(dataset.images.content(0), dataset.images.content(1));
});

t.test("boxes are where each object changes the picture", async (t) => {
  // The same drawing in white and in black: what differs is how much of each pixel it makes up.
  const inked = (scene: Scene, number: number, ink: boolean) => {
    const { vendor, drawing } = scene.entities[scene.objects[number]!.entity]!;
    return {
      sprite(of: typeof vendor, code: string, side: number): Sprite {
        const { width, height, data } = art.sheet.sprite(of, code, side);
        if (of !== vendor || code !== drawing.code) return { width, height, data };
        return { width, height, data: data.map((_, i) => (i % 4 === 3 || ink ? data[i - (i % 4) + 3]! : 0)) };
      },
    };
  };
  const shown: Record<string, number> = {};
  let partly = 0;
  for (let index = 0; index < 400; index++) {
    const scene = maker.at("train", index);
    const boxes = visibleBoxes(scene, art.sheet);
    const whole = painted(scene);
    for (const [number, box] of boxes.entries()) {
      const { box: full, entity } = scene.objects[number]!;
      if (box === null) {
        t.fail(`object ${number} of scene ${index} is hidden`);
        continue;
      }
      const without = painted(scene, new Set([number]));
      let [left, top, right, bottom] = [size, size, 0, 0];
      const alone = scene.entities[entity]!.objects.length === 1;
      const [white, black] = [true, false].map((ink) => painted(scene, undefined, inked(scene, number, ink)));
      for (let i = 0; i < size * size; i++) {
        const [x, y] = [i % size, Math.floor(i / size)];
        const inside = x >= box.x && y >= box.y && x < box.x + box.width && y < box.y + box.height;
        const change = Math.max(...[0, 1, 2].map((c) => Math.abs(whole[i * 3 + c]! - without[i * 3 + c]!)));
        if (change > SOLID && !inside)
          t.fail(`scene ${index}: hiding ${number} changes a pixel outside of its box`);
        if (white![i * 3]! - black![i * 3]! < SOLID) continue;
        [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
      }
      const found = { x: left, y: top, width: right - left, height: bottom - top };
      if (alone && JSON.stringify(found) !== JSON.stringify(box))
        t.fail(`scene ${index}: the box of ${number}`, { found, box, full });
      if (box.width * box.height < full.width * full.height) partly++;
      const { kind } = scene.arrangement;
      shown[kind] = (shown[kind] ?? 0) + 1;
    }
  }
  t.comment(
    `objects by arrangement: ${JSON.stringify(shown)}; ${partly} with smaller boxes than their drawings`,
  );
  t.ok(partly > 5, "some are hidden in part");
});

t.test("later drawings hide earlier ones; front means later", async (t) => {
  let tried = 0;
  for (let index = 0; tried < 20; index++) {
    const scene = maker.at("train", index);
    const { arrangement, entities } = scene;
    if (arrangement.kind !== "pair" || !["front", "behind"].includes(arrangement.relation)) continue;
    tried++;
    const [front, back] = arrangement.relation === "front" ? [0, 1] : [1, 0];
    const [over, under] = [entities[front!]!.objects[0]!, entities[back!]!.objects[0]!];
    t.ok(over > under, "is drawn later");
    const [before, after] = [painted(scene, new Set([over])), painted(scene)];
    const hidden = painted(scene, new Set([over, under]));
    let [theirs, lost] = [0, 0];
    for (let i = 0; i < before.length; i++) {
      if (before[i] === hidden[i]) continue;
      theirs++;
      if (before[i] !== after[i]) lost++;
    }
    if (lost < theirs * 0.02)
      t.fail(`scene ${index}: the one in front covers ${lost} of ${theirs} of the other`);
    const { box, side, mirrored, entity } = scene.objects[over]!;
    const { vendor, drawing } = entities[entity]!;
    const { width, height, data } = art.sheet.sprite(vendor, drawing.code, side);
    const picture = painted(scene);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = (y * width + (mirrored ? width - 1 - x : x)) * 4;
        const at = ((box.y + y) * size + box.x + x) * 3;
        if (data[from + 3] === 255 && [0, 1, 2].some((c) => picture[at + c] !== data[from + c]))
          t.fail(`scene ${index}: an opaque pixel of the one in front is not its own`);
      }
    }
  }
});

t.test("grounds: direction and colours as their words say", async (t) => {
  const colours = [
    { name: "red", rgb: [200, 20, 20] },
    { name: "blue", rgb: [20, 20, 200] },
  ] as const;
  const paint = (ground: Parameters<typeof paintGround>[0]) => {
    const target = new Uint8Array(each);
    paintGround(ground, size, target);
    return (x: number, y: number) => [...target.subarray((y * size + x) * 3, (y * size + x) * 3 + 3)];
  };
  const [red, blue] = colours.map(({ rgb }) => [...rgb]);
  const across = paint({ kind: "gradient", colours, direction: "right" });
  t.same([across(0, 50), across(95, 50), across(40, 0)], [red, blue, across(40, 95)]);
  const down = paint({ kind: "gradient", colours, direction: "down" });
  t.same([down(50, 0), down(50, 95)], [red, blue]);
  const vertical = paint({ kind: "stripes", colours, direction: "vertical", period: 16 });
  t.same([vertical(0, 0), vertical(0, 95), vertical(8, 0)], [red, red, blue]);
  const horizontal = paint({ kind: "stripes", colours, direction: "horizontal", period: 16 });
  t.same([horizontal(0, 0), horizontal(95, 0), horizontal(0, 8)], [red, red, blue]);
  const checks = paint({ kind: "checks", colours, period: 16 });
  t.same([checks(0, 0), checks(8, 0), checks(8, 8)], [red, blue, red]);
  const dots = paint({ kind: "dots", colours, period: 16 });
  t.same([dots(0, 0), dots(8, 8), dots(16, 24)], [red, blue, blue]);
});

t.test("scaling averages areas", async (t) => {
  const source = { width: 5, height: 3, data: Uint8Array.from({ length: 60 }, (_, i) => (i * 89) % 256) };
  for (const [width, height] of [
    [5, 3],
    [2, 2],
    [1, 1],
    [4, 3],
    [8, 7],
  ] as const) {
    const scaled = scaleSprite(source, width, height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < 4; c++) {
          let sum = 0;
          for (let i = 0; i < 5; i++) {
            for (let j = 0; j < 3; j++) {
              const wide = Math.min(i + 1, ((x + 1) * 5) / width) - Math.max(i, (x * 5) / width);
              const high = Math.min(j + 1, ((y + 1) * 3) / height) - Math.max(j, (y * 3) / height);
              if (wide > 0 && high > 0) sum += wide * high * source.data[(j * 5 + i) * 4 + c]!;
            }
          }
          const mean = (sum * width * height) / 15;
          const got = scaled.data[(y * width + x) * 4 + c]!;
          if (Math.abs(got - mean) > 0.5001) t.fail(`${width}×${height}: ${got} for ${mean}`);
        }
      }
    }
  }
  t.same(scaleSprite(source, 5, 3), source, "its own size changes nothing");
});

t.test("what may be confused is never in one picture", async (t) => {
  const thing = (name: string) => art.things.find((one) => one.name === name)!;
  t.ok(mayBeConfused(thing("hot dog"), thing("dog")), "a name within a name");
  t.ok(mayBeConfused(thing("bird"), thing("duck")), "a more general word");
  t.ok(mayBeConfused(thing("farmer"), thing("man")), "people");
  t.notOk(mayBeConfused(thing("cat"), thing("dog")));
  for (let index = 0; index < 500; index++) {
    const { entities } = maker.at("train", index);
    for (const [i, a] of entities.entries())
      for (const b of entities.slice(i + 1))
        if (mayBeConfused(a.thing, b.thing)) t.fail(`${a.thing.name}, ${b.thing.name}`);
  }
});

t.test("art is written and read back; damage is named", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "scene-art-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  t.equal(await readArt(nodePlatform, folder), null, "nothing there");
  await writeArt(nodePlatform, folder, art, "here");
  const back = (await readArt(nodePlatform, folder, "here"))!;
  t.same(back.things, art.things);
  t.same(painted(maker.at("train", 3), undefined, back.sheet), painted(maker.at("train", 3)));
  t.equal(await readArt(nodePlatform, folder, "elsewhere"), null, "made of something else");
  writeFileSync(join(folder, "art.rgba"), art.sheet.pixels.subarray(1));
  await t.rejects(readArt(nodePlatform, folder), /art\.rgba is damaged/);
});
