/** What joins data and training: which pictures and captions go where, together, and which weights come out. */

import { Captioner } from "../../dist/captioner/captioner.js";
import type { Dataset } from "../../dist/data/dataset.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import { readWeights } from "../../dist/engine/weights/weights.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import type { CaptionBatch } from "../../dist/models/caption-decoder.js";
import { MOST_REFERENTS } from "../../dist/models/mc-diffusion/grounding.js";
import { decoderStage, trainingCodes } from "../../dist/training/decoder-stage.js";
import { captionedSamples, heldOutRecords, reconstructions } from "../../dist/training/held-out.js";
import { saveTrained } from "../../dist/training/pipeline.js";
import { tokenizerStage } from "../../dist/training/tokenizer-stage.js";
import { runVocabulary } from "../../dist/training/vocabulary.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { decoderOf, vqvaeOf } from "../tiny-captioner.js";
import { observeDecoder, observeVqvae } from "./observed.js";
import { sameBits, tinyConfig, weightsOf } from "./setup.js";
import {
  captionOf,
  captionsEach,
  keywordOf,
  partAt,
  partOfWord,
  placeOf,
  shownAt,
  thingOf,
  toyBytes,
  toyContext,
  toyDataset,
  wordsEach,
} from "./toy.js";

const pictures = (bytes: ArrayLike<number>): number[][] =>
  Array.from({ length: bytes.length / toyBytes }, (_, i) =>
    Array.from({ length: toyBytes }, (_, j) => bytes[i * toyBytes + j]!),
  );

const isTrained = (dataset: Dataset, thing: number) => dataset.records[thing]?.split === "train";

/** Whether a picture is changed from the plain one of its thing. */
function isAugmented(dataset: ReturnType<typeof toyDataset>, picture: readonly number[]): boolean {
  const { image } = dataset.records[thingOf(picture)]!;
  return picture.some((value, i) => value !== dataset.images.bytes[image * toyBytes + i]);
}

/** Makes the captioner's encoder tell which picture it was shown: the codes of thing i are i everywhere. */
function tellingCodes(captioner: Captioner, seen: number[][] = []): void {
  captioner.encodeAll = async (images) => {
    const things = pictures(images).map(thingOf);
    seen.push(things);
    return Uint32Array.from(things.flatMap((thing) => new Array<number>(captioner.positions).fill(thing)));
  };
}

/** The thing of each picture by such codes. */
const thingsOf = (codes: Uint32Array, positions: number) =>
  Array.from({ length: codes.length / positions }, (_, i) => codes[i * positions]!);

test("the VQ-VAE learns from training pictures only, each as often, augmented anew, in [-1, 1]", async (t, gpu) => {
  const dataset = toyDataset(24);
  const context = await toyContext(gpu, dataset, "vqvae.batch=6", "vqvae.steps=6");
  const { captioner } = context;
  const observed = observeVqvae(vqvaeOf(captioner), 6);
  const trainer = tokenizerStage(context);
  const seen: number[][] = [];
  let [worst, outside] = [0, 0];
  for (let step = 1; step <= 6; step++) {
    await trainer.step(step);
    const values = await observed.step();
    if (step === 1) {
      t.ok(sameBits(await observed.start(), values), "the codebook starts from the first batch");
    }
    for (const value of values) {
      const byte = (value + 1) * 127.5;
      worst = Math.max(worst, Math.abs(byte - Math.round(byte)));
      if (Math.abs(value) > 1) outside++;
    }
    seen.push(...pictures(values).map((picture) => picture.map((value) => Math.round((value + 1) * 127.5))));
  }
  t.ok(worst < 1e-3 && outside === 0, "bytes b are given as b / 127.5 - 1");
  const things = seen.map(thingOf);
  t.ok(
    !things.includes(-1),
    `as the captioner itself gives them: every colour is one of the data set (${things})`,
  );
  t.ok(
    things.every((thing) => isTrained(dataset, thing)),
    "all are training pictures",
  );
  const counts = dataset.splits.train!.map((thing) => things.filter((other) => other === thing).length);
  t.ok(
    counts.every((count) => count === 3),
    `three epochs show each of the 12 three times: ${counts}`,
  );
  t.ok(
    seen.every((picture) => isAugmented(dataset, picture)),
    "all are augmented",
  );
  t.equal(new Set(seen.map(String)).size, seen.length, "never twice the same way");
  observed.dispose();
  trainer.dispose();
  context.dispose();
});

