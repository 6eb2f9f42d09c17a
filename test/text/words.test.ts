import t from "tap";
import { UserError } from "../../dist/platform/errors.js";
import { attributesOf, genderOf, objectWordsOf, toneOf } from "../../dist/text/attributes.js";
import { normalizeCaption, WordTokenizer, words } from "../../dist/text/words.js";

t.test("words are normalised", async (t) => {
  const cases: [string, string[]][] = [
    ["A Red APPLE!", ["a", "red", "apple"]],
    ["woman’s hat, don't", ["woman's", "hat", "don't"]],
    ["medium-light skin — x‑ray", ["medium-light", "skin", "x-ray"]],
    ["-dash 'quoted' trailing-", ["dash", "quoted", "trailing"]],
    ["ﬁne Côte piñata", ["fine", "côte", "piñata"]],
    ["snake_case 3.5 ☃", ["snake", "case", "3", "5"]],
    [" \t\n", []],
  ];
  for (const [text, expected] of cases) t.same(words(text), expected, JSON.stringify(text));
  t.equal(normalizeCaption("  A  “cat”. "), "a cat");
});

t.test("a vocabulary has a fixed order and drops rare words", async (t) => {
  const captions = ["a cat", "a dog", "a bird and a cat"];
  const tokenizer = WordTokenizer.build(captions);
  // a ×4, cat ×2, then and, bird, dog once each by code point; 0 is END, 1 is [UNK].
  t.same(tokenizer.toJSON().words, ["a", "cat", "and", "bird", "dog"]);
  t.equal(tokenizer.vocabularySize, 7);
  t.same(tokenizer.toJSON(), WordTokenizer.build([...captions].reverse()).toJSON(), "order of captions");
  const small = WordTokenizer.build(captions, { minimumCount: 2 });
  t.same(small.encode("a dog and a Cat"), [2, 1, 1, 2, 3]);
  t.same(small.unknownWords("a dog and a cat"), ["dog", "and"]);
});

t.test("encoding, END as padding, decoding", async (t) => {
  const tokenizer = WordTokenizer.build(["a cat on a mat"]);
  const ids = tokenizer.encodeFixed("a cat on a mat", 8);
  t.equal(ids.length, 8);
  t.same([...ids.slice(5)], [0, 0, 0], "END to the end");
  t.equal(tokenizer.decode(ids), "a cat on a mat");
  const cut = tokenizer.encodeFixed("a cat on a mat", 3);
  t.equal(cut[2], tokenizer.endId, "a cut caption ends too");
  t.equal(tokenizer.decode(cut), "a cat");
  t.same([...tokenizer.encodeFixed("", 1)], [0]);
  t.throws(() => tokenizer.encodeFixed("a", 0), RangeError);
  const mask = tokenizer.vocabularySize;
  t.equal(tokenizer.decode([tokenizer.encode("a")[0]!, mask, 1, 0, mask]), "a _ [UNK]");
  t.throws(() => tokenizer.decode([mask + 1]), /token id 7 at position 0/);
});

t.test("a vocabulary survives JSON and bad ones are named", async (t) => {
  const tokenizer = WordTokenizer.build(["a medium-light woman's hat"]);
  const copy = WordTokenizer.fromJSON(JSON.parse(JSON.stringify(tokenizer)), "v.json");
  t.same(copy.encode("hat a"), tokenizer.encode("hat a"));
  const bad: [unknown, RegExp][] = [
    [null, /v\.json is not a word vocabulary: expected an object/],
    [{ tokenizer: "bpe", words: [] }, /should be "words", it is "bpe"/],
    [{ tokenizer: "words", words: "a b" }, /"words" should be a list/],
    [{ tokenizer: "words", words: ["a", 3] }, /words\[1\] should be one word/],
    [{ tokenizer: "words", words: ["Two words"] }, /words\[0\]/],
    [{ tokenizer: "words", words: ["a", "b", "a"] }, /words\[2\], "a", is there twice/],
  ];
  for (const [value, message] of bad) {
    t.throws(() => WordTokenizer.fromJSON(value, "v.json"), message);
    t.throws(() => WordTokenizer.fromJSON(value, "v.json"), UserError);
  }
});

t.test("tones, genders and object words of captions", async (t) => {
  t.equal(toneOf("man farmer light skin tone"), "light");
  t.equal(toneOf("Medium-Dark skinned farmer"), "medium-dark");
  t.equal(toneOf("farmer with medium light skin"), "medium-light", "without its hyphen");
  t.equal(toneOf("a light bulb on dark ground"), "none", "no skin is meant");
  t.equal(toneOf("kiss with light and medium-dark skin"), "light+medium-dark");
  t.equal(toneOf("kiss: light skin tone, light skin tone"), "light+light");
  t.equal(toneOf(""), "none");
  t.equal(genderOf("woman's boot"), "female");
  t.equal(genderOf("policeman"), "male");
  t.equal(genderOf("couple: man, woman"), "both");
  t.equal(genderOf("a human snowman"), "none", "words are compared whole");
  t.same(objectWordsOf("the man with dark skin in a light suit"), ["light", "suit"]);
  t.same(objectWordsOf("woman with dark skin tone"), []);
  t.same(attributesOf("Woman farmer: dark skin tone"), {
    tone: "dark",
    gender: "female",
    objectWords: ["farmer"],
  });
});
