import t from "tap";
import { diversity, ptbTokenizer } from "../../dist/metrics.js";

t.test("distinct words and pairs, new captions, length", async (t) => {
  const { distinct1, distinct2, newCaptions, distinctCaptions, length } = diversity(
    ["A cat sat.", "a cat sat", "a dog", "bird"],
    ["a cat sat", "the dog"],
    ptbTokenizer,
  );
  t.equal(distinct1, 5 / 9, "a, cat, sat, dog, bird of nine words");
  t.equal(distinct2, 3 / 5, "a cat, cat sat, a dog of five pairs");
  t.equal(newCaptions, 2 / 4);
  t.equal(distinctCaptions, 3 / 4);
  t.equal(length, 9 / 4);
});

t.test("without training captions or words there is no share", async (t) => {
  const none = diversity(["", ""]);
  t.ok([none.distinct1, none.distinct2, none.newCaptions].every(Number.isNaN));
  t.equal(none.length, 0);
  t.throws(() => diversity([]), RangeError);
});
