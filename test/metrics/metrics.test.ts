import t, { type Test } from "tap";
import { nearestCodes, nearestVectors, shrink } from "../../dist/evaluation/nearest.js";
import { exactMatch, genderAccuracy, objectWordAccuracy, toneAccuracy } from "../../dist/metrics/accuracy.js";
import { bleu, closestLength } from "../../dist/metrics/bleu.js";
import { ciderD } from "../../dist/metrics/cider.js";
import { scoreCaptions } from "../../dist/metrics/scores.js";
import { tokenizeCaption, tokenizeSaid } from "../../dist/metrics/tokenize.js";
import { normalizeCaption } from "../../dist/text/words.js";

function near(t: Test, actual: number, expected: number, message: string, tolerance = 1e-8): void {
  t.ok(Math.abs(actual - expected) <= tolerance, `${message}: ${actual}, expected ${expected}`);
}

t.test("Penn Treebank tokens as coco-caption keeps them", async (t) => {
  const cases: [string, string][] = [
    ["A man, a plan: a canal; Panama!", "a man a plan a canal panama"],
    ["The woman's dog isn't here...", "the woman 's dog is n't here"],
    ["They can't; we cannot", "they ca n't we can not"],
    ["a well-known place - really", "a well-known place really"],
    ["“quoted” 'word' \"other\"", "quoted word other"],
    ["cats (two) [three]", "cats -lrb- two -rrb- -lsb- three -rsb-"],
    ["it costs $3.50 & 1,000 at 5 o'clock", "it costs $ 3.50 & 1,000 at 5 o'clock"],
    ["the dogs' bowl -- u.s. made", "the dogs bowl u.s. made"],
    ["", ""],
  ];
  for (const [text, expected] of cases) t.equal(tokenizeCaption(text).join(" "), expected, text);
});

t.test("references are read as captions are: accents in any form, any script", async (t) => {
  const texts = [
    "un café près d'une forêt",
    "der Bär über dem Fluß",
    "cả nhà ăn phở",
    "ｆｕｌｌ ｗｉｄｔｈ cat",
    "一只黑色的猫坐在垫子上",
  ];
  const said = texts.map((text) => normalizeCaption(text));
  for (const form of ["NFC", "NFD", "NFKC", "NFKD"] as const) {
    const references = texts.map((text) => [text.normalize(form)]);
    const scores = scoreCaptions(said, references);
    near(t, scores.bleu[0], 1, `${form}: BLEU-1 of perfect captions`, 1e-6);
    near(t, scores.bleu[3], 1, `${form}: BLEU-4`, 1e-6);
    t.equal(scores.exactMatch.accuracy, 1, `${form}: exact`);
    t.equal(scores.objectWords.accuracy, 1, `${form}: object words`);
    near(
      t,
      scores.ciderD,
      scoreCaptions(
        said,
        said.map((text) => [text]),
      ).ciderD,
      `${form}: CIDEr-D`,
    );
  }
});

t.test("[UNK] is one wrong word, whatever the references say", async (t) => {
  t.same(tokenizeSaid("a [UNK] cat"), ["a", "[UNK]", "cat"]);
  t.same(tokenizeCaption("a [UNK] cat"), ["a", "-lsb-", "unk", "-rsb-", "cat"]);
  for (const reference of ["a unk cat sat here", "a [UNK] cat sat here", "a black cat sat here"]) {
    const score = (caption: string) => scoreCaptions([caption, "two dogs"], [[reference], ["two dogs"]]);
    const [unknown, wrong] = [score("a [UNK] cat sat here"), score("a zebra cat sat here")];
    t.same(unknown.bleu, wrong.bleu, `${reference}: BLEU as of another wrong word`);
    t.equal(unknown.ciderD, wrong.ciderD, "CIDEr-D, too");
    t.equal(unknown.exactMatch.accuracy, 0.5);
    t.equal(unknown.objectWords.accuracy, wrong.objectWords.accuracy, "and object words");
  }
  t.equal(exactMatch(["[UNK]"], [["unk"]]).accuracy, 0);
  t.equal(objectWordAccuracy(["cat [UNK] [UNK]"], [["cat"]]).accuracy, 2 / 4, "each of them is one");
});

t.test("BLEU clips by the reference where an n-gram is most frequent", async (t) => {
  // "the" stands 7 times in the candidate, at most 2 times in one reference: BLEU-1 = 2/7. The closest length
  // is 7: brevity 1.
  const [one, two] = bleu(
    ["the the the the the the the"],
    [["the cat is on the mat", "there is a cat on the mat"]],
  );
  near(t, one, 2 / 7, "BLEU-1");
  // No bigram matches: (2/7 · 1e-15/6)^½.
  near(t, two, Math.sqrt(((2 / 7) * 1e-15) / 6), "BLEU-2", 1e-12);
});

t.test("BLEU sums over the corpus before it divides", async (t) => {
  // "a cat sat" / "a cat sat down" and "dogs" / "two dogs": unigrams 4/4, bigrams 2/2, trigrams 1/1, no
  // 4-grams (1e-15/1e-9). c = 3 + 1 = 4, r = 4 + 2 = 6: brevity exp(1 − 6/4) = 0.60653…
  const scores = bleu(["A cat sat.", "dogs"], [["a cat sat down"], ["two dogs"]]);
  for (const k of [0, 1, 2]) near(t, scores[k]!, Math.exp(-0.5), `BLEU-${k + 1}`, 1e-8);
  near(t, scores[3], Math.exp(-0.5) * 1e-6 ** 0.25, "BLEU-4", 1e-8);
});