test("a VQ-VAE that names things sees pictures as they are, with what their places show", async (t, gpu) => {
  const dataset = toyDataset(24);
  const context = await toyContext(
    gpu,
    dataset,
    "vqvae.batch=6",
    "vqvae.steps=2",
    "vqvae.naming=0.2",
    "data.things=24",
  );
  const vqvae = vqvaeOf(context.captioner);
  const { side } = vqvae;
  const batches: [images: Tensor, shown: Tensor<"u32">][] = [];
  const { loss } = vqvae;
  vqvae.loss = (images, options, shown) => {
    batches.push([images, shown!]);
    return loss.call(vqvae, images, options, shown);
  };
  const trainer = tokenizerStage(context);
  for (let step = 1; step <= 2; step++) {
    const { losses } = await trainer.step(step);
    t.ok(losses.naming! > 0, `the loss of naming is reported: ${losses.naming}`);
    const [images, shown] = batches[0]!;
    const read = pictures(await images.read()).map((picture) =>
      picture.map((value) => Math.round((value + 1) * 127.5)),
    );
    const things = read.map(thingOf);
    t.ok(
      things.every((thing) => isTrained(dataset, thing)) &&
        !read.some((picture) => isAugmented(dataset, picture)),
      `training pictures, not moved: ${things}`,
    );
    t.same(
      [...(await shown.read())],
      things.flatMap((thing) => Array.from({ length: side * side }, (_, place) => shownAt(24, thing, place))),
      "each with its own places",
    );
  }
  // Codes that name thing 4 everywhere are right where the held-out pictures show it.
  const names = (ids: Tensor<"u32">) => {
    const rows = ids.size;
    const logits = Float32Array.from({ length: rows * 24 }, (_, i) => (i % 24 === 4 ? 1 : 0));
    return fromArray(gpu, logits, [ids.shape[0]!, side * side, 24], "f32", "logits");
  };
  vqvae.nameCodes = names;
  const measured = await trainer.evaluate();
  const share = 1 / context.heldOut.length;
  t.ok(context.heldOut.includes(4), "a held-out picture shows thing 4");
  t.near(
    [measured.named!],
    [share],
    { rel: 1e-6 },
    "share of the places with a thing that are named rightly",
  );
  trainer.dispose();
  context.dispose();
  for (const [changes, message] of [
    ["data.things=7", /shows 24 kinds of things: set data.things to that, not to 7/],
  ] as const) {
    const wrong = await toyContext(gpu, dataset, "vqvae.naming=1", changes);
    await t.throwsMessage(() => tokenizerStage(wrong), message, changes);
    wrong.dispose();
  }
  const { shown: _, ...blind } = dataset;
  const without = await toyContext(gpu, blind, "vqvae.naming=1", "data.things=24");
  await t.throwsMessage(
    () => tokenizerStage(without),
    /needs data that tell where each thing is/,
    "data without places",
  );
  without.dispose();
});

test("codes of training pictures: each picture itself, then its own variants", async (t, gpu) => {
  const dataset = toyDataset(150);
  const context = await toyContext(gpu, dataset, "data.augment=2");
  const { captioner } = context;
  const shown: number[][] = [];
  const { positions } = captioner;
  // The codes of a picture are its number among all that were shown, and 0s.
  captioner.encodeAll = async (images) => {
    const first = shown.length;
    shown.push(...pictures(images));
    return Uint32Array.from({ length: (shown.length - first) * positions }, (_, i) =>
      i % positions === 0 ? first + i / positions : 0,
    );
  };
  const told: number[] = [];
  const codes = await trainingCodes(context, (done) => told.push(done));
  const train = dataset.splits.train!;
  t.equal(codes.length, train.length * 3 * positions, "a row for each picture and variant");
  t.equal(told.at(-1), train.length, "progress ends at the number of pictures");
  let [strangers, changed, unchanged] = [0, 0, 0];
  const looks = new Set<string>();
  train.forEach((record, i) => {
    for (let variant = 0; variant < 3; variant++) {
      const picture = shown[codes[(i * 3 + variant) * positions]!]!;
      looks.add(String(picture));
      if (thingOf(picture) !== record) strangers++;
      else if (variant === 0 && isAugmented(dataset, picture)) changed++;
      else if (variant > 0 && !isAugmented(dataset, picture)) unchanged++;
    }
  });
  t.same(
    { strangers, changed, unchanged },
    { strangers: 0, changed: 0, unchanged: 0 },
    "of the picture of the row",
  );
  t.equal(looks.size, train.length * 3, "all variants differ");
  context.dispose();
});

