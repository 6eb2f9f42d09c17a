/** The start of codes from words: the information against a count by hand, the rows against their formula, and both in training. */

import { latestCheckpoint } from "../../dist/training/checkpoint.js";
import { codeWords, startCodesFromWords, startFromWords } from "../../dist/training/code-words.js";
import { trainingCodes } from "../../dist/training/decoder-stage.js";
import { trainCaptioner } from "../../dist/training/pipeline.js";
import { test } from "../harness.js";
import { randomArray } from "../random-array.js";
import { build } from "../tiny-captioner.js";
import { silentProgress } from "./setup.js";
import { toyContext, toyDataset } from "./toy.js";

test("a code tells of words that come with it more often than usual, in nats", async (t) => {
  // Pictures of two codes; code 3 is in none, word 3 in no caption. Word 0 is in every caption.
  const codes = Uint32Array.of(0, 0, 0, 1, 1, 2, 2, 2);
  const captions = [
    [
      [0, 1],
      [0, 1, 1],
    ],
    [
      [0, 1],
      [0, 2],
    ],
    [[0, 2]],
    [[0]],
  ];
  const information = codeWords(codes, captions, { positions: 2, codes: 4, words: 4 });
  // Pictures with word 1: shares 1, 1/2, 0, 0; with word 2: 0, 1/2, 1, 0.
  const usual = [1, 1.5 / 4, 1.5 / 4];
  const shares = [
    [2, 1.5, 0.5],
    [2, 0.5, 1.5],
    [2, 0, 1],
  ];
  const pictures = [2, 2, 2];
  for (let code = 0; code < 4; code++) {
    for (let word = 0; word < 4; word++) {
      const p = usual[word] ?? 0;
      const here = code < 3 && word < 3 ? (shares[code]![word]! + 5 * p) / (pictures[code]! + 5) : p;
      const told = p > 0 && here > p ? here * Math.log(here / p) : 0;
      t.ok(
        Math.abs(information[code * 4 + word]! - told) < 1e-6,
        `code ${code}, word ${word}: ${information[code * 4 + word]} and ${told}`,
      );
    }
  }
  t.ok(information[1]! > 0.1 && information[2] === 0, "code 0 comes with word 1, not with word 2");
});

test("a row that tells nothing stays random; others turn towards their words and keep their size", async (t) => {
  const [codes, words, dim] = [5, 7, 33];
  const random = Float32Array.from(randomArray(1, codes * dim));
  const vectors = Float32Array.from(randomArray(2, (words + 1) * dim));
  const information = new Float32Array(codes * words);
  information.set([0, 0.4, 0, 0, 0.3, 0, 0], words);
  information[3 * words + 6] = 50;
  const table = startFromWords(random, information, vectors, { codes, words });
  const row = (values: Float32Array, i: number) => Array.from(values.subarray(i * dim, (i + 1) * dim));
  for (const code of [0, 2, 4]) t.same(row(table, code), row(random, code), `code ${code}`);
  // ‖(0.4, 0.3)‖ = 0.5, so the share of words is 0.5 / 0.7.
  const share = 0.5 / 0.7;
  row(table, 1).forEach((value, i) => {
    const told = 0.8 * vectors[dim + i]! + 0.6 * vectors[4 * dim + i]!;
    const exact = Math.sqrt(1 - share ** 2) * random[dim + i]! + share * told;
    t.ok(Math.abs(value - exact) < 1e-6, `${value} and ${exact}`);
  });
  const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  const [told, word] = [row(table, 3), row(vectors, 6)];
  t.ok(dot(told, word) / Math.sqrt(dot(told, told) * dot(word, word)) > 0.99, "nearly the word itself");
});

