/** What is said of captions before training: what is cut, what is unknown, and when that is too much. */
import t from "tap";
import { lengthHistogram } from "../../dist/data/caption-lengths.js";
import { captionTable, captionWarnings, summarizeCaptions } from "../../dist/data/caption-summary.js";
import { type CaptionedImage, splitsOf } from "../../dist/data/dataset.js";
import { UserError } from "../../dist/platform/errors.js";
import { WordTokenizer } from "../../dist/text/words.js";

function summary(
  train: string[],
  options: { minCount?: number; maxLength?: number; validation?: string[] } = {},
) {
  const { minCount = 1, maxLength = 12, validation = [] } = options;
  const of = (split: string) => (caption: string) =>
    ({ split, captions: [caption], keywordCaptions: ["never counted"] }) as unknown as CaptionedImage;
  const records = [...train.map(of("train")), ...validation.map(of("validation"))];
  const tokenizer = WordTokenizer.build(train, { minimumCount: minCount });
  const found = summarizeCaptions({ records, splits: splitsOf(records) }, tokenizer, maxLength);
  return {
    found,
    warnings: () => captionWarnings(found, { minCount, maxLength }),
    table: captionTable(found, maxLength),
  };
}

const many = (count: number, caption: string) => new Array<string>(count).fill(caption);

t.test("captions, cuts, unknown words and scripts are counted", async (t) => {
  const { found, table } = summary(["a cat sat", "a cat", "ein 猫", "7"], {
    minCount: 2,
    maxLength: 3,
    validation: ["a dog on a cat"],
  });
  t.same(found.splits, [
    { split: "train", captions: 4, cut: 1, words: 8, unknown: 4 },
    { split: "validation", captions: 1, cut: 1, words: 5, unknown: 2 },
  ]);
  t.equal(found.longest, 3);
  t.same(found.mostFrequent, { word: "a", count: 2 });
  t.same(
    found.scripts.map(({ script, share }) => [script, Math.round(share * 7)]),
    [
      ["Latin", 6],
      ["Han", 1],
    ],
    "digits have no script",
  );
  t.same(table, [
    "captions: split       captions  over 2 words: cut  words       [UNK]",
    "          train              4         1 (25.0 %)      8  4 (50.0 %)",
    "          validation         1        1 (100.0 %)      5  2 (40.0 %)",
    "          scripts of the training captions: Latin 85.7 %, Han 14.3 %",
    "          different words in them: 6, of these 4 once",
    "          tokens in a training caption: mean 2.0, median 2, longest 3",
    "          0    0.0 %",
    "          1   25.0 % ███████████████",
    "          2   50.0 % ██████████████████████████████",
    "          3   25.0 % ███████████████",
  ]);
});

t.test("warnings begin above 5 % of the words and 1 % of the captions", async (t) => {
  t.same(summary(many(50, "a cat")).warnings(), []);
  const one = (rare: number) =>
    summary([...many(95, "cat"), ...Array.from({ length: rare }, (_, i) => `rare${i}`)], { minCount: 2 });
  t.same(one(5).warnings(), [], "5 %");
  t.same(one(6).warnings(), [
    "5.9 % of the words of the training captions become [UNK], as they occur fewer than 2 times; a lower data.minCount keeps them",
  ]);
  const cut = (long: number) =>
    summary([...many(100 - long, "cat"), ...many(long, "a b c d e")], { maxLength: 5 });
  t.same(cut(1).warnings(), [], "1 %");
  t.same(cut(2).warnings(), [
    "2 of 100 training captions are cut to 4 words; data.maxLength=6 fits the longest, of 5",
  ]);
});

t.test("lengths are gathered in at most ten ranges", async (t) => {
  const lengths = new Array(42).fill(0);
  for (const [length, count] of [
    [4, 1],
    [5, 2],
    [14, 6],
    [41, 1],
  ] as const)
    lengths[length] = count;
  t.same(lengthHistogram(lengths), [
    "tokens in a training caption: mean 13.9, median 14, longest 41",
    "  0–4   10.0 % █████",
    "  5–9   20.0 % ██████████",
    "10–14   60.0 % ██████████████████████████████",
    "15–19    0.0 %",
    "20–24    0.0 %",
    "25–29    0.0 %",
    "30–34    0.0 %",
    "35–39    0.0 %",
    "40–41   10.0 % █████",
  ]);
  t.same(lengthHistogram([]), []);
});

t.test("nothing but unknown words is an error", async (t) => {
  const { warnings } = summary(["a cat", "a dog"], { minCount: 1000 });
  t.throws(warnings, UserError);
  t.throws(warnings, {
    message:
      'all 4 words of the training captions become [UNK]: data.minCount=1000, and the most frequent word, "a", occurs 2 times; lower data.minCount',
  });
});
