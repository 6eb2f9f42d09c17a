/** METEOR with its modules exact, stem and synonym, against the reference program. */

import t from "tap";
import { align, type WordMatcher } from "../../dist/metrics/meteor/align.js";
import { FUNCTION_WORDS } from "../../dist/metrics/meteor/function-words.js";
import {
  METEOR_SUMS,
  meteor,
  meteorOf,
  meteorTokens,
  ptbTokenizer,
  spacesTokenizer,
} from "../../dist/metrics.js";
import { wordNet } from "../wordnet.js";

/**
 * Captions, references, score and statistics of the public source of METEOR 1.5, compiled, with `-l en -norm -m "exact stem
 * synonym"`; "" where the statistics were not kept.
 */
const PROGRAM: readonly (readonly [string, readonly string[], number, string])[] = [
  [
    "this bird has a red crown and white belly",
    ["a small bird with a red head", "the little bird has a red head and a white belly"],
    0.3304871464912058,
    "9 11 4 5 4 4 3 3 0 0 0 0 0 0 0 0 0 0 0 0 3 7 7",
  ],
  [
    "the little bird has a red head and a white belly",
    ["a small bird with a red head", "this bird has a red crown and white belly"],
    0.3951094735246396,
    "11 7 5 3 3 3 2 2 0 0 0 0 1 1 0 0 0 0 0 0 3 6 6",
  ],
  [
    "a white and black bird with a long bill",
    ["a black and white bird with a long beak"],
    0.45181323795265854,
    "9 9 4 4 4 4 4 4 0 0 0 0 1 1 0 0 0 0 0 0 5 9 9",
  ],
  [
    "two children are playing with dogs",
    ["kids played with a dog"],
    0.20834289831183944,
    "6 5 3 2 0 0 1 1 1 1 0 0 1 1 0 0 0 0 0 0 2 3 3",
  ],
  [
    "yellow-bellied bird's wings",
    ["the wings of a yellow bellied bird"],
    0.3899344179774085,
    "5 7 1 3 4 4 0 0 0 0 0 0 0 0 0 0 0 0 0 0 2 4 4",
  ],
  ["red red red bird", ["a red bird"], 0.36980877059792944, ""],
  ["cat", ["dog"], 0, ""],
];

t.test("scores and statistics as the program gives them", async (t) => {
  for (const [caption, references, score, statistics] of PROGRAM) {
    const found = meteor([caption], [references], wordNet, spacesTokenizer);
    t.ok(Math.abs(found.score - score) < 1e-14, `${caption}: ${found.score}, expected ${score}`);
    t.ok(Math.abs(found.each[0]! - score) < 1e-14);
    if (statistics !== "") t.equal([...found.rows].join(" "), statistics, `${caption}: statistics`);
  }
});

t.test("a caption that equals a reference scores 1, an empty one 0", async (t) => {
  t.same([...meteor(["a b", "", "a"], [["x", "a b"], ["a"], [""]], wordNet).each], [1, 0, 0]);
  t.equal(
    meteor(["a red bird", "a cat"], [["a red bird"], ["a cat"]], wordNet).score,
    1,
    "no chunk is added",
  );
});

t.test("the corpus's score is of the sums, not the mean", async (t) => {
  const captions = PROGRAM.map(([caption]) => caption);
  const { score, each, rows } = meteor(
    captions,
    PROGRAM.map(([, references]) => references),
    wordNet,
    ptbTokenizer,
  );
  const sums = new Float64Array(METEOR_SUMS);
  for (let i = 0; i < rows.length; i++) sums[i % METEOR_SUMS]! += rows[i]!;
  t.equal(score, meteorOf(sums));
  const mean = each.reduce((sum, value) => sum + value, 0) / each.length;
  t.ok(Math.abs(score - mean) > 0.01, `${score} is not ${mean}`);
});

t.test("normalisation: signs apart, contractions, hyphens, dots", async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ["yellow-bellied bird's wings", "yellow bellied bird 's wings"],
    ["It costs 1,000, or so (I think)", "it costs 1,000 , or so ( i think )"],
    ["the end.", "the end ."],
    ["Mr. Smith. Then", "mr. smith . then"],
    ["no. 5 and No. 5", "no . 5 and no. 5"],
    ["an abbr. follows", "an abbr. follows"],
    ["U.S. made a.m.", "us made am"],
    ["wait... what..", "wait ... what .."],
    ["say “yes” -- ‘no’", `say " yes " - ' no '`],
    ["the 1990's cats'", "the 1990 's cats '"],
  ];
  for (const [line, expected] of cases) t.equal(meteorTokens(line).join(" "), expected, line);
});

t.test("alignment: as many exact matches as possible, then few chunks, then short distances", async (t) => {
  const none: WordMatcher = { stem: (word) => word, synonyms: () => false };
  const at = (words: string, reference: string, matcher = none) =>
    align(words.split(" "), reference.split(" "), matcher).map((match) => match?.at ?? -1);
  t.same(at("the cat the dog", "the dog the cat"), [2, 3, 0, 1], "two chunks, not three");
  t.same(at("a b a", "a"), [0], "the nearer of two");
  t.same(at("x a y", "a a"), [1, -1]);
  const first = { ...none, stem: (word: string) => word[0]! };
  t.same(at("cats cat", "cat", first), [1], "the same word before the same stem");
  const pairs = { ...none, synonyms: (a: string, b: string) => a !== b };
  t.same(
    at("p q", "q r", pairs),
    [1, -1],
    "a synonym counts nothing, so a chunk less is better than two matches",
  );
  t.same(at("p q", "r q", pairs), [0, 1], "in one chunk it is taken");
});

t.test("WordNet: synonyms by synsets of words and their lemmas", async (t) => {
  t.ok(wordNet.related("bill", "beak"));
  t.ok(wordNet.related("kids", "children"), "an irregular form and an ending");
  t.notOk(wordNet.related("bill", "crown"));
  t.notOk(wordNet.related("qwxyz", "qwxyz"), "no word, no synset");
  t.same(wordNet.bases("went"), ["go"]);
  t.same(wordNet.bases("wolves"), ["wolf"], "irregular");
  t.same(wordNet.bases("churches"), ["church"]);
  t.same(wordNet.bases("women"), ["woman"]);
  t.same(wordNet.bases("glass"), ["glass"], "a final ss is no plural");
  t.same(wordNet.synsets("is").length > 0, true);
  t.equal(wordNet.uses("red").a, 58);
  t.equal(FUNCTION_WORDS.size, 93);
});
