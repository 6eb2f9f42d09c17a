/** A captioner whose words have several tokens: saved and loaded, words given and filled in, half words kept out. */

import { Captioner } from "../../dist/captioner/captioner.js";
import type { DenoiseStep } from "../../dist/captioner/denoise-stream.js";
import { ClipBpe } from "../../dist/text/clip/bpe.js";
import { ClipTokenizer } from "../../dist/text/clip/clip-tokenizer.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { mergesFor } from "../merges.js";
import { buildWith, pictures, saved } from "../tiny-captioner.js";

const tokenizer = new ClipTokenizer(new ClipBpe([...mergesFor(["a", "red", "bird"]), "a t</w>"]));
const { bpe } = tokenizer;
const [a, , bird] = tokenizer.encode("a red bird") as [number, number, number];
const cat = tokenizer.encode("cat");
const set = ["data.tokenizer=clip", "data.vocabulary=/home/me/clip/merges.txt", "sampling.topR=1"];
const table = ["decoder.tokenEmbedding=clip", "decoder.clipWeights=/home/me/clip/ViT-B-32.pt"];

test("a captioner of pieces is saved with its vocabulary, and loads by itself", async (t, gpu) => {
  for (const embedding of [[], table, ["decoder.tokenEmbedding=tied"]]) {
    const captioner = buildWith(gpu, tokenizer, ...set, ...embedding);
    const files = new MemoryFiles();
    const weights = await saved(captioner);
    await captioner.save(files, "weights", weights);
    const name = captioner.config.decoder.tokenEmbedding;
    t.equal(weights.has("decoder.head.weight"), name !== "tied", `${name}: the table is stored once`);
    const said = await captioner.captionAll(pictures(3));
    const loaded = await Captioner.fromFolder(gpu, files, "weights");
    t.equal(loaded.tokenizer.name, "clip", `${name}: the kind of tokenizer`);
    t.same(await loaded.captionAll(pictures(3)), said, `${name}: the same captions`);
    t.equal(loaded.config.data.vocabulary, "merges.txt", "of the path, only the file's name is kept");
    if (name === "clip") t.equal(loaded.config.decoder.clipWeights, "ViT-B-32.pt", "of the other, too");
    loaded.dispose();
    captioner.dispose();
  }
});

test("given words, gaps and ends of words", async (t, gpu) => {
  const captioner = buildWith(gpu, tokenizer, ...set);
  const [many, count] = [pictures(24), 24];
  const said = async (words: string | (string | number | null)[]) =>
    (await captioner.captionAll(many, { words })).map(({ tokens }) => tokens);
  const gap = await said("a _ cat");
  t.equal(gap.length, count, "a caption each");
  t.ok(
    gap.every((ids) => [0, 2, 3, 4].every((i) => ids[i] === [a, -1, ...cat, tokenizer.endId][i])),
    "a cat, and the end",
  );
  t.ok(new Set(gap.map((ids) => ids[1])).size > 3, "gaps differ");
  t.ok(
    gap.every((ids) => bpe.endsWord(ids[1]!) && ids[1]! < bpe.startId),
    "a gap is one whole word",
  );
  const wide = await said("a _2 cat");
  t.ok(
    wide.every((ids) => bpe.endsWord(ids[2]!)),
    "a wide gap ends a word",
  );
  t.ok(
    wide.some((ids) => !bpe.endsWord(ids[1]!)),
    "and may hold half words before",
  );
  const list = await said([a, null, "cat", "[END]"]);
  t.ok(
    list.every((ids) => bpe.endsWord(ids[1]!) && ids[2] === cat[0] && ids[4] === tokenizer.endId),
    "a list, too",
  );
  const free = (await captioner.captionAll(many)).flatMap(({ tokens }) => tokens);
  t.ok(!free.includes(bpe.startId), "the start token is never said");
  captioner.dispose();
});

test("each step has tokens, and alternatives with theirs", async (t, gpu) => {
  const captioner = buildWith(gpu, tokenizer, ...set);
  const size = captioner.config.data.imageSize;
  const picture = { width: size, height: size, data: pictures(1) };
  let last: DenoiseStep | null = null;
  for await (const step of captioner.denoise(picture, { words: "a cat bird", alternatives: 4 })) last = step;
  t.same(last!.tokens, [a, ...cat, bird, tokenizer.endId, tokenizer.endId], "tokens");
  t.same(last!.words, ["a", "c", "at", "bird", "[END]", "[END]"], "their texts");
  t.equal(last!.text, "a cat bird", "the caption");
  t.same(
    tokenizer.spans(last!.tokens).slice(0, 3),
    [
      { from: 0, to: 1 },
      { from: 1, to: 3 },
      { from: 3, to: 4 },
    ],
    "its words",
  );
  for (const { token, word } of last!.alternatives.flat())
    t.equal(word, tokenizer.word(token), "an alternative");
  captioner.dispose();
});
