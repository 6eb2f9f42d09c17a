/** Training that starts from the weights of another captioner. */

import { platform } from "#test-host";
import "../../dist/baselines.js";
import { Captioner } from "../../dist/captioner/captioner.js";
import { type CaptionedImage, splitsOf } from "../../dist/data/dataset.js";
import { MemoryImages } from "../../dist/index.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import { WordTokenizer } from "../../dist/text/words.js";
import { initialWeightsOf, keepInitialWeights, takeWeights } from "../../dist/training/initial-weights.js";
import { trainCaptioner } from "../../dist/training/pipeline.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { build, pictures, saved, tokenizer } from "../tiny-captioner.js";
import { silentProgress } from "./setup.js";

/** Other words: two of the first vocabulary's, in other places, and two that it has not. */
const others = new WordTokenizer(["zebra", "dog", "owl", "a"]);

const small = ["lstm.width=24", "lstm.embedding=16", "lstm.attention=8"];
const own = (kind: string) => [`model=${kind}`, ...(kind.endsWith("lstm") ? small : [])];

for (const kind of ["mc-diffusion", "transformer", "lstm", "attention-lstm"]) {
  test(`${kind}: entries of words are taken by their text, everything else by its name`, async (t, gpu) => {
    const before = build(gpu, ...own(kind), "seed=5");
    const files = new MemoryFiles();
    await before.save(files, "weights", await saved(before));
    const stored = await saved(before);
    before.dispose();
    const captioner = new Captioner(gpu, { ...before.config, seed: 9 }, others);
    const taken = await takeWeights(captioner, "decoder", files, "weights");
    t.ok(taken.complete, "all tensors have their place");
    t.ok(/decoder: (\d+) of \1 tensors taken; 4 of 6 words known there/.test(taken.told), taken.told);
    const now = await saved(captioner);
    const from = (id: number) => {
      const word = others.word(id);
      return Array.from({ length: tokenizer.vocabularySize }, (_, i) => tokenizer.word(i)).indexOf(word);
    };
    const [m, old] = [others.vocabularySize, tokenizer.vocabularySize];
    for (const [name, { data, shape }] of now) {
      if (!name.startsWith("decoder.")) continue;
      const source = stored.get(name)!.data as Float32Array;
      const values = data as Float32Array;
      if (name === "decoder.tokens") {
        const width = shape[1]!;
        const row = (all: Float32Array, i: number) => [...all.subarray(i * width, (i + 1) * width)];
        for (let id = 0; id < m; id++)
          if (from(id) >= 0)
            t.same(row(values, id), row(source, from(id)), `the vector of ${others.word(id)}`);
        t.same(row(values, m), row(source, old), "and that of the symbol that no word is");
        const fresh = others.encode("zebra")[0]!;
        t.ok(
          Array.from({ length: old + 1 }, (_, i) => i).every(
            (i) => `${row(source, i)}` !== `${row(values, fresh)}`,
          ),
          "a new word has a vector of its own",
        );
      } else if (name === "decoder.head.weight") {
        const column = (all: Float32Array, width: number, i: number) =>
          Array.from({ length: shape[0]! }, (_, r) => all[r * width + i]!);
        for (let id = 0; id < m; id++)
          if (from(id) >= 0)
            t.same(column(values, m, id), column(source, old, from(id)), `the output of ${others.word(id)}`);
      } else if (name === "decoder.head.bias") {
        t.same([...values].filter((_, id) => from(id) >= 0).length, 4, "as many biases as words known");
      } else t.same([...values], [...source], `${name} as it was`);
    }
    captioner.dispose();
  });
}

test("weights of another model or size: what fits, or a sentence", async (t, gpu) => {
  const files = new MemoryFiles();
  const before = build(gpu, "model=transformer");
  await before.save(files, "weights", await saved(before));
  const wider = build(gpu, "model=transformer", "transformer.matchParameters=false");
  const { told, complete } = await takeWeights(wider, "decoder", files, "weights");
  t.ok(!complete && /new: block0.up.weight \(there \[32, \d+\]\)/.test(told), told);
  t.ok((await takeWeights(wider, "vqvae", files, "weights")).complete, "the image tokenizer fits");
  const other = build(gpu, "model=lstm", ...small, "decoder.dim=16", "vqvae.channels=24", "vqvae.codes=8");
  const found = await takeWeights(other, "decoder", files, "weights").catch((error) => error as Error);
  t.ok(!("complete" in found && found.complete), "another model is not taken for it");
  await t.throwsMessage(
    takeWeights(wider, "decoder", files, "nowhere"),
    /nowhere holds no captioner/,
    "a folder without one",
  );
  for (const captioner of [before, wider, other]) captioner.dispose();
});

