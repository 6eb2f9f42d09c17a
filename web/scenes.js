/** What the page composes scenes of: some things of the data set `scenes`, in the drawings of the three vendors that are trained on. */

import { copyFile, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { cacheDirectory, modulesDirectory, nodePlatform, shippedWeights } from "../dist/node.js";
import { loadArt, SpriteSheet, USUAL, writeArt } from "../dist/scenes.js";

/** Without weights that were trained on fewer. So many that the page's file stays below 2 MB. */
const many =
  `dog, cat, lion, tiger, horse, zebra, unicorn, cow, pig, sheep, camel, giraffe, elephant, mouse, rabbit, hedgehog, bat, bear, panda,
koala, kangaroo, chicken, penguin, duck, owl, parrot, frog, crocodile, turtle, snake, dragon, whale, dolphin, fish, shark, octopus, crab, snail,
butterfly, bee, ladybug, spider, robot, ghost, alien, snowman, teddy bear, rose, sunflower, tulip, evergreen, palm tree, cactus, mushroom,
watermelon, lemon, banana, pineapple, red apple, green apple, strawberry, tomato, avocado, carrot, corn cob, broccoli head, hamburger, pizza,
hot dog, taco, egg, birthday cake, cupcake, doughnut, cookie, candy, coffee cup, teapot, wine glass, house, castle, church, tent, ferris wheel,
bus, fire truck, police car, car, tractor, motorcycle, bicycle, skateboard, traffic light, anchor, sailboat, airplane, helicopter, rocket,
umbrella, sun, cloud, rainbow, star, snowflake, planet, alarm clock, balloon, present, trophy, soccer ball, basketball, kite, crown, top hat,
guitar, drum, trumpet, laptop, camera, television, light bulb, candle, key, hammer, chair, bed, red heart, blue heart, gem, backpack,
baby, boy, girl, man, woman, doctor, cook, astronaut, firefighter`.split(/,\s+/);

/** The vendors of the drawings, as `data.vendors` of the data set's training. */
const vendors = ["noto/", "twemoji/", "fluent-emoji-flat/"];

const isThere = (/** @type {string} */ path) =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Writes the art of scenes below `data/scenes` of the site: `art.json`, the pixels as gzip, and `served.json`, which says whether weights
 * trained on scenes are served. Copies these weights if `weights/scenes` has them.
 * @param {string} site
 */
export async function writeScenes(site) {
  const weights = join(shippedWeights(), "../scenes");
  const hasWeights = await isThere(join(weights, "model.safetensors"));
  const things = hasWeights
    ? JSON.parse(await readFile(join(weights, "config.json"), "utf8")).config.data.things
    : 0;
  const names = things > 0 ? USUAL.slice(0, things) : many;
  const keep = new Set(names);
  const art = await loadArt(nodePlatform, {
    folder: join(cacheDirectory(), "scenes-page"),
    modulesDirectory: modulesDirectory("emojibase-data"),
    keep,
  });
  const missing = names.filter((name) => !art.things.some((thing) => thing.name === name));
  if (missing.length > 0) throw new Error(`scenes have no things named ${missing.join(", ")}`);
  const folder = join(site, "data/scenes");
  await writeArt(nodePlatform, folder, { things: art.things, sheet: trained(art.sheet) }, "page");
  const pixels = join(folder, "art.rgba");
  await writeFile(`${pixels}.gz`, await promisify(gzip)(await readFile(pixels), { level: 9 }));
  await rm(pixels);
  if (hasWeights) {
    await mkdir(join(site, "weights/scenes"), { recursive: true });
    for (const name of ["config.json", "model.safetensors"])
      await copyFile(join(weights, name), join(site, "weights/scenes", name));
  }
  await writeFile(join(folder, "served.json"), JSON.stringify({ weights: hasWeights }));
}

/**
 * The drawings of the vendors that are trained on.
 * @param {SpriteSheet} sheet
 */
function trained(sheet) {
  /** @type {[string, { width: number; height: number; offset: number; colour: readonly [number, number, number] }][]} */
  const entries = [];
  const parts = [];
  let offset = 0;
  for (const [name, entry] of sheet.entries) {
    if (!vendors.some((vendor) => name.startsWith(vendor))) continue;
    const bytes = entry.width * entry.height * 4;
    parts.push(sheet.pixels.subarray(entry.offset, entry.offset + bytes));
    entries.push([name, { ...entry, offset }]);
    offset += bytes;
  }
  const pixels = new Uint8Array(offset);
  for (const [i, part] of parts.entries()) pixels.set(part, /** @type {any} */ (entries[i])[1].offset);
  return new SpriteSheet(entries, pixels);
}
