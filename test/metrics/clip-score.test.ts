/** CLIPScore and RefCLIPScore against the values of their formulas in float64: test/vectors/clipscore.json. */

import { readFile } from "node:fs/promises";
import t from "tap";
import { clipScore, cosine, refClipScore } from "../../dist/metrics/clip-score.js";

const path = new URL("../../test/vectors/clipscore.json", import.meta.url);
const vectors = JSON.parse(await readFile(path, "utf8"));

for (const [name, tolerance, cast] of [
  ["float64", 1e-11, (row: number[]) => Float64Array.from(row)],
  ["float32", 1e-6, (row: number[]) => Float32Array.from(row)],
] as const) {
  t.test(`features in ${name}`, async (t) => {
    const { imageFeatures, candidateFeatures, referenceFeatures } = vectors;
    const worst = { clipscore: 0, refclipscore: 0 };
    for (const [i, row] of imageFeatures.entries()) {
      const [image, caption] = [cast(row), cast(candidateFeatures[i])];
      const own = {
        clipscore: clipScore(image, caption),
        refclipscore: refClipScore(image, caption, referenceFeatures[i].map(cast)),
      };
      for (const key of ["clipscore", "refclipscore"] as const)
        worst[key] = Math.max(worst[key], Math.abs(own[key] - vectors[key][i]));
    }
    t.comment(JSON.stringify(worst));
    t.ok(worst.clipscore <= tolerance && worst.refclipscore <= tolerance, JSON.stringify(worst));
  });
}

t.test("by hand", async (t) => {
  t.equal(cosine([3, 4], [4, 3]), 24 / 25);
  t.ok(Math.abs(clipScore([3, 4], [4, 3]) - 2.4) < 1e-12, "2.5 · 0.96");
  t.equal(clipScore([1, 0], [-1, 0]), 0, "no negative scores");
  // a = 2.5, b = 0.5 of the better reference: 2ab/(a+b).
  const half = [1, Math.sqrt(3)];
  t.ok(Math.abs(refClipScore([1, 0], [1, 0], [[-1, 0], half]) - 2.5 / 3) < 1e-12);
  t.equal(refClipScore([1, 0], [1, 0], [[-1, 0]]), 0, "no reference is near");
  t.equal(refClipScore([1, 0], [-1, 0], [[-1, 0]]), 0, "the picture is not near");
  t.ok(Number.isNaN(clipScore([0, 0], [1, 0])), "features of zeros have no direction");
  t.throws(() => cosine([1, 2], [1]), /vectors of 2 and 1 numbers/);
});
