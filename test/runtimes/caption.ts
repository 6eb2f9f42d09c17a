/** A caption by the shipped weights, for every runtime: the text that Node writes. */

import { Captioner } from "../../dist/index.js";
import { test } from "../harness.js";

const address = new URL("/weights/emoji", globalThis.mcdSite ?? globalThis.location?.href).href;

test("the shipped weights caption a picture as everywhere", async (t, gpu) => {
  const captioner = await Captioner.load(address, { gpu });
  // An orange disc on white with a dark half: no file has to be decoded, which programs do in their own ways.
  const size = 64;
  const data = new Uint8Array(size * size * 3).fill(255);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      if ((x - 32) ** 2 + (y - 32) ** 2 < 24 ** 2)
        data.set(y < 32 ? [240, 160, 40] : [120, 60, 20], (y * size + x) * 3);
    }
  }
  const { text } = await captioner.caption({ data, width: size, height: size }, { seed: 1, steps: 8 });
  captioner.dispose();
  t.equal(text, "folded root", "the caption");
});
