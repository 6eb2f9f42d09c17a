import t from "tap";
import { splitsOf } from "../../dist/data/dataset.js";
import { exactMatch } from "../../dist/metrics/accuracy.js";
import { scoreCaptions } from "../../dist/metrics/scores.js";
import { tokenizeCaption } from "../../dist/metrics/tokenize.js";
import { UserError } from "../../dist/platform/errors.js";
import { attributesOf, genderOf, objectWordsOf, toneOf } from "../../dist/text/attributes.js";
import { normalizeCaption, WordTokenizer, words } from "../../dist/text/words.js";
import { seedOfTheDay, whole } from "../whole.js";

// Every character of Unicode is tried, which takes a loaded machine longer than tap's 30 s.
t.setTimeout(300_000);

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

t.test("words are their own words, whatever the text", async (t) => {
  const once = (text: string) => {
    const first = words(text);
    const again = words(first.join(" "));
    if (JSON.stringify(first) !== JSON.stringify(again)) return false;
    return first.every((word) => words(word).length === 1 && words(word)[0] === word);
  };
  t.same(words("\u039c\u0391\u03aa\u0301\u039f\u03a5"), ["μαΐου"], "Greek capitals, composed");
  t.same(
    words("\u039c\u0391\u0399\u0308\u0301\u039f\u03a5"),
    ["μαΐου"],
    "Greek capitals, one mark after the other",
  );
  const wrong: string[] = [];
  const marks = ["", "\u0300", "\u0301", "\u0308\u0301", "\u0307", "\u0345", "\u0338", "\u0323\u0302"];
  for (let code = 1; code <= 0x10ffff; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    // In the short form an eighth of what comes after the alphabets, mostly ideographs, another each day.
    const isAlphabet = code < 0x3000;
    if (!whole && !isAlphabet && (code + seedOfTheDay) % 8 !== 0) continue;
    const letter = String.fromCodePoint(code);
    if (!/[\p{L}\p{M}\p{N}\p{S}\p{P}]/u.test(letter)) continue;
    for (const mark of (whole ? code < 0x20000 : isAlphabet) ? marks : [""]) {
      if (!once(`a${letter}${mark}Σ'${letter}`))
        wrong.push(`${code.toString(16)}${mark && "+"}${escape(mark)}`);
    }
  }
  const extent = whole ? "every letter" : `letters of alphabets and some others (MCD_SEED=${seedOfTheDay})`;
  t.same(wrong, [], `${extent}, mark, digit and sign, with marks behind`);
  let state = 1;
  const below = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const pools = [0x80, 0x250, 0x600, 0xf00, 0x1100, 0x3100, 0x9fff, 0xffff, 0x10ffff];
  const odd: string[] = [];
  const strings = whole ? 20_000 : 2_000;
  for (let n = 0; n < strings; n++) {
    const top = pools[below(pools.length)]!;
    const text = Array.from({ length: 1 + below(12) }, () => String.fromCodePoint(below(top))).join("");
    if (!once(text)) odd.push(JSON.stringify(text));
  }
  t.same(odd, [], `${strings} strings of random code points, lone surrogates among them`);
});

t.test("scripts without spaces are cut into words, by the script alone", async (t) => {
  const cases: [string, string][] = [
    ["一只黑色的猫坐在垫子上。", "一只 黑色 的 猫 坐在 垫子 上"],
    ["2匹の猫がT-シャツの上", "2 匹 の 猫 が t シャツ の 上"],
    ["แมวดำ กินน้ำ", "แมว ดํา กิน น้ํา"],
    ["ແມວດຳນັ່ງ", "ແມວ ດໍາ ນັ່ງ"],
    ["ឆ្មាខ្មៅ", "ឆ្មា ខ្មៅ"],
    ["ကြောင်နက်", "ကြောင် နက်"],
    ["고양이가 앉아", "고양이가 앉아"],
    ["don't 猫", "don't 猫"],
  ];
  for (const [text, expected] of cases) {
    t.equal(words(text).join(" "), expected, text);
    t.equal(words(expected).join(" "), expected, `${text}: its words are words`);
    t.equal(
      tokenizeCaption(text).join(" "),
      tokenizeCaption(expected).join(" "),
      `${text}: scored as it is said`,
    );
  }
});

t.test("signs beside scripts without spaces belong to nothing", async (t) => {
  t.same(words("a red猫's hat, 猫-hat"), ["a", "red", "猫", "s", "hat", "猫", "hat"]);
});

t.test("a vocabulary cuts scripts without spaces by its own words", async (t) => {
  const of = (...list: string[]) => WordTokenizer.fromJSON({ tokenizer: "words", words: list }, "v.json");
  const cut = (tokenizer: WordTokenizer, text: string) => tokenizer.decode(tokenizer.encode(text));
  const some = of("黑", "黑色", "色的猫", "黑色的", "猫", "坐在", "a");
  t.equal(cut(some, "黑色的猫"), "黑色的 猫", "as few words as possible, the longest first");
  t.equal(cut(some, "黑色的猫坐在"), "黑色的 猫 坐在");
  t.equal(cut(some, "猫黑"), "猫 黑");
  t.equal(cut(some, "狗和鸟坐在a黑板"), "[UNK] 坐在 a 黑 [UNK]", "letters left over in a row are one word");
  t.same(some.unknownWords("狗和鸟坐在a黑板 b"), ["狗和鸟", "板", "b"]);
  t.equal(cut(of("น้ํา", "กิน"), "กินน้ำ"), "กิน น้ํา", "a letter keeps its marks");
  t.equal(
    cut(of("黑色的猫坐在垫子上", "猫"), "黑色的猫坐在垫子上"),
    "黑色的猫坐在垫子上",
    "as older versions had them",
  );
  const captions = ["一只黑色的猫坐在垫子上", "แมวดำ กินน้ำ", "2匹の猫がT-シャツの上"];
  const built = WordTokenizer.build(captions);
  for (const caption of captions) {
    t.same(built.unknownWords(caption), [], `${caption}: built from it, it is known`);
    const said = cut(built, caption);
    t.equal(exactMatch([said], [[caption]]).accuracy, 1, `${said}: scored as the same`);
    t.same(tokenizeCaption(said), tokenizeCaption(caption));
  }
});

t.test("words that objects have as properties are words like any other", async (t) => {
  const names = Object.getOwnPropertyNames(Object.prototype);
  const captions = names.map((name) => `a ${name} on a hat`);
  const tokenizer = WordTokenizer.build(captions);
  for (const caption of captions) {
    t.equal(tokenizer.decode(tokenizer.encode(caption)), normalizeCaption(caption), caption);
    // The Penn Treebank takes "_" for a sign of its own.
    const parts = caption.replace(/_/g, " _ ").trim().split(/\s+/);
    t.same(
      tokenizeCaption(caption),
      parts.map((part) => part.toLowerCase()),
      `${caption}: as Penn Treebank tokens`,
    );
    t.equal(attributesOf(caption).tone, "none");
  }
  const scores = scoreCaptions(
    captions,
    captions.map((caption) => [caption]),
  );
  t.equal(scores.exactMatch.accuracy, 1);
  t.ok(Math.abs(scores.bleu[3] - 1) < 1e-9, "scores as for other words");
  const splits = splitsOf([{ split: "train" }]);
  t.same(
    names.filter((name) => splits[name] !== undefined),
    [],
    "no split is there that nobody has",
  );
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
    [{ tokenizer: "words", words: ["a", "b", "a"] }, /words\[2\], "a", occurs twice/],
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