for (const [captionsPerImage, plain] of [
  [1, 0],
  [2, 0],
  [2, 0.5],
  [1, 1],
] as const) {
  test(`the decoder learns captions with the codes of their own picture (${captionsPerImage} a picture, ${plain} of them plain)`, async (t, gpu) => {
    const dataset = toyDataset(24);
    const [batch, steps, variants] = [24, 10, 3];
    const context = await toyContext(
      gpu,
      dataset,
      // Tokens are kept or masked, never replaced: what is not [MASK] is x_0.
      "decoder.schedule=absorbing",
      `decoder.batch=${batch}`,
      `decoder.captionsPerImage=${captionsPerImage}`,
      "decoder.microBatches=2",
      "decoder.pCond=0",
      "decoder.pDrop=0",
      `data.plain=${plain}`,
    );
    const { captioner, config } = context;
    const { positions, tokenizer } = captioner;
    const train = dataset.splits.train!;
    // The first code of a picture tells the thing, the second the variant.
    const codes = Uint32Array.from({ length: train.length * variants * positions }, (_, i) => {
      const row = Math.floor(i / positions);
      return [train[Math.floor(row / variants)]!, row % variants][i % positions] ?? 0;
    });
    const observed = observeDecoder(decoderOf(captioner), config.decoder);
    const trainer = await decoderStage(context, codes);
    const shown: number[] = [];
    const seen = new Set<string>();
    let [words, ends, wrong, mixed] = [0, 0, 0, 0];
    const drawn = new Map<string, number>();
    for (let step = 1; step <= steps; step++) {
      await trainer.step(step);
      for (const { xt, y } of await observed.read()) {
        const count = y.length / positions;
        for (let picture = 0; picture < count; picture++) {
          const [thing, variant] = [y[picture * positions]!, y[picture * positions + 1]!];
          shown.push(thing);
          seen.add(`variant ${variant}`);
          for (let r = 0; r < captionsPerImage; r++) {
            const at = (picture * captionsPerImage + r) * 4;
            const numbers = new Set<number>();
            for (let position = 0; position < 4; position++) {
              const token = xt[at + position]!;
              if (token === tokenizer.vocabularySize) continue;
              if (position === wordsEach) {
                if (token === tokenizer.endId) ends++;
                else wrong++;
                continue;
              }
              words++;
              const place = placeOf(tokenizer.word(token));
              if (place.thing !== thing || place.position !== position) wrong++;
              numbers.add(place.number);
            }
            if (numbers.size > 1) mixed++;
            for (const number of numbers) {
              const key = `caption ${number} at place ${r}`;
              drawn.set(key, (drawn.get(key) ?? 0) + 1);
            }
          }
        }
      }
    }
    const perStep = shown.length / steps;
    const orders = Array.from({ length: steps }, (_, i) =>
      shown.slice(i * perStep, (i + 1) * perStep).join(),
    );
    t.equal(new Set(orders).size, steps, "each step has a batch of its own");
    t.ok(words > 100 && ends > 30, `${words} words and ${ends} ends were seen through the noise`);
    t.equal(wrong, 0, "all stand at their places, with the codes of their own picture");
    t.equal(mixed, 0, "a caption's words are of one caption");
    t.ok(
      drawn.size === (plain === 1 ? 1 : captionsEach) * captionsPerImage &&
        [...drawn.values()].every((n) => n > 10),
      `both captions of a picture come, in every place, or the first alone: ${JSON.stringify([...drawn])}`,
    );
    const all = [...drawn.values()].reduce((sum, n) => sum + n, 0);
    const first = [...drawn].reduce((sum, [key, n]) => sum + (key.startsWith("caption 0") ? n : 0), 0) / all;
    t.ok(Math.abs(first - (1 + plain) / 2) < 0.1, `${first} of them are the first`);
    const counts = train.map((thing) => shown.filter((other) => other === thing).length);
    t.ok(
      counts.every((count) => count === (batch / captionsPerImage) * (steps / train.length)),
      `every picture is seen as often: ${counts}`,
    );
    t.equal(seen.size, variants, `in all variants: ${[...seen].sort()}`);
    observed.dispose();
    trainer.dispose();
    context.dispose();
  });
}

