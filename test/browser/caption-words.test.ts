/** The page's words of a step: chips, alternatives and attention where a word is several tokens. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import t from "tap";
import type { DenoiseStep } from "../../dist/captioner/denoise-stream.js";
import { ClipBpe } from "../../dist/text/clip/bpe.js";
import { ClipTokenizer } from "../../dist/text/clip/clip-tokenizer.js";
import type { Tokenizer } from "../../dist/text/tokenizer.js";
import { WordTokenizer } from "../../dist/text/words.js";
import { mergesFor } from "../merges.js";

interface Word {
  from: number;
  to: number;
  text: string;
  probability: number;
  alternatives: { word: string; probability: number }[];
}
interface CaptionWords {
  wordsOf(step: DenoiseStep, tokenizer: Tokenizer): Word[];
  attentionOf(attention: DenoiseStep["attention"], word: Word): Float32Array;
  markOf<M>(marks: ReadonlyMap<number, M>, word: Word): M | undefined;
}

const source = fileURLToPath(new URL("../../web/src/caption-words.ts", import.meta.url));
const { outputFiles } = await build({ entryPoints: [source], bundle: true, format: "esm", write: false });
const { wordsOf, attentionOf, markOf } = (await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString("base64")}`
)) as CaptionWords;

/** A step with these tokens; position i has probability (i + 1)/10, attention i, and the given alternatives. */
function stepOf(tokenizer: Tokenizer, tokens: number[], alternatives: number[][] = []): DenoiseStep {
  return {
    t: 1,
    u: 0,
    tokens,
    words: tokens.map((id) => tokenizer.word(id)),
    text: tokenizer.decode(tokens),
    probabilities: tokens.map((_, i) => (i + 1) / 10),
    alternatives: tokens.map((_, i) =>
      (alternatives[i] ?? []).map((token) => ({ token, word: tokenizer.word(token), probability: 0.1 })),
    ),
    attention: {
      rows: tokens.length,
      columns: 2,
      data: Float32Array.from(tokens.flatMap((_, i) => [i, 2 * i])),
    },
  };
}

t.test("pieces are joined", async (t) => {
  const tokenizer = new ClipTokenizer(new ClipBpe([...mergesFor(["a", "red", "bird"]), "a t</w>"]));
  const [a, red, bird] = tokenizer.encode("a red bird") as [number, number, number];
  const [c, at] = tokenizer.encode("cat") as [number, number];
  const { endId, vocabularySize: mask } = tokenizer;
  const tokens = [a, c, at, mask, endId];
  const words = wordsOf(stepOf(tokenizer, tokens, [[], [c, bird, endId, red]]), tokenizer);
  t.same(
    words.map(({ text }) => text),
    ["a", "cat", "[MASK]", "[END]"],
  );
  const word = words[1]!;
  t.ok(Math.abs(word.probability - 0.2 * 0.3) < 1e-12, "the product of its tokens' probabilities");
  t.same(
    word.alternatives.map(({ word }) => word),
    ["bird", "[END]", "red"],
    "whole words only",
  );
  t.same(
    [...attentionOf(stepOf(tokenizer, tokens).attention, word)],
    [1.5, 3],
    "the mean of its tokens' attention",
  );
  t.same([markOf(new Map([[2, "x"]]), word), markOf(new Map([[0, "x"]]), word)], ["x", undefined]);
});

t.test("words of one token stay as they are", async (t) => {
  const tokenizer = new WordTokenizer(["a", "cat"]);
  const words = wordsOf(stepOf(tokenizer, [2, 1, 4, 0], [[3, 0]]), tokenizer);
  t.same(
    words.map(({ text }) => text),
    ["a", "[UNK]", "[MASK]", "[END]"],
  );
  t.same(
    words[0]!.alternatives.map(({ word }) => word),
    ["cat", "[END]"],
  );
});
