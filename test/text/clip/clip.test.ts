/** CLIP's byte-pair encoding: ids against OpenAI's algorithm in Python, texts and words back, vocabularies in all their forms. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import t from "tap";
import { UserError } from "../../../dist/platform/errors.js";
import { nodePlatform } from "../../../dist/platform/node.js";
import { ClipBpe } from "../../../dist/text/clip/bpe.js";
import { cleanText } from "../../../dist/text/clip/clean.js";
import { ClipTokenizer } from "../../../dist/text/clip/clip-tokenizer.js";
import { readClipVocabulary } from "../../../dist/text/clip/vocabulary.js";
import { tokenizerFromJSON, tokenizers } from "../../../dist/text/tokenizers.js";
import { clipVocabularyText } from "../../clip-vocabulary.js";
import { mergesFor } from "../../merges.js";

const { files } = nodePlatform;
const folder = await mkdtemp(join(tmpdir(), "clip-"));
t.teardown(() => rm(folder, { recursive: true }));

const text = await clipVocabularyText();
const lines = text.split("\n");
const bpe = new ClipBpe(lines.slice(1, 48_895));
const tokenizer = new ClipTokenizer(bpe);

interface Expected {
  text: string;
  ids: number[];
  decoded: string;
}
/** From a port of OpenAI's code in Python (`regex`, `html`), without ftfy: none of these texts is one that it changes. */
const expected = JSON.parse(
  await readFile(new URL("../../../test/text/clip/expected.json", import.meta.url), "utf8"),
) as Expected[];

t.test("ids and texts as OpenAI's code has them", async (t) => {
  t.equal(bpe.size, 49_408);
  t.same([bpe.startId, bpe.endId], [49_406, 49_407]);
  for (const { text, ids, decoded } of expected) {
    t.same(bpe.encode(text), ids, JSON.stringify(text));
    t.equal(bpe.decode(ids), decoded, `${JSON.stringify(text)} and back`);
  }
  t.ok(expected.length > 30);
});

t.test("what the text encoder reads", async (t) => {
  const short = bpe.context("a bird");
  t.same([...short.slice(0, 6)], [49_406, 320, 3329, 49_407, 0, 0]);
  t.equal(short.length, 77);
  const long = bpe.context("bird ".repeat(100));
  t.same([...long.slice(74)], [3329, 3329, 49_407], "the end stays where the text is cut");
  t.same([...bpe.context("a bird", 3)], [49_406, 320, 49_407]);
});

t.test("characters are repaired as ftfy does", async (t) => {
  for (const [given, clean] of [
    ["the bird\u2019s \u201cwings\u201d", 'the bird\'s "wings"'],
    ["e\u0301 \u212b", "\u00e9 \u00e5"],
    ["\ufb01nch, \uff26\uff55\uff4c\uff4c", "finch, full"],
    ["\x1b[31mred\x1b[0m \x07bell\ufeff", "red bell"],
    ["caf\x92s", "caf's"],
    ["a\u2028b\r\nc", "a b c"],
    ["half \ud83d pair", "half \ufffd pair"],
    ["bird&#8217;s", "bird's"],
    ["\u0130stanbul", "i\u0307stanbul"],
  ] as const)
    t.equal(cleanText(given), clean, JSON.stringify(clean));
});

t.test("a caption comes back as it is written", async (t) => {
  const said = (caption: string) => tokenizer.decode(tokenizer.encode(caption));
  for (const caption of [
    "the bird's blue-gray wings, 12 cm",
    "a small bird with a red head.",
    "they'll see 3 medium-dark skinned women's hats!",
    "日本語 and café",
    "(a) small bird: black; white?",
  ])
    t.equal(said(caption), caption);
  t.equal(said("A  BIRD , with  wings ."), "a bird, with wings.");
  // The same ids again, whatever the text.
  for (const { text } of expected) {
    const ids = tokenizer.encode(text);
    t.same(tokenizer.encode(tokenizer.decode(ids)), ids, JSON.stringify(text));
  }
  t.same(tokenizer.encode("a<|endoftext|>b"), [320, 321], "a caption has one end");
});

