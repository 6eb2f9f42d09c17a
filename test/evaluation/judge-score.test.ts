/** The judge's score of captions in tables and sweeps: the cosine of picture and caption, without CLIP's prompt, factor and bound. */

import t from "tap";
import { type Dataset, MemoryImages } from "../../dist/data/dataset.js";
import { clipFeatures, type FeatureModel } from "../../dist/evaluation/clip-features.js";
import { judgeReferenceFree } from "../../dist/evaluation/sweep/reference-free.js";
import { judgeColumn } from "../../dist/evaluation/table/columns.js";
import { nodePlatform } from "../../dist/platform/node.js";

/** Features of a picture are its first pixel, those of a text the letters a, b and c that it has. */
const asked: string[] = [];
const judge: FeatureModel = {
  sha256: "5ca1ab1e",
  shape: { features: 3 },
  encodeImages: async (pictures) =>
    Float32Array.from(pictures.flatMap(({ data }) => [data[0]!, data[1]!, data[2]!])),
  encodeTexts: async (texts) => {
    asked.push(...texts);
    return Float32Array.from(
      texts.flatMap((text) => ["a", "b", "c"].map((letter) => text.split(letter).length - 1)),
    );
  },
};
const images = new MemoryImages(Uint8Array.of(3, 0, 4, 0, 5, 0), 1);
const dataset = { name: "two", size: 1, images, records: [{ image: 1 }, { image: 0 }] } as unknown as Dataset;
const captions = ["b", "a c"];
// Picture 1 is (0, 5, 0) and its caption (0, 1, 0); picture 0 is (3, 0, 4), its caption (1, 0, 1).
const wanted = [1, 7 / (5 * Math.SQRT2)];

t.test("in sweeps", async (t) => {
  const free = judgeReferenceFree(judge, { hash: nodePlatform.hash });
  t.match(free, { name: "judge", title: "judge", id: "judge 5ca1ab1e", passes: 0 });
  const scores = await free.score(
    { dataset, records: [0, 1] } as unknown as Parameters<typeof free.score>[0],
    captions,
  );
  for (const [i, score] of scores.entries()) t.ok(Math.abs(score - wanted[i]!) < 1e-6, `${score}`);
  t.same(asked, captions, "texts as they are");
});

t.test("as a column", async (t) => {
  const features = await clipFeatures(
    judge,
    dataset,
    { images: [0, 1], texts: captions },
    { hash: nodePlatform.hash, prompt: "" },
  );
  const column = judgeColumn(features);
  const rows = column.rows(captions, { images: [1, 0], references: [[], []], corpus: [] });
  t.same([rows[1], rows[3]], [1, 1], "each counts once");
  for (const [i, score] of [rows[0]!, rows[2]!].entries())
    t.ok(Math.abs(score - wanted[i]!) < 1e-6, `${score}`);
  const opposite = column.rows(["b", "b"], { images: [0, 0], references: [[], []], corpus: [] });
  t.equal(opposite[0], 0, "no part in common");
});
