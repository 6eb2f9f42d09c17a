/** The gallery of the page: held-out emoji as small pictures, from the data packages. */

import sharp from "sharp";
import { modulesDirectory, nodePlatform } from "../dist/node.js";
import { buildEmojiIndex } from "../dist/training.js";

/** Twice the model's input size, so that they look crisp. */
const size = 128;
const perSplit = 12;

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

/**
 * Returns the gallery's files by name: pictures and gallery.json, which describes them. The pictures are spread evenly over the
 * held-out splits `render` and `tone`; they are not selected by the model's results.
 * @returns {Promise<Map<string, Uint8Array | string>>}
 */
export async function gallery() {
  const index = await buildEmojiIndex(nodePlatform, modulesDirectory("@iconify-json/noto"));
  /** @type {Map<string, Uint8Array | string>} */
  const files = new Map();
  const pictures = [];
  for (const [split, about] of Object.entries(splits)) {
    const all = index.pictures.filter((picture) => picture.split === split);
    for (let i = 0; i < perSplit; i++) {
      const picture = all[Math.floor(((i + 0.5) * all.length) / perSplit)];
      if (!picture) throw new Error(`the split ${split} is empty`);
      const file = `${picture.vendor}-${picture.code}.png`;
      const { data } = await nodePlatform.images.decode(
        new TextEncoder().encode(index.svg(picture)),
        size,
        "contain",
        { svg: "trusted" },
      );
      const png = sharp(data, { raw: { width: size, height: size, channels: 3 } });
      files.set(file, await png.png({ palette: true, effort: 10 }).toBuffer());
      pictures.push({ file, split, about, vendor: picture.vendor, captions: picture.captions });
    }
  }
  files.set("gallery.json", JSON.stringify({ pictures, vendors }));
  return files;
}