test("tensors that the run's network lacks are named", async (t, gpu) => {
  const files = new MemoryFiles();
  const before = build(gpu, "decoder.codePositions=waves");
  await before.save(files, "weights", await saved(before));
  const without = build(gpu);
  const { told, complete } = await takeWeights(without, "decoder", files, "weights");
  t.ok(complete && /tensors taken; there, but not in this run's network: codeWaves$/.test(told), told);
  const same = await takeWeights(before, "decoder", files, "weights");
  t.ok(/decoder: (\d+) of \1 tensors taken$/.test(same.told), same.told);
  for (const captioner of [before, without]) captioner.dispose();
});

test("a run trains the decoder alone on the image tokenizer that it began with", async (t, gpu) => {
  const set = [
    "model=transformer",
    "decoder.steps=1",
    "decoder.batch=2",
    "data.augment=0",
    "sampling.guidance=none",
  ];
  const quiet = ["log.sampleEvery=0", "log.evaluateEvery=0", "log.checkpointEvery=0"];
  const files = new MemoryFiles();
  const before = build(gpu, ...set, "seed=5");
  const expected = await saved(before);
  await before.save(files, "weights", expected);
  before.dispose();
  const records = ["a black cat", "a dog", "red hat", "mat"].map((caption, image): CaptionedImage => {
    const attributes = { tone: "none", gender: "none" as const, objectWords: [] };
    const split = image === 3 ? "validation" : "train";
    return { id: caption, image, captions: [caption], split, attributes, keywordCaptions: [] };
  });
  const dataset = {
    ...{ name: "four", size: 16, images: new MemoryImages(pictures(4), 16), records },
    splits: splitsOf(records),
  };
  const captioner = build(gpu, ...set, ...quiet);
  captioner.unset.add(captioner.imageTokenizer).add(captioner.decoder);
  const run = await RunFolder.create(files, "run", {});
  await keepInitialWeights(files, run.path, { folder: "weights", newDecoder: true });
  t.same(await initialWeightsOf(files, run.path), { folder: "run/init", newDecoder: true }, "what it keeps");
  await files.remove("run/init/parts.json");
  const folder = "run/init";
  t.same(
    await initialWeightsOf(files, run.path),
    { folder, newDecoder: false },
    "runs of before took both parts",
  );
  const watcher = {
    track: <T>(_: unknown, body: (progress: ReturnType<typeof silentProgress>) => Promise<T>) =>
      body(silentProgress()),
    interrupted: () => false,
  };
  const context = {
    platform: { ...platform, files },
    ...{ config: captioner.config, captioner, dataset, run, heldOut: [3] },
  };
  const stages: string[] = [];
  await trainCaptioner(context, watcher, {
    ...{ resume: false, stages: ["decoder"] },
    initial: async (stage, of) => {
      stages.push(stage);
      return (await takeWeights(of, stage, files, folder)).complete ? "all" : "some";
    },
  });
  t.same(stages, ["vqvae", "decoder"], "both networks get their first weights");
  const now = await saved(captioner);
  const same = (name: string) => `${now.get(name)!.data}` === `${expected.get(name)!.data}`;
  t.ok(
    [...now.keys()].filter((name) => name.startsWith("vqvae.")).every(same),
    "the image tokenizer is that of the weights",
  );
  const moved = [...now.keys()].filter((name) => name.startsWith("decoder.") && !same(name));
  t.ok(moved.length > 5, "the decoder has learned");
  const apart = (name: string) =>
    Math.max(
      ...Array.from(now.get(name)!.data as Float32Array, (value, i) =>
        Math.abs(value - (expected.get(name)!.data as Float32Array)[i]!),
      ),
    );
  t.ok(apart("decoder.tokens") < 0.02, "from the weights that it began with");
  await t.throwsMessage(
    trainCaptioner(context, watcher, { resume: false, stages: ["decoder"], initial: async () => "some" }),
    /these weights do not hold all of this run's/,
    "half an image tokenizer is none",
  );
  await t.throwsMessage(
    trainCaptioner(context, watcher, { resume: false, stages: ["decoder"], initial: async () => "none" }),
    /has no finished vqvae \(step 0 of/,
    "nothing is none, too",
  );
  captioner.dispose();
});
