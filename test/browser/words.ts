/** Words of captions as a page reads them off, beside those of Node (words.test.ts). */
import { tokenizeCaption } from "../../dist/metrics/tokenize.js";
import { WordTokenizer, words } from "../../dist/text/words.js";
import { test } from "../harness.js";

const inNode = (await (await fetch("/words.json")).json()) as {
  vocabulary: unknown;
  captions: { text: string; words: string[]; ids: number[]; tokens: string[] }[];
};

test("a page and Node read the same words of a vocabulary off captions", (t) => {
  const tokenizer = WordTokenizer.fromJSON(inNode.vocabulary, "words.json");
  for (const { text, ids } of inNode.captions) {
    t.same(tokenizer.encode(text), ids, text);
    t.ok(!ids.includes(tokenizer.unknownId), "all of them are known");
  }
});

test("and score the same tokens", (t) => {
  for (const { text, tokens } of inNode.captions) t.same(tokenizeCaption(text), tokens, text);
});

test("whatever words their dictionaries find", (t) => {
  for (const { text, words: found } of inNode.captions) {
    const here = words(text);
    t.same(words(here.join(" ")), here, `${text}: words are their own words`);
    if (here.join() !== found.join()) t.comment(`here: ${here.join(" ")}; in Node: ${found.join(" ")}`);
  }
});