test("training starts the code table so, once: a run that goes on does not", async (t, gpu) => {
  const settings = [
    ...["data.augment=1", "decoder.conditionEmbedding=words", "decoder.tokenEmbedding=tied"],
    ...["vqvae.steps=3", "decoder.steps=3", "vqvae.batch=2", "decoder.batch=2", "sampling.steps=2"],
    ...["decoder.warmup=1000", "decoder.warmupFrom=1e-9", "decoder.emaDecay=0", "log.checkpointEvery=1"],
    ...["log.evaluateEvery=0", "log.sampleEvery=0", "log.keep=10"],
  ];
  const context = await toyContext(gpu, toyDataset(12), ...settings);
  const { captioner, platform, run, dataset } = context;
  const [table, tokens] = ["codeTable", "tokens"].map(
    (wanted) => captioner.decoder.parameters().find(({ name }) => name === wanted)!.tensor,
  );
  let stopAfter = 4;
  let steps = 0;
  const watcher = {
    track: <T>(_: unknown, body: (progress: ReturnType<typeof silentProgress>) => Promise<T>) =>
      body(silentProgress()),
    interrupted: () => steps >= stopAfter,
    onStep() {
      steps++;
    },
  };
  captioner.initialise();
  const random = await table!.read();
  await trainCaptioner(context, watcher, { resume: false });
  const saved = await latestCheckpoint(platform.files, run.checkpointFolder("decoder"));
  t.equal(saved.checkpoint?.step, 1, "stopped after the first step of the decoder");
  const started = await table!.read();
  const codes = await trainingCodes(context, () => {});
  t.equal(codes.length, 2 * dataset.splits.train!.length * captioner.positions, "with variants");
  const captions = dataset.splits.train!.flatMap((record) => {
    const ids = dataset.records[record]!.captions.map((caption) => captioner.tokenizer.encode(caption));
    return [ids, ids];
  });
  const shape = {
    positions: captioner.positions,
    codes: table!.shape[0]!,
    words: captioner.tokenizer.vocabularySize,
  };
  const exact = startFromWords(random, codeWords(codes, captions, shape), await tokens!.read(), shape);
  const apart = (a: Float32Array, b: Float32Array) =>
    a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
  t.ok(apart(started, exact) < 1e-4, `${apart(started, exact)} from the formula`);
  t.ok(apart(random, exact) > 0.1, "which is far from chance");
  // As if training had moved the table: going on must keep that.
  steps = 0;
  stopAfter = 1;
  table!.write(new Float32Array(table!.size).fill(7));
  await trainCaptioner(context, watcher, { resume: true });
  t.ok(apart(await table!.read(), started) < 1e-4, "the checkpoint's table");
  context.dispose();
});

test("a table that came with other weights stays", async (t, gpu) => {
  const context = await toyContext(gpu, toyDataset(6), "data.augment=0", "decoder.conditionEmbedding=words");
  const { captioner, dataset } = context;
  captioner.initialise();
  const { tensor } = captioner.decoder.parameters().find(({ name }) => name === "codeTable")!;
  const codes = Uint32Array.from(
    { length: dataset.splits.train!.length * captioner.positions },
    (_, i) => i % 32,
  );
  const before = await tensor.read();
  const taken = before.map((value, i) => (i === 5 ? value + 1 : value));
  tensor.write(taken);
  await startCodesFromWords(context, codes);
  t.same([...(await tensor.read())], [...taken], "as it was");
  tensor.write(before);
  await startCodesFromWords(context, codes);
  const started = await tensor.read();
  t.ok(
    started.some((value, i) => value !== before[i]),
    "one with its random start does not",
  );
  context.dispose();
});

test("a decoder without such tables is refused", async (t, gpu) => {
  const captioner = build(gpu, "decoder.conditionEmbedding=vectors");
  const dataset = toyDataset(4);
  await t.throwsMessage(
    startCodesFromWords({ captioner, dataset }, new Uint32Array(2 * captioner.positions)),
    /decoder.conditionEmbedding=words needs a decoder that reads codes and words from tables of one width/,
    "which kind is needed",
  );
  captioner.dispose();
});