test("a grounded decoder is told what each word and each place is about", async (t, gpu) => {
  const dataset = toyDataset(24);
  const context = await toyContext(
    gpu,
    dataset,
    "decoder.batch=24",
    "decoder.captionsPerImage=2",
    "decoder.microBatches=2",
    "decoder.grounding=1",
    "data.things=24",
    "data.augment=0",
  );
  const { captioner } = context;
  const { positions, tokenizer, decoder } = captioner;
  const given: CaptionBatch[] = [];
  const { objective } = decoder;
  decoder.objective = (settings, random) => {
    const made = objective.call(decoder, settings, random);
    const { loss } = made;
    made.loss = (...batch) => {
      given.push(batch);
      return loss.apply(made, batch);
    };
    return made;
  };
  const train = dataset.splits.train!;
  const codes = Uint32Array.from({ length: train.length * positions }, (_, i) =>
    i % positions === 0 ? train[i / positions]! : 0,
  );
  const trainer = await decoderStage(context, codes);
  let [told, untold] = [0, 0];
  const wrong: string[] = [];
  for (let step = 1; step <= 4; step++) {
    const { losses } = await trainer.step(step);
    t.ok(losses.grounding! > 0, `the loss of grounding is reported: ${losses.grounding}`);
    // Both micro-batches are recorded once, and written anew for each step.
    for (const batch of given.slice(0, 2)) {
      const [x0, y, words, places] = await Promise.all(batch.map((tensor) => tensor.read()));
      for (const [i, token] of x0!.entries()) {
        const place = token === tokenizer.endId ? null : placeOf(tokenizer.word(token));
        const part = place && partOfWord(place);
        if (part === null) untold++;
        else told++;
        if (words![i] !== (part ?? MOST_REFERENTS))
          wrong.push(`${tokenizer.word(token)}: ${words![i]}, not ${part}`);
      }
      for (const [i, about] of places!.entries()) {
        const thing = y![Math.floor(i / positions) * positions]!;
        const part = partAt(thing, i % positions);
        if (about !== (part ?? MOST_REFERENTS))
          wrong.push(`thing ${thing}, place ${i % positions}: ${about}, not ${part}`);
      }
    }
  }
  t.same(wrong.slice(0, 5), [], "each word and place");
  t.ok(told > 100 && untold > 100, `${told} words about a part, ${untold} about none`);
  trainer.dispose();
  context.dispose();
  const { referents: _, ...blind } = dataset;
  const without = await toyContext(gpu, blind, "decoder.grounding=1", "data.things=24", "data.augment=0");
  await t.throwsMessage(
    () => decoderStage(without, new Uint32Array(train.length * positions)),
    /decoder\.grounding needs data that tell what words are about, as scenes do; toy does not: set it to 0/,
    "data that tell nothing",
  );
  without.dispose();
});

/** A context with codes that tell pictures, its decoder trained for some steps. */
async function trainedDecoder(gpu: Gpu, ...set: string[]) {
  const dataset = toyDataset(24);
  const context = await toyContext(gpu, dataset, "decoder.steps=6", ...set);
  const encoded: number[][] = [];
  tellingCodes(context.captioner, encoded);
  const codes = await trainingCodes(context, () => {});
  encoded.length = 0;
  const trainer = await decoderStage(context, codes);
  for (let step = 1; step <= 5; step++) await trainer.step(step);
  return { context, trainer, encoded, codes };
}

