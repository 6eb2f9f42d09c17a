import t from "tap";
import { parseTemplate } from "../../dist/text/template.js";
import { WordTokenizer } from "../../dist/text/words.js";

const tokenizer = new WordTokenizer(["a", "black", "cat", "women's", "hat"]);
const id = (word: string) => tokenizer.encode(word)[0]!;
const length = 6;
const parse = (template: string) => {
  const { at, words } = parseTemplate(template, tokenizer, length);
  return Array.from(at, (given, i) => (given ? words[i]! : null));
};

t.test("words stay, _ is a gap, the caption ends where the template does", async (t) => {
  const end = tokenizer.endId;
  t.same(parse("a _ cat"), [id("a"), null, id("cat"), end, end, end]);
  t.same(parse("_ _ cat _"), [null, null, id("cat"), null, end, end]);
  t.same(
    parse("  A  Black\tcat. "),
    [id("a"), id("black"), id("cat"), end, end, end],
    "signs and case do not matter",
  );
  t.same(parse("women’s hat"), [id("women's"), id("hat"), end, end, end, end], "curly apostrophes");
  t.same(parse(""), [end, end, end, end, end, end], "nothing is the empty caption");
  t.same(parse("a _ _ _ cat"), [id("a"), null, null, null, id("cat"), end], "as long as captions can be");
});

t.test("gaps are told apart from the open end", async (t) => {
  const gaps = (template: string) => [...parseTemplate(template, tokenizer, length).gap];
  t.same(gaps("a _ cat _"), [0, 1, 0, 1, 0, 0]);
  t.same(gaps("_ cat ..."), [1, 0, 0, 0, 0, 0]);
  t.same(gaps("a _, (_) cat"), [0, 1, 1, 0, 0, 0], "signs beside a gap vanish");
});

t.test("an open end leaves the rest to the model", async (t) => {
  const expected = [id("a"), null, id("cat"), null, null, null];
  for (const template of ["a _ cat ...", "a _ cat...", "a _ cat …", "a _ cat… "])
    t.same(parse(template), expected, template);
  t.same(parse("..."), [null, null, null, null, null, null], "all of it");
});

t.test("what cannot be is told", async (t) => {
  t.throws(() => parse("a dog"), { message: /word "dog" is not in the model's vocabulary of 7 words/ });
  t.throws(() => parse("a _ _ _ _ cat"), {
    message: /has 6 words and gaps; this model's captions have at most 5/,
  });
  t.throws(() => parse("a __ cat"), {
    message: /"__" is neither a word nor a gap; write one _ for each gap/,
  });
});
