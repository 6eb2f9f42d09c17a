/** Templates and lists of words where a word is several tokens. */
import t from "tap";
import { ClipBpe } from "../../dist/text/clip/bpe.js";
import { ClipTokenizer } from "../../dist/text/clip/clip-tokenizer.js";
import { parseTemplate, parseWords } from "../../dist/text/template.js";
import { mergesFor } from "../merges.js";

// "cat" is c, at</w>; "hat" is h, a, t</w>; the others are one token.
const tokenizer = new ClipTokenizer(new ClipBpe([...mergesFor(["a", "red", "bird"]), "a t</w>"]));
const { endId, vocabularySize: mask } = tokenizer;
const [a, red, bird] = tokenizer.encode("a red bird") as [number, number, number];
const cat = tokenizer.encode("cat");
const length = 8;
const shown = ({ at, words }: { at: Uint32Array; words: Uint32Array }) =>
  Array.from(at, (given, i) => (given ? words[i]! : null));

t.test("the vocabulary of these tests", async (t) => {
  t.equal(cat.length, 2);
  t.equal(tokenizer.encode("red").length, 1);
  t.equal(mask, endId + 1);
});

t.test("a word of a template takes its tokens", async (t) => {
  const template = parseTemplate("a _ cat", tokenizer, length);
  t.same(shown(template), [a, null, ...cat, endId, endId, endId, endId]);
  t.same([...template.gap], [0, 1, 0, 0, 0, 0, 0, 0]);
  t.same(shown(parseTemplate("cat …", tokenizer, length)), [...cat, null, null, null, null, null, null]);
});

t.test("a gap is one word of one token, _N is N tokens that end a word", async (t) => {
  const ending = (template: string) => [...(parseTemplate(template, tokenizer, length).ending?.at ?? [])];
  t.same(ending("a _ _ cat"), [0, 1, 1, 0, 0, 0, 0, 0]);
  t.same(ending("a _3 cat"), [0, 0, 0, 1, 0, 0, 0, 0]);
  t.same(shown(parseTemplate("a _3 cat", tokenizer, length)).slice(0, 6), [a, null, null, null, ...cat]);
  t.same(ending("a red"), [], "nothing to fill");
  const { unfinished } = parseTemplate("_ cat", tokenizer, length).ending!;
  t.ok(unfinished.includes(cat[0]!) && !unfinished.includes(cat[1]!), "c ends no word");
  t.notOk(unfinished.includes(bird) || unfinished.includes(endId));
  t.throws(() => parseTemplate("a _0 cat", tokenizer, length), {
    message: /"_0" is neither a word nor a gap/,
  });
  t.throws(() => parseTemplate("a _9 cat", tokenizer, length), {
    message: /has 12 tokens and gaps; this model's captions have at most 7/,
  });
});

t.test("lists: words by their text or by their tokens", async (t) => {
  const list = parseWords([a, null, "cat", null, "[END]"], tokenizer, length);
  t.same(shown(list), [a, null, ...cat, null, endId, null, null]);
  t.same([...list.gap], [0, 1, 0, 0, 0, 0, 0, 0], "only what is before the last word needs a word");
  t.same([...list.ending!.at], [0, 1, 0, 0, 1, 0, 0, 0], "no half word before given ones");
  t.same(shown(parseWords(["bird's"], tokenizer, length)).filter(Boolean).length, 3, "bird, ', s");
  t.throws(() => parseWords(["red bird"], tokenizer, length), {
    message: /"red bird" at position 0 should be one word/,
  });
  t.throws(() => parseWords([mask], tokenizer, length), { message: /should be a token id below 5/ });
  t.throws(() => parseWords(["cat", "cat", "cat", "cat", red], tokenizer, length), {
    message: /there are 9 tokens; this model's captions have 8 positions/,
  });
});