test("the monitor measures captions of held-out pictures, said with the averaged weights", async (t, gpu) => {
  const { context, trainer, encoded } = await trainedDecoder(gpu);
  const { captioner, dataset, heldOut } = context;
  t.ok(
    heldOut.length > 3 && heldOut.every((record) => !isTrained(dataset, record)),
    "none is a training picture",
  );
  t.same(encoded, [heldOut], "their codes are made");
  const trained = await weightsOf(captioner.decoder);
  const averaged = await trainer.withUsedWeights(() => weightsOf(captioner.decoder));
  t.ok(!sameBits(averaged, trained), "averaged weights are others than the trained ones");

  /** What was asked, with which weights. */
  let asked: { things: number[]; weights: Float32Array } | null = null;
  const answer = (say: (thing: number) => string) => {
    const reply = async (things: number[]) => {
      asked = { things, weights: await weightsOf(captioner.decoder) };
      return things.map((thing) => ({ text: say(thing), tokens: [] }));
    };
    captioner.captionCodes = (codes) => reply(thingsOf(codes, captioner.positions));
    captioner.captionAll = (images) => reply(pictures(images).map(thingOf));
  };
  // The second caption of a picture is as good as the first.
  answer((thing) => captionOf(thing, 1));
  const right = await trainer.evaluate();
  t.same(asked!.things, heldOut, "the captions of the held-out pictures are asked for");
  t.ok(sameBits(asked!.weights, averaged), "of the averaged weights");
  t.ok(sameBits(await weightsOf(captioner.decoder), trained), "training goes on with its own");
  t.equal(right.exact, 1, "every reference counts");
  t.ok(right.ciderD! > 3, `CIDEr-D of right captions: ${right.ciderD}`);
  answer((thing) => captionOf((thing + 2) % 24, 0));
  const wrong = await trainer.evaluate();
  t.same([wrong.exact, wrong.ciderD], [0, 0], "captions of other pictures are wrong");

  answer((thing) => captionOf(thing, 0));
  asked = null;
  const path = await trainer.sample(5);
  t.same(asked!.things, heldOut.slice(0, 24), "samples are of held-out pictures");
  t.ok(sameBits(asked!.weights, averaged), "with the averaged weights");
  t.ok(await context.platform.files.exists(path), "and are written");
  t.ok(sameBits(await weightsOf(captioner.decoder), trained), "training goes on with its own");
  trainer.dispose();
  context.dispose();
});

test("averaged weights are in the checkpoint, and are what ships", async (t, gpu) => {
  const { context, trainer, codes } = await trainedDecoder(gpu);
  const { captioner, platform } = context;
  const trained = await weightsOf(captioner.decoder);
  const averaged = await trainer.withUsedWeights(() => weightsOf(captioner.decoder));
  const checkpoint = { step: 5, state: { seed: 1 }, ...(await trainer.save()) };

  const again = await toyContext(gpu, context.dataset, "decoder.steps=6", "seed=9");
  tellingCodes(again.captioner);
  const resumed = await decoderStage(again, codes);
  resumed.load(checkpoint, "checkpoint");
  t.ok(sameBits(await weightsOf(again.captioner.decoder), trained), "a resumed run has the trained weights");
  t.ok(
    sameBits(await resumed.withUsedWeights(() => weightsOf(again.captioner.decoder)), averaged),
    "and the averaged ones",
  );
  resumed.dispose();
  again.dispose();

  trainer.finish?.();
  t.ok(sameBits(await weightsOf(captioner.decoder), averaged), "a finished decoder has the averaged weights");
  await saveTrained(captioner, platform.files, "weights");
  const loaded = await Captioner.fromFolder(gpu, platform.files, "weights");
  // Stored in float16.
  t.near(await weightsOf(loaded.decoder), averaged, { rel: 1e-3, abs: 1e-7 }, "which the shipped file holds");
  const codebook = (of: Captioner) => vqvaeOf(of).codebook.read();
  t.ok(sameBits(await codebook(loaded), await codebook(captioner)), "with the codebook, exactly");
  const names = (of: Captioner) => readWeights(of.imageTokenizer).then((weights) => [...weights.keys()]);
  t.same(await names(loaded), await names(captioner), "and the rest of the VQ-VAE");
  loaded.dispose();
  trainer.dispose();
  context.dispose();
});

