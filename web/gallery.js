/** The gallery of the page: held-out emoji as small pictures, from the data packages. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import sharp from "sharp";
import { modulesDirectory, nodePlatform } from "../dist/node.js";
import { buildEmojiIndex } from "../dist/training.js";

/** Twice the model's input size, so that they look crisp. */
const size = 128;

/** Pictures of each split. */
const perSplit = { render: 60, tone: 24 };

/** @type {Readonly<Record<"render" | "tone", string>>} */
const splits = {
  render: "a known emoji, in a drawing that was not in the training data",
  tone: "a known emoji, in a skin tone that it did not have in the training data",
};

/** Artists and licences of the emoji. */
const vendors = {
  noto: { name: "Noto Emoji", by: "Google", licence: "Apache-2.0" },
  twemoji: { name: "Twemoji", by: "Twitter and contributors", licence: "CC BY 4.0" },
  "fluent-emoji-flat": { name: "Fluent Emoji", by: "Microsoft", licence: "MIT" },
};

/** Categories by the number of Unicode's emoji group. */
const categories = [
  "faces and feelings",
  "people and hands",
  "",
  "animals and plants",
  "food and drink",
  "travel and places",
  "activities",
  "things",
  "symbols",
];

/**
 * The group of each emoji by its code, as the pictures name it: lower case, without variation selectors.
 * @returns {Promise<Map<string, number>>}
 */
async function groups() {
  const path = createRequire(import.meta.url).resolve("emojibase-data/en/compact.json");
  const entries = /** @type {{ hexcode: string; group?: number; skins?: { hexcode: string }[] }[]} */ (
    JSON.parse(await readFile(path, "utf8"))
  );
  const found = new Map();
  for (const { hexcode, group, skins = [] } of entries)
    for (const code of [hexcode, ...skins.map((skin) => skin.hexcode)]) found.set(plain(code), group);
  return found;
}

/** @param {string} code */
const plain = (code) => code.toUpperCase().replaceAll("-FE0F", "");

/**
 * The measured result of a name in web/measured/, or null while there is none.
 * @param {string} name
 * @returns {Promise<any>}
 */
const measured = (name) =>
  readFile(new URL(`measured/${name}.json`, import.meta.url), "utf8").then(JSON.parse, () => null);

/**
 * Returns the gallery's files by name: pictures and gallery.json, which describes them. The pictures are spread evenly over the
 * held-out splits `render` and `tone`; they are not selected by the model's results. Only the first, which the page opens with, is:
 * record-run.js chose it. `guidance` are the pictures that find-guidance-example.js found for the guidance lab.
 * @returns {Promise<Map<string, Uint8Array | string>>}
 */
export async function gallery() {
  const index = await buildEmojiIndex(nodePlatform, modulesDirectory("@iconify-json/noto"));
  const group = await groups();
  /** @type {Map<string, Uint8Array | string>} */
  const files = new Map();
  /** @param {typeof index.pictures[number]} picture */
  const draw = async (picture) => {
    const file = `${picture.vendor}-${picture.code}.png`;
    const { data } = await nodePlatform.images.decode(
      new TextEncoder().encode(index.svg(picture)),
      size,
      "contain",
      { svg: "trusted" },
    );
    const png = sharp(data, { raw: { width: size, height: size, channels: 3 } });
    files.set(file, await png.png({ palette: true, effort: 10 }).toBuffer());
    return file;
  };
  const pictures = [];
  for (const [split, about] of Object.entries(splits)) {
    const all = index.pictures.filter((picture) => picture.split === split);
    const count = perSplit[/** @type {keyof typeof perSplit} */ (split)];
    for (let i = 0; i < count; i++) {
      const picture = all[Math.floor(((i + 0.5) * all.length) / count)];
      if (!picture) throw new Error(`the split ${split} is empty`);
      const { vendor, captions } = picture;
      const category = categories[group.get(plain(picture.code)) ?? -1] || "others";
      pictures.push({ file: await draw(picture), split, about, category, vendor, captions });
    }
  }
  const search = await measured("guidance");
  const examples = [];
  for (const { id, captions, seed, rightOfSeeds } of search?.examples ?? []) {
    const picture = index.pictures.find((picture) => picture.id === id);
    if (!picture)
      throw new Error(
        `measured/guidance.json: there is no picture ${id}; run web/find-guidance-example.js again`,
      );
    examples.push({ file: await draw(picture), vendor: picture.vendor, captions, seed, rightOfSeeds });
  }
  const guidance = search && {
    searched: search.searched,
    seeds: search.seeds,
    scale: search.scale,
    examples,
  };
  const opening = (await measured("strip"))?.picture;
  pictures.sort((a, b) => Number(b.file === opening) - Number(a.file === opening));
  files.set("gallery.json", JSON.stringify({ pictures, vendors, guidance }));
  return files;
}