t.test("ends, masks and half words", async (t) => {
  const { endId, vocabularySize: mask } = tokenizer;
  const [a, bird] = [320, 3329];
  t.equal(tokenizer.decode([a, mask, bird, endId, a]), "a _ bird");
  t.same(
    [tokenizer.word(endId), tokenizer.word(mask), tokenizer.word(bird), tokenizer.word(bpe.startId)],
    ["[END]", "[MASK]", "bird", "[START]"],
  );
  const half = bpe.tokens.indexOf("bir");
  t.same([tokenizer.endsWord(half), tokenizer.endsWord(bird), tokenizer.endsWord(mask)], [false, true, true]);
  t.same(tokenizer.spans([half, mask, half, endId, endId]), [
    { from: 0, to: 1 },
    { from: 1, to: 2 },
    { from: 2, to: 3 },
    { from: 3, to: 4 },
    { from: 4, to: 5 },
  ]);
  t.equal(tokenizer.decode([half, endId]), "bir");
  t.equal(tokenizer.decode([bpe.tokens.indexOf("\u00c3"), endId]), "\ufffd", "half a character is one sign");
  t.throws(() => bpe.decode([mask]), /token id 49408 is outside the vocabulary of 49408 tokens/);
  t.same([...tokenizer.encodeFixed("a bird", 4)], [a, bird, endId, endId]);
  t.same([...tokenizer.encodeFixed("a bird a bird", 4)], [a, bird, a, endId]);
});

t.test("words are spans of tokens", async (t) => {
  const words = (caption: string) => {
    const ids = tokenizer.encode(caption);
    return tokenizer.spans(ids).map(({ from, to }) => tokenizer.decode(ids.slice(from, to)));
  };
  t.same(words("the gnatcatcher's blue-gray wings, 12 cm"), [
    "the",
    "gnatcatcher's",
    "blue-gray",
    "wings",
    ",",
    "12",
    "cm",
  ]);
  t.same(words("a - b -c"), ["a-b-c"]);
  t.same(words("- a 's ' s"), ["-", "a's", "'", "s"]);
  t.ok(tokenizer.encode("gnatcatcher").length > 1, "which has several");
});

t.test("a long word takes no longer than its letters", async (t) => {
  const letters = Array.from(
    { length: 200_000 },
    (_, i) => "abcdefghijklmnopqrstuvwxyz"[(i * i + (i >> 3)) % 26],
  ).join("");
  const began = performance.now();
  const ids = bpe.encode(letters);
  t.ok(
    performance.now() - began < 20_000,
    `${ids.length} tokens in ${(performance.now() - began).toFixed(0)} ms`,
  );
  t.equal(bpe.decode(ids), `${letters} `);
});

t.test("the vocabulary in all its forms", async (t) => {
  const write = async (name: string, data: string | Uint8Array) => {
    await writeFile(join(folder, name), data);
    return join(folder, name);
  };
  const vocab = Object.fromEntries(bpe.tokens.map((token, id) => [token, id]));
  const merges = lines.slice(1, 48_895);
  const model = { type: "BPE", end_of_word_suffix: "</w>", vocab, merges };
  const hf = join(folder, "hf");
  await mkdir(hf);
  await writeFile(join(hf, "merges.txt"), `#version: 0.2\n${merges.join("\n")}\n`);
  await writeFile(join(hf, "vocab.json"), JSON.stringify(vocab));
  const { "<|startoftext|>": start, "<|endoftext|>": end, ...ordinary } = vocab;
  const added = [
    { id: start, content: "<|startoftext|>" },
    { id: end, content: "<|endoftext|>" },
  ];
  for (const path of [
    await write("bpe_simple_vocab_16e6.txt.gz", gzipSync(text)),
    await write("unpacked", text),
    await write("tokenizer.json", JSON.stringify({ model })),
    await write(
      "pairs.json",
      JSON.stringify({
        added_tokens: added,
        model: { ...model, vocab: ordinary, merges: merges.map((merge) => merge.split(" ")) },
      }),
    ),
    join(hf, "vocab.json"),
    join(hf, "merges.txt"),
    hf,
  ]) {
    const read = await readClipVocabulary(path, files);
    t.same(
      [read.size, read.merges.at(-1), read.encode("a bird's wings")],
      [49_408, merges.at(-1), bpe.encode("a bird's wings")],
      path,
    );
  }
});

