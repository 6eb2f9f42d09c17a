import { consensus, smoothedBleu } from "../../dist/metrics/consensus.js";
import { test } from "../harness.js";

test("BLEU+1 of sentences, worked out by hand", (t) => {
  const words = (text: string) => text.split(" ");
  const score = (a: string, b: string) => [smoothedBleu(words(a), words(b))];
  const near = { abs: 1e-12 };
  t.near(score("a red cat on a mat", "a red cat on a mat"), [1], near, "equal");
  // 1-grams 2/3; 2-grams (1+1)/(2+1), 3-grams (0+1)/(1+1), 4-grams (0+1)/(0+1).
  t.near(score("a red cat", "a red dog"), [((2 / 3) * (2 / 3) * (1 / 2)) ** 0.25], near, "one word off");
  // Only one of the two "a" matches.
  t.near(score("a a", "a b"), [((1 / 2) * (1 / 2)) ** 0.25], near, "each at most as often as there");
  t.near(score("a b", "a b c d"), [Math.exp(1 - 4 / 2)], near, "too short");
  t.near(score("a b c d", "a b"), [((2 / 4) * (2 / 4) * (1 / 3) * (1 / 2)) ** 0.25], near, "longer");
  t.near([smoothedBleu([], []), smoothedBleu([], ["a"]), smoothedBleu(["a"], [])], [1, 0, 0], near, "empty");
});

test("the consensus agrees most with the others", (t) => {
  t.equal(consensus(["one caption"]), 0, "of one");
  t.equal(consensus(["a dog", "a red cat", "a red cat", "a blue cat"]), 1, "the first of equal ones");
  t.equal(
    consensus(["a red cat on a mat", "a red cat", "the sun", "a red cat on the mat"]),
    3,
    "not the oddest",
  );
  t.equal(consensus(["x", "y", "z"]), 0, "the first where none agrees");
  // Each caption against the others as references: 0.42, 1.08, 0.77.
  t.equal(consensus(["a", "a b", "a b c d"]), 1, "neither the shortest nor the longest");
  // Against the definition, by brute force.
  const pool = ["a cat", "a dog", "a red cat", "the red cat sits", "a red dog sits", "cat"];
  for (let seed = 0; seed < 40; seed++) {
    const captions = Array.from(
      { length: 5 },
      (_, i) => pool[(seed * 7 + i * i * 3 + seed * i) % pool.length]!,
    );
    const sums = captions.map((own, i) =>
      captions.reduce(
        (sum, other, j) => sum + (i === j ? 0 : smoothedBleu(own.split(" "), other.split(" "))),
        0,
      ),
    );
    const most = Math.max(...sums);
    const expected = sums.findIndex((sum) => sum > most - 1e-9);
    if (consensus(captions) !== expected) t.ok(false, `${captions.join(" | ")}: ${consensus(captions)}`);
  }
});
