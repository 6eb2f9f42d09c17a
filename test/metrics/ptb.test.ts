/** Penn Treebank tokens: the rules of PTBTokenizer case by case, and against a lexer generated from its published rules. */

import t from "tap";
import { ptbTokens, ptbWords, reportCaptions } from "../../dist/metrics.js";
import { lexed } from "./ptb-lexer.js";

/** Captions and what coco-caption passes on. */
const CASES: readonly (readonly [string, string])[] = [
  ["A man, a plan: a canal; Panama!", "a man a plan a canal panama"],
  ["The woman's dog isn't here...", "the woman 's dog is n't here"],
  ["They can't; we cannot go, cannot.", "they ca n't we can not go can not"],
  ["I'd say we've said they'll go, it's", "i 'd say we 've said they 'll go it 's"],
  ["it’s don’t", "it 's do n't"],
  ["THEY'RE DON'T WOMAN'S", "they 're do n't woman 's"],
  ["gonna wanna gimme 'twas 'tis", "gon na wan na gim me 't was 't is"],
  ["a well-known place - really -- yes --- no", "a well-known place really yes no"],
  ["a dash – and — more…", "a dash and more"],
  ["“quoted” 'word' \"other\" `x'", "quoted word other x"],
  ["cats (two) [three] {four}", "cats -lrb- two -rrb- -lsb- three -rsb- -lcb- four -rcb-"],
  ["it costs $3.50 & 1,000 at 5 o'clock", "it costs $ 3.50 & 1,000 at 5 o'clock"],
  ["£5 €6 7¢", "# 5 $ 6 7 cents"],
  ["the dogs' bowl, u.s. made at 9:30 a.m.", "the dogs bowl u.s. made at 9:30 a.m."],
  ["Mr. Smith and Dr. Who on Main St.", "mr. smith and dr. who on main st."],
  ["plan b.", "plan b."],
  ["wow!! really?! yes! no?", "wow !! really ?! yes no"],
  ["black/white and/or 1/2 12/31/2014", "black/white and/or 1/2 12/31/2014"],
  ["½ a cup", "1/2 a cup"],
  ["rock 'n' roll in the '90s, y'all", "rock 'n' roll in the '90s y' all"],
  ["AT&T at&t", "at&t at & t"],
  ["3.5-inch U.S.-based 5th-grade 2-story", "3.5-inch u.s.-based 5th-grade 2-story"],
  ["O'Brien Shi'ite J'adore l'eau", "o'brien shi'ite j'adore l'eau"],
  ["a cat., a dog", "a cat. a dog"],
  ["100% 50° a+b", "100 % 50 ° a + b"],
  ["see www.example.com or me@example.org now", "see www.example.com or me@example.org now"],
  ["café naïve 猫 Ünïcode", "café naïve 猫 ünïcode"],
  ["----- ..", "-----"],
  ["&amp; &quot;x&quot; a&nbsp;b", "& x a b"],
  ["a  cat\ton\nmats ", "a cat on mats"],
  ["snake_case #1 @ home", "snake_case # 1 @ home"],
  ["", ""],
  ["...", ""],
];

t.test("captions as coco-caption passes them on", async (t) => {
  for (const [caption, expected] of CASES) t.equal(ptbTokens(caption), expected, caption);
});

t.test("texts of hard parts as the generated lexer cuts them", async (t) => {
  for (const [text, expected] of lexed) t.equal(ptbTokens(text), expected, JSON.stringify(text));
});

t.test("punctuation stands before it is removed", async (t) => {
  t.same(ptbWords('He said: "yes", (no).'), "he said : `` yes '' , -lrb- no -rrb- .".split(" "));
  t.same(ptbWords("'word' \"x\" ''"), ["`", "word", "'", "``", "x", "''", "''"]);
});

t.test(
  "signs beyond the Basic Multilingual Plane vanish; a number with a fraction is one token with a no-break space",
  async (t) => {
    t.same(ptbWords("a 🙂cat ♥"), ["a", "cat", "♥"]);
    t.same(ptbWords("1 1/2 cups"), ["1\u00a01/2", "cups"]);
  },
);

t.test("the default of the metrics is this tokenizer", async (t) => {
  const { scores } = reportCaptions(["A dog's (red) ball!"], [["a dog 's -lrb- red -rrb- ball"]]);
  t.ok(scores.bleu4! > 0.999 && scores.rougeL === 1);
});

t.test("text of any kind is cut into tokens, and ends", async (t) => {
  const signs = "aZ9'’\"`-._,;:!?()[]{}<>&/\\$#@%*~^|+= \t\n\u00a0é猫\u0301\u200d🙂½…–“”".split("");
  let seed = 1;
  const wrong: string[] = [];
  for (let round = 0; round < 500; round++) {
    let text = "";
    for (let i = 0; i < 30; i++) {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      text += signs[seed % signs.length]!;
    }
    if (ptbWords(text).some((word) => !/^[^ \t\n]+$/.test(word))) wrong.push(text);
  }
  t.same(wrong, [], "no token is empty or has white space");
});