t.test("a wrong vocabulary is told with file and place", async (t) => {
  const fails = async (name: string, data: string | Uint8Array, message: RegExp) => {
    const path = join(folder, name);
    await writeFile(path, data);
    await t.rejects(readClipVocabulary(path, files), UserError, name);
    await t.rejects(readClipVocabulary(path, files), message, name);
  };
  const merges = mergesFor(["bird"]);
  const small = new ClipBpe(merges);
  await fails("cut.gz", gzipSync(text).subarray(0, 5000), /cut\.gz is a damaged gzip file/);
  await fails("bomb.gz", gzipSync(new Uint8Array(65 * 2 ** 20)), /unpacks to more than 64 MiB/);
  await fails("binary", Uint8Array.of(0xff, 0xd8, 0xff), /binary is not UTF-8/);
  await fails(
    "prose.txt",
    "a bird has wings\n",
    /prose\.txt is not a list of CLIP's merges: merge 1 is "a bird has wings"; it should be two symbols/,
  );
  await fails(
    "late.txt",
    "#version: 0.2\nbi r\nb i\n",
    /merge 1 is "bi r"; it should be two symbols that exist before it/,
  );
  await fails("twice.txt", "b i\nb i\n", /merge 2 is "b i"; its token "bi" exists already/);
  await fails("inside.txt", "b</w> i\n", /its token "b<\/w>i" has a word's end inside/);
  await fails(
    "gpt2.json",
    JSON.stringify({ model: { type: "BPE", merges: [] } }),
    /gpt2\.json is not a tokenizer of CLIP's kind/,
  );
  await fails(
    "lone.json",
    JSON.stringify({ a: 0 }),
    /lone\.json lists tokens without merges; put the merges\.txt/,
  );
  const vocab = Object.fromEntries(small.tokens.map((token, id) => [token, id]));
  const model = { type: "BPE", end_of_word_suffix: "</w>", merges, vocab: { ...vocab, "bird</w>": 3 } };
  await fails(
    "moved.json",
    JSON.stringify({ model }),
    /gives the token "bird<\/w>" the id 3; by its merges it is 514/,
  );
  await fails(
    "more.json",
    JSON.stringify({ model: { ...model, vocab: { ...vocab, "<pad>": 517 } } }),
    /has 1 tokens beside the 517 of its merges/,
  );
  await t.rejects(
    readClipVocabulary(await mkdtemp(join(folder, "empty-")), files),
    /has no vocabulary of CLIP's tokenizer/,
  );
  await t.rejects(
    tokenizers.get("clip").build([], { minimumCount: 1 }) as Promise<unknown>,
    /data\.tokenizer=clip needs data\.vocabulary/,
  );
});

t.test("JSON there and back", async (t) => {
  const small = new ClipTokenizer(new ClipBpe(mergesFor(["bird", "birds"])));
  const copy = await tokenizerFromJSON(JSON.parse(JSON.stringify(small)), "config.json");
  t.equal(copy.name, "clip");
  t.same(copy.encode("birds fly"), small.encode("birds fly"));
  t.equal(copy.vocabularySize, small.vocabularySize);
  t.equal(
    (await tokenizerFromJSON({ tokenizer: "clip", merges: "" }, "x")).vocabularySize,
    514,
    "bytes alone",
  );
  await t.rejects(tokenizerFromJSON({ tokenizer: "clip" }, "config.json"), {
    message: 'config.json is not a vocabulary of CLIP\'s tokenizer: "merges" should be a text',
  });
  await t.rejects(tokenizerFromJSON({ tokenizer: "clip", merges: "b i\nx" }, "config.json"), {
    message: "config.json: merge 2 of its tokenizer is wrong: it should be two symbols that exist before it",
  });
  t.ok(JSON.stringify(tokenizer).length < 700_000, "of all the vocabulary, half a megabyte");
});