test("the VQ-VAE is measured on held-out pictures beside their reconstructions", async (t, gpu) => {
  const dataset = toyDataset(24);
  const context = await toyContext(gpu, dataset);
  const { captioner, heldOut } = context;
  const trainer = tokenizerStage(context);
  const encoded: number[][] = [];
  tellingCodes(captioner, encoded);
  const image = (thing: number) => {
    const { image } = dataset.records[thing]!;
    return dataset.images.bytes.subarray(image * toyBytes, (image + 1) * toyBytes);
  };
  const decode = (shift: number) => {
    captioner.reconstructAll = async (codes) =>
      Uint8Array.from(
        thingsOf(codes, captioner.positions).flatMap((thing) => [...image((thing + shift) % 24)]),
      );
  };
  decode(0);
  const { ssim, usedCodes, psnr } = await trainer.evaluate();
  t.same(encoded, [heldOut], "held-out pictures are encoded");
  t.near([ssim!], [1], { abs: 1e-9 }, "reconstructions that are the pictures");
  t.ok(psnr! > 60, `have no error: ${psnr} dB`);
  t.equal(usedCodes, heldOut.length, "codes are counted");
  decode(1);
  const other = await trainer.evaluate();
  t.ok(other.psnr! < 40, `pictures of other things have one: ${other.psnr} dB`);
  encoded.length = 0;
  await reconstructions(context);
  t.same(encoded, [heldOut.slice(0, 24)], "the sheet shows held-out pictures");
  trainer.dispose();
  context.dispose();
});

test("samples: held-out pictures with the caption and the references of each", async (t, gpu) => {
  const context = await toyContext(gpu, toyDataset(24));
  const { captioner, heldOut } = context;
  captioner.captionAll = async (images) =>
    pictures(images).map((picture) => ({ text: `says ${thingOf(picture)}`, tokens: [] }));
  const samples = await captionedSamples(context, 7);
  t.same(
    samples.map(({ image, caption, references }) => [thingOf(image.data), caption, references]),
    heldOut.slice(0, 7).map((thing) => [thing, `says ${thing}`, [captionOf(thing, 0), captionOf(thing, 1)]]),
    "they belong together",
  );
  context.dispose();
});

test("the vocabulary is that of the training captions; held-out pictures are no training pictures", async (t) => {
  const dataset = toyDataset(24);
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "run", {});
  const build = (minCount: number, path: RunFolder) =>
    runVocabulary(files, path, dataset, tinyConfig(`data.minCount=${minCount}`));
  const tokenizer = await build(1, run);
  const keywords = dataset.records.map((_, thing) => keywordOf(thing)).join(" ");
  t.equal(tokenizer.unknownWords(keywords).length, dataset.records.length, "keywords are not in it");
  dataset.records.forEach(({ split, captions }, thing) => {
    const unknown = captions.flatMap((caption) => tokenizer.unknownWords(caption)).length;
    t.equal(
      unknown,
      split === "train" ? 0 : captionsEach * wordsEach,
      `unknown words of thing ${thing}, ${split}`,
    );
  });
  t.equal(
    (await build(2, run)).vocabularySize,
    tokenizer.vocabularySize,
    "a run keeps the vocabulary that it began with",
  );
  const other = await RunFolder.create(files, "other", {});
  t.equal((await build(2, other)).vocabularySize, 2, "words seen once are left out if two are wanted");

  const many = toyDataset(216);
  const heldOut = heldOutRecords(many);
  t.ok(
    heldOut.length > 0 && heldOut.every((record) => many.records[record]!.split === "validation"),
    `${heldOut.length} held-out pictures, all of the validation split`,
  );
  const { train, ...others } = many.splits;
  await t.throwsMessage(
    () => heldOutRecords({ ...many, splits: { train: train! } }),
    /no pictures in split "validation"/,
    "there must be some",
  );
  await t.throwsMessage(
    () => heldOutRecords({ ...many, splits: others }),
    /no training pictures/,
    "beside training pictures",
  );
});
