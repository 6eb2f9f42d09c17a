/** BLEU, ROUGE-L, CIDEr and CIDEr-D against the public reference code. */

import t from "tap";
import { commonSubsequence } from "../../dist/metrics/rouge.js";
import {
  bleuEach,
  cider,
  ciderD,
  reportCaptions,
  rougeL,
  spacesTokenizer,
  splitWhiteSpace,
} from "../../dist/metrics.js";
import { cocoCaption } from "./coco-caption.js";

const candidates = cocoCaption.items.map(({ candidate }) => candidate);
const references = cocoCaption.items.map(({ references }) => references);

/** Whether two numbers agree to 1e-12 of the expected one; the requirement is 1e-9. */
const same = (actual: number, expected: number) =>
  actual === expected || Math.abs(actual - expected) <= 1e-12 * Math.abs(expected);

t.test("corpus and each caption as coco-caption scores them", async (t) => {
  const { scores, each } = reportCaptions(candidates, references, { tokenizer: spacesTokenizer });
  for (const n of [1, 2, 3, 4] as const) {
    const name = `bleu${n}` as const;
    t.ok(same(scores[name]!, cocoCaption.corpus.bleu[n - 1]!), `${name}: ${scores[name]}`);
    for (const [i, own] of each.entries())
      t.ok(
        same(own[name]!, cocoCaption.each.bleu[n - 1]![i]!),
        `${name} of "${candidates[i]}": ${own[name]}`,
      );
  }
  for (const name of ["rougeL", "cider", "ciderD"] as const) {
    t.ok(same(scores[name]!, cocoCaption.corpus[name]), `${name}: ${scores[name]}`);
    for (const [i, own] of each.entries())
      t.ok(same(own[name]!, cocoCaption.each[name][i]!), `${name} of "${candidates[i]}": ${own[name]}`);
  }
});

t.test("the functions by themselves give the same", async (t) => {
  const { scores, each } = bleuEach(candidates, references, spacesTokenizer);
  t.ok(same(scores[3], cocoCaption.corpus.bleu[3]!));
  t.ok(same(each[3]![0]!, cocoCaption.each.bleu[3]![0]!));
  t.ok(same(rougeL(candidates, references, spacesTokenizer).score, cocoCaption.corpus.rougeL));
  t.ok(same(cider(candidates, references, references, spacesTokenizer).score, cocoCaption.corpus.cider));
  t.ok(same(ciderD(candidates, references, references, spacesTokenizer).score, cocoCaption.corpus.ciderD));
});

t.test("a corpus of one picture: document frequencies are all there is, CIDEr is 0", async (t) => {
  const { scores } = reportCaptions(candidates.slice(0, 1), references.slice(0, 1), {
    tokenizer: spacesTokenizer,
  });
  const { bleu, rougeL, cider, ciderD } = cocoCaption.first;
  t.ok(same(scores.bleu4!, bleu[3]!), "BLEU with the closest length, not the average");
  t.ok(same(scores.rougeL!, rougeL));
  t.same([scores.cider, scores.ciderD], [cider, ciderD]);
});

t.test("CIDEr-D penalises a repetition and another length, CIDEr neither as much", async (t) => {
  const texts = ["a red bird on a branch", "two dogs run", "a red red red red bird on a branch"];
  const wanted = [["a red bird on a branch"], ["two dogs run"], ["a red bird on a branch"]];
  const d = ciderD(texts, wanted).each;
  const plain = cider(texts, wanted).each;
  t.ok(d[2]! < plain[2]!, `${d[2]} < ${plain[2]}`);
  t.ok(
    Math.abs(plain[1]! - 7.5) < 1e-9 && Math.abs(d[1]! - 7.5) < 1e-9,
    "three words have no 4-gram: 3/4 of 10",
  );
  t.ok(Math.abs(plain[0]! - 10) < 1e-9, "the reference itself");
});

t.test("ROUGE-L: an empty text is one empty token; order counts", async (t) => {
  t.equal(rougeL([""], [[""]]).score, 1);
  t.equal(rougeL([""], [["a cat"]]).score, 0);
  t.equal(commonSubsequence(["a", "b", "c", "d"], ["b", "d", "c", "a"]), 2);
  // P = 2/3 and R = 2/4: 2.44 · (1/3) / (1/2 + 1.44 · 2/3).
  t.ok(same(rougeL(["a b c"], [["a x b y"]]).score, (2.44 * (1 / 3)) / (0.5 + 1.44 * (2 / 3))));
});

t.test("white space is Python's", async (t) => {
  t.same(splitWhiteSpace(" a\u00a0b\u001cc\u0085d\ufeffe  "), ["a", "b", "c", "d\ufeffe"]);
  t.same(splitWhiteSpace("   "), []);
});
