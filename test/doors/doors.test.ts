/** Networks and a tokenizer from outside: trained by the ordinary pipeline, saved, loaded, asked for captions. */

import { platform } from "#test-host";
import {
  type CaptionedImage,
  Captioner,
  captionDecoders,
  type Dataset,
  imageTokenizers,
  MemoryImages,
  readImages,
  resolveConfig,
  splitsOf,
  tokenizers,
} from "../../dist/index.js";
import {
  buildCaptioner,
  heldOutRecords,
  RunFolder,
  runVocabulary,
  saveTrained,
  trainCaptioner,
  tryRun,
  type Watcher,
} from "../../dist/training.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { atOnce, CharacterTokenizer, characters, patches } from "./toy-models.js";

tokenizers.add(characters);
imageTokenizers.add(patches);
captionDecoders.add(atOnce);

const size = 16;
const captions = ["red ant", "blue bee", "tin cat", "wet dog", "big elk", "shy fox", "old gnu", "sad hen"];

/** Picture i is quarters of four greys by the digits of i. */
function dataset(): Dataset {
  const images = new Uint8Array(captions.length * size ** 2 * 3);
  captions.forEach((_, image) => {
    for (let i = 0; i < size ** 2 * 3; i++) {
      const [x, y] = [Math.floor(i / 3) % size, Math.floor(i / 3 / size)];
      const quarter = (x < size / 2 ? 0 : 1) + (y < size / 2 ? 0 : 2);
      images[image * size ** 2 * 3 + i] = quarter === 3 ? 128 : (image >> quarter) & 1 ? 230 : 30;
    }
  });
  const records = captions.map((caption, image): CaptionedImage => {
    const attributes = { tone: "none", gender: "none" as const, objectWords: [] };
    return { id: caption, image, captions: [caption], split: "train", attributes, keywordCaptions: [] };
  });
  records.push({ ...records[0]!, id: "held out", split: "validation" });
  return {
    name: "letters",
    size,
    images: new MemoryImages(images, size),
    records,
    splits: splitsOf(records),
  };
}

const chosen = ["model=at-once", "imageTokenizer=patches", "data.tokenizer=characters"];

test("a tokenizer, an image tokenizer and a decoder from outside learn, are saved, loaded and caption", async (t, gpu) => {
  const data = dataset();
  const config = resolveConfig({
    set: [
      ...chosen,
      ...[
        `data.imageSize=${size}`,
        "data.maxLength=10",
        "data.augment=0",
        "atOnce.width=48",
        "patches.codes=24",
      ],
      ...["vqvae.steps=120", "vqvae.batch=8", "vqvae.warmup=5", "vqvae.learningRate=0.01"],
      ...["decoder.steps=150", "decoder.batch=8", "decoder.warmup=5", "decoder.learningRate=0.01"],
      ...["decoder.warmupFrom=0", "log.sampleEvery=0", "log.evaluateEvery=0", "log.checkpointEvery=0"],
    ],
  });
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "run", {});
  const tokenizer = await runVocabulary(files, run, data, config);
  t.ok(tokenizer instanceof CharacterTokenizer, "the tokenizer is the one that the configuration names");
  const captioner = buildCaptioner(gpu, config, tokenizer);
  tryRun(captioner);
  const labels: string[] = [];
  const watcher: Watcher = {
    track(work, body) {
      labels.push(work.label);
      return body({ update() {}, setTotal() {}, log() {}, warn() {}, stop() {} });
    },
    interrupted: () => false,
  };
  const context = {
    platform: { ...platform, files },
    ...{ config, captioner, dataset: data, run, heldOut: heldOutRecords(data) },
  };
  const outcome = await trainCaptioner(context, watcher, {
    resume: false,
    ended: () => saveTrained(captioner, files, "run/weights"),
  });
  t.equal(outcome, "finished", "the pipeline ends");
  t.same(labels, ["vqvae", "codes", "decoder"], "with both stages and the codes between them");
  const log = await run.readLog();
  t.ok(log[119]!.losses.reconstruction! < 0.3 * log[0]!.losses.reconstruction!, "patches are learned");
  const seen = captioner.imageTokenizer.parameters().find(({ name }) => name === "seen")!;
  t.same(
    [...(await seen.tensor.read())],
    [120 * 8],
    "what it applies after the gradients, it applies once a step",
  );

  const stored = JSON.parse(await files.readText("run/weights/config.json"));
  t.same(
    [stored.config.model, stored.config.imageTokenizer, stored.config.data.tokenizer, stored.format],
    ["at-once", "patches", "characters", "mc-diffusion-captioner-2"],
    "config.json names them, and the version of its format",
  );
  t.same(
    [stored.config.atOnce, stored.config.patches],
    [{ width: 48 }, { codes: 24 }],
    "with their settings",
  );

  const loaded = await Captioner.fromFolder(gpu, files, "run/weights");
  const pixels = await readImages(
    data,
    captions.map((_, i) => i),
  );
  const said = await loaded.captionAll(pixels);
  t.same(
    said.map(({ text }) => text),
    captions,
    "the loaded captioner says the captions it has learned",
  );
  const rgba = new Uint8ClampedArray(size * size * 4).fill(255);
  for (let i = 0; i < size * size; i++) rgba.set(pixels.subarray(3 * i, 3 * i + 3), 4 * i);
  const picture = { width: size, height: size, data: rgba };
  t.equal((await loaded.caption(picture)).text, captions[0], "one picture, step by step, the same");
  for await (const step of loaded.denoise(picture, { alternatives: 2 })) {
    t.equal(step.alternatives[0]![0]!.word, "r", "the likeliest token of the first position");
    t.equal(step.probabilities.length, 10, "a probability a position");
  }
  const filled = await loaded.caption(picture, { words: ["w"] });
  t.equal(filled.text, "wed ant", "a given token stays");
  await t.throwsMessage(
    loaded.caption(picture, { attention: true }),
    /at-once decoder cannot show where its words look/,
    "it does not show what it cannot",
  );
  loaded.dispose();
  captioner.dispose();
});

test("settings of networks belong to runs that have them", async (t) => {
  const config = resolveConfig({ set: [`data.imageSize=${size}`, "vqvae.downsample=2"] });
  t.ok(!("patches" in config), "a run without them has no section of theirs");
  await t.throwsMessage(
    () => resolveConfig({ set: ["patches.codes=3"] }),
    /--set patches.codes=3: patches belongs to patches, which this run does not use/,
    "nor may one be set",
  );
  await t.throwsMessage(
    () => resolveConfig({ set: ["model=at-onse"] }),
    /--set model=at-onse: model should be one of mc-diffusion, .*at-once, not "at-onse"/,
    "a name that nothing has",
  );
  await t.throwsMessage(
    () => resolveConfig({ set: [...chosen, "data.imageSize=18"] }),
    /data.imageSize=18 should be a multiple of 4/,
    "a kind's own check",
  );
  await t.throwsMessage(
    () => imageTokenizers.add({ ...patches }),
    /There is another image tokenizer named "patches"/,
    "a name is taken once",
  );
});

test("words of a tokenizer of characters are spans of tokens", async (t) => {
  const tokenizer = await characters.build(["red ant"], { minimumCount: 1 });
  const ids = tokenizer.encodeFixed("red ant", 9);
  t.same(
    tokenizer.spans(ids),
    [
      { from: 0, to: 3 },
      { from: 4, to: 7 },
      { from: 7, to: 8 },
      { from: 8, to: 9 },
    ],
    "two words, and two ends",
  );
});