t.test("BLEU brevity takes the closest reference, of equally close the shorter", async (t) => {
  t.equal(closestLength(5, [6, 4]), 4);
  t.equal(closestLength(5, [4, 6]), 4);
  t.equal(closestLength(5, [9, 6, 3]), 6);
  // Candidate of 2 words; references of 1 and 3: the shorter counts, so no penalty.
  near(t, bleu(["red cat"], [["red", "a red cat"]])[0], 1, "tie");
  // Only the longer one: exp(1 − 3/2).
  near(t, bleu(["red cat"], [["a red cat"]])[0], Math.exp(-0.5), "shorter than the reference");
  // An empty candidate: no unigrams, c = 0.
  t.equal(bleu([""], [["a cat"]])[0], 0, "empty caption");
});

t.test("CIDEr-D by hand", async (t) => {
  // Two images, every n-gram in one of them: idf = ln 2 throughout (also for unknown n-grams, df = 0 → max(1,
  // 0)).
  const references = [["red cat"], ["blue dog"]];
  // 1: equal: cosine 1 for n = 1 and 2; n = 3, 4 have norm 0 → 10 (1 + 1) / 4 = 5.
  // 2: "blue cat": unigrams ½ (one of two equal weights), bigrams 0 → 10 · ½ / 4 = 1.25.
  const { score, each } = ciderD(["red cat", "blue cat"], references);
  near(t, each[0]!, 5, "equal");
  near(t, each[1]!, 1.25, "half");
  near(t, score, 3.125, "mean");

  // Clipping, "red red": h = 2 ln2, r = (ln2, ln2): min(2, 1) · 1 / (2 · √2) = 0.35355; no bigram → 0.88388.
  near(t, ciderD(["red red", "x"], references).each[0]!, (10 * (1 / (2 * Math.SQRT2))) / 4, "clipped");

  // Length: 8 words have 7 bigrams, the reference 1: exp(−6²/72) = e^−½. Unigrams h = (4, 4), r = (1, 1): 2 /
  // (4√2 · √2) = ¼. Bigrams h = ("red cat" 4, "cat red" 3), r = (1, 0): 1 / (5 · 1) = ⅕. Sum 0.45.
  const long = ciderD(["red cat red cat red cat red cat", "x"], references).each[0]!;
  near(t, long, (10 * 0.45 * Math.exp(-0.5)) / 4, "gaussian over bigrams");
});

t.test("CIDEr-D: idf", async (t) => {
  t.equal(ciderD(["red cat"], [["red cat"]]).score, 0, "one image: every idf is 0");
  t.equal(ciderD(["cat", "dog"], [["a cat"], ["a dog"]]).each[0]! > 0, true);
  t.equal(ciderD(["a", "a"], [["a cat"], ["a dog"]]).score, 0, "a word of every image weighs nothing");
  // "cat" twice in the references of one image counts once: idf = ln 2 − ln 1; "cat cat" would otherwise
  // weigh nothing. References "cat" and "a cat": unigram cosines 1 and 1/√2 (h = cat; r = (a, cat)); bigrams:
  // h has none. The second reference has one bigram more: e^(−1/72). 10 · mean(1, e^(−1/72)/√2) / 4.
  const { each } = ciderD(["cat", "dog"], [["cat", "a cat"], ["dog"]]);
  near(t, each[0]!, (10 * (1 + Math.exp(-1 / 72) / Math.SQRT2)) / 2 / 4, "mean over references");
});

t.test("metrics refuse lists that do not pair up", async (t) => {
  t.throws(() => bleu([], []), RangeError);
  t.throws(() => bleu(["a"], []), /1 captions but 0 lists/);
  t.throws(() => ciderD(["a"], [[]]), /caption 0 has no references/);
});

t.test("accuracies", async (t) => {
  const references = [
    ["man farmer dark skin tone", "man farmer with dark skin"],
    ["red apple", "apple"],
    ["woman with light skin"],
  ];
  const captions = ["Man farmer, with dark skin!", "green apple", "woman with medium-light skin"];
  t.same(exactMatch(captions, references), { accuracy: 1 / 3, count: 3 });
  // 1: F1 1; 2: against "red apple" 2·1/4 = ½, against "apple" 2·1/3 = ⅔; 3: its reference has no object
  // words.
  const objects = objectWordAccuracy(captions, references);
  t.equal(objects.count, 2);
  near(t, objects.accuracy, (1 + 2 / 3) / 2, "object words");
  t.same(toneAccuracy(captions, references), { accuracy: 0.5, count: 2 });
  t.same(genderAccuracy(captions, references), { accuracy: 1, count: 2 });
  const none = toneAccuracy(["apple"], [["apple"]]);
  t.same([Number.isNaN(none.accuracy), none.count], [true, 0]);
  const all = scoreCaptions(captions, references);
  t.equal(all.images, 3);
  t.ok(all.ciderD > 0 && all.bleu[0] > 0.5);
});

t.test("nearest neighbours", async (t) => {
  t.same([...nearestVectors([0, 0, 5, 5], [4, 4, 1, 0, -1, 0], 2)], [1, 0], "ties go to the first");
  t.same([...nearestCodes([1, 2, 3, 9, 9, 9], [1, 9, 9, 1, 2, 9], 3)], [1, 0]);
  t.throws(() => nearestVectors([1, 2, 3], [1, 2], 2), RangeError);
  const picture = new Uint8Array(4 * 4 * 3).fill(255);
  picture[0] = 0; // one of four red values of the first block
  const small = shrink(picture, 4, 2);
  t.equal(small.length, 12);
  near(t, small[0]!, 0.75, "block mean", 1e-6);
  near(t, small[1]!, 1, "other channel", 1e-6);
});
