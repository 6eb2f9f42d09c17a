/** Tuples of captions by rules, measured against captions labelled by hand, and their F1. */

import t from "tap";
import { captionTuples, tupleF1 } from "../../dist/metrics.js";
import { wordNet } from "../wordnet.js";
import { heldOutCaptions, labelledCaptions } from "./tuple-captions.js";

/** Precision and recall of the tuples of all captions, word by word equal. */
function measure(captions: typeof labelledCaptions): { precision: number; recall: number } {
  let [hits, said, wanted] = [0, 0, 0];
  for (const { caption, tuples } of captions) {
    const found = new Set(captionTuples(caption, wordNet).map((tuple) => tuple.join(",")));
    said += found.size;
    wanted += tuples.length;
    hits += tuples.filter((tuple) => found.has(tuple.join(","))).length;
  }
  return { precision: hits / said, recall: hits / wanted };
}

t.test("tuples of 48 captions that the rules were corrected with", async (t) => {
  t.equal(labelledCaptions.length, 48);
  const { precision, recall } = measure(labelledCaptions);
  t.comment(`P ${precision.toFixed(3)}, R ${recall.toFixed(3)}`);
  t.ok(precision >= 0.98, `precision ${precision}`);
  t.ok(recall >= 0.98, `recall ${recall}`);
});

t.test("tuples of 14 captions that were only measured", async (t) => {
  const { precision, recall } = measure(heldOutCaptions);
  t.comment(`P ${precision.toFixed(3)}, R ${recall.toFixed(3)}`);
  t.ok(precision >= 0.92, `precision ${precision}`);
  t.ok(recall >= 0.9, `recall ${recall}`);
});

t.test("F1: worked out by hand", async (t) => {
  // Said: bird, bird red, wing, bird have wing. Wanted: bird, bird red, wing, wing black, bird have wing.
  const { each } = tupleF1(
    ["a red bird with wings", "a cat", "", "a bird"],
    [["a red bird has black wings"], ["a dog"], ["a dog"], [""]],
    wordNet,
  );
  t.same([...each], [(2 * 1 * (4 / 5)) / (1 + 4 / 5), 0, 0, 0]);
});

t.test("references are united, synonyms agree, a wrong colour or relation lowers the score", async (t) => {
  const references = [["a man riding a big horse", "a man on a large brown horse"]];
  const score = (caption: string) => tupleF1([caption], references, wordNet).score;
  t.equal(score("a man riding a large brown horse"), score("a man riding a big brown horse"));
  t.ok(score("a man riding a large brown horse") > score("a man riding a large black horse"));
  t.ok(score("a man riding a brown horse") > score("a man feeding a brown horse"));
  t.ok(score("a man riding a brown horse") > score("a man riding a brown cow"));
  t.equal(tupleF1(["a beak"], [["a bill"]], wordNet).score, 1);
});
