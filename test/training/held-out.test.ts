/** Whatever is chosen while training is chosen by validation pictures: nothing reads a test split before the last scores. */

import { platform as hostPlatform } from "#test-host";
import { Captioner } from "../../dist/captioner/captioner.js";
import { type CaptionedImage, type Dataset, MemoryImages, splitsOf } from "../../dist/data/dataset.js";
import { evaluate } from "../../dist/evaluation/evaluation.js";
import { splitBounds } from "../../dist/evaluation/held-out-bound.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import { attributesOf } from "../../dist/text/attributes.js";
import { decoderStage, trainingCodes } from "../../dist/training/decoder-stage.js";
import { captionedSamples, heldOutRecords, reconstructions } from "../../dist/training/held-out.js";
import { runStage } from "../../dist/training/loop.js";
import { saveTrained } from "../../dist/training/pipeline.js";
import { tokenizerStage } from "../../dist/training/tokenizer-stage.js";
import type { StageContext, Trainer } from "../../dist/training/trainer.js";
import { runVocabulary } from "../../dist/training/vocabulary.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { pictures } from "../tiny-captioner.js";
import { silentProgress, tinyConfig } from "./setup.js";

const size = 16;
const counts = { train: 12, validation: 5, test: 4, render: 3 };

/** A data set, and what of each split has been read: "pixels" of its pictures, "captions" (or more) of its records, "numbers" of its records. */
function watched(): { dataset: Dataset; read: Map<string, Set<string>> } {
  const read = new Map<string, Set<string>>();
  const note = (split: string, what: string) => {
    if (!read.has(split)) read.set(split, new Set());
    read.get(split)!.add(what);
  };
  const of = Object.entries(counts).flatMap(([split, count]) => new Array<string>(count).fill(split));
  const plain: CaptionedImage[] = of.map((split, i) => {
    const captions = [`a ${split} thing ${"abcdefgh"[i % 8]}`, `one ${split}`];
    return {
      id: `${split}/${i}`,
      image: i,
      captions,
      keywordCaptions: [],
      split,
      attributes: attributesOf(""),
    };
  });
  const records = plain.map(
    (record) =>
      new Proxy(record, {
        get(target, name) {
          note(record.split, String(name));
          return Reflect.get(target, name);
        },
      }),
  );
  const data = new MemoryImages(pictures(of.length), size);
  const images = new Proxy(data, {
    get(target, name) {
      if (name === "read")
        return (numbers: ArrayLike<number>, into: Uint8Array) => {
          for (const number of Array.from(numbers)) note(of[number]!, "pixels");
          return target.read(numbers, into);
        };
      if (name === "count") return target.count;
      // Anything else could read every picture.
      for (const split of Object.keys(counts)) note(split, `images.${String(name)}`);
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const splits = new Proxy(splitsOf(plain), {
    get(target, name) {
      if (typeof name === "string" && name in target) note(name, "numbers");
      return Reflect.get(target, name);
    },
  });
  return { dataset: { name: "watched", size, images, records, splits }, read };
}

test("nothing of a test split is read until the model is trained and saved", async (t, gpu) => {
  const { dataset, read } = watched();
  const config = tinyConfig(
    "vqvae.steps=4",
    "decoder.steps=4",
    "decoder.dim=16",
    "decoder.blocks=1",
    "decoder.heads=2",
    "data.augment=1",
    "data.maxLength=6",
    "sampling.steps=3",
  );
  const files = new MemoryFiles();
  const platform = { ...hostPlatform, files };
  const run = await RunFolder.create(files, "run", {});
  const heldOut = heldOutRecords(dataset);
  const captioner = new Captioner(gpu, config, await runVocabulary(files, run, dataset, config));
  const context: StageContext = { platform, config, captioner, dataset, run, heldOut };
  const log = { every: 1, sampleEvery: 2, evaluateEvery: 2, checkpointEvery: 2, keep: 1, scored: 0 };
  const train = (trainer: Trainer) =>
    runStage(trainer, {
      platform,
      run,
      seed: config.seed,
      log,
      progress: silentProgress(),
      interrupted: () => false,
      resume: false,
    });
  const tests = () => ["test", "render"].flatMap((split) => [...(read.get(split) ?? [])]);
  const vqvae = tokenizerStage(context);
  t.equal(await train(vqvae), "finished", "the VQ-VAE is trained, measured and shown");
  t.same(tests(), [], "the vocabulary and the VQ-VAE read nothing of the test splits");
  const decoder = await decoderStage(context, await trainingCodes(context, () => {}));
  t.equal(await train(decoder), "finished", "and the decoder");
  decoder.finish!();
  await saveTrained(captioner, files, "run/weights");
  await captionedSamples(context);
  await reconstructions(context);
  t.same(tests(), [], "nor does the decoder, its monitor, or any sheet of samples");
  t.ok(
    read.get("validation")?.has("pixels") && read.get("validation")?.has("captions"),
    "validation is read",
  );
  t.ok(read.get("train")?.has("pixels") && read.get("train")?.has("captions"), "and so is train");
  const logged = (await run.readLog()).filter(({ metrics }) => metrics);
  t.same(
    logged.map(({ stage, step }) => `${stage} ${step}`),
    ["vqvae 2", "vqvae 4", "decoder 2", "decoder 4"],
    "evaluations took place",
  );
  t.ok(
    logged.slice(2).every(({ metrics }) => metrics!.bound! > 0 && metrics!.ciderD! >= 0),
    "with the bound of validation captions",
  );
  t.same(
    [captioner.tokenizer.unknownWords("train"), captioner.tokenizer.unknownWords("validation test render")],
    [[], ["validation", "test", "render"]],
    "the vocabulary knows words of training captions alone",
  );

  await evaluate(captioner, dataset, { splits: ["test"] });
  t.same(tests().includes("pixels") && tests().includes("captions"), true, "the last scores do read test");
  t.equal(read.get("render"), undefined, "but not another split");
  await splitBounds(captioner, dataset, ["render"], { steps: 2 });
  t.ok(read.get("render")?.has("pixels") && read.get("render")?.has("captions"), "nor the bound until then");
  for (const trainer of [vqvae, decoder]) trainer.dispose();
  captioner.dispose();
});
