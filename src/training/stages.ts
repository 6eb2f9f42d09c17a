/** The two stages as the training loop sees them: batches from a data set, measures and samples on held-out pictures. */

import { imagesPerBatch } from "../captioner/batch.js";
import type { Captioner } from "../captioner/captioner.js";
import type { Config } from "../config/config.js";
import { augment } from "../data/augment.js";
import { Batches } from "../data/batches.js";
import { type Dataset, imagesOf, readPictures } from "../data/dataset.js";
import { ReadAhead } from "../data/read-ahead.js";
import { boundSteps, heldOutBound } from "../evaluation/held-out-bound.js";
import type { RunFolder } from "../io/run-folder.js";
import { exactMatch } from "../metrics/accuracy.js";
import { bleu } from "../metrics/bleu.js";
import { ciderD } from "../metrics/cider.js";
import { psnr, ssim } from "../metrics/image.js";
import { randomBelow } from "../metrics/random.js";
import type { Platform, RgbImage } from "../platform/platform.js";
import { type CaptionedImage, captionSheet, reconstructionSheet } from "../report/sheet.js";
import { DecoderTraining } from "./decoder-training.js";
import type { Trainer } from "./loop.js";
import { VqVaeTraining } from "./vqvae-training.js";

export interface StageContext {
  platform: Platform;
  config: Config;
  captioner: Captioner;
  dataset: Dataset;
  run: RunFolder;
  /** Records of held-out pictures that are measured and shown while training. */
  heldOut: readonly number[];
}

/** Pictures on a sheet of samples. */
export const shown = 24;

/** Draws which variant of a picture a training example uses. */
const variantStream = 0x76617269;
/** Draws the further captions of a picture. */
const captionStream = 0x66757274;

export function rgb(size: number, data: Uint8Array): RgbImage {
  return { width: size, height: size, data };
}

function heldOutImages({ dataset, heldOut }: StageContext, count = heldOut.length): Promise<Uint8Array> {
  return readPictures(dataset, imagesOf(dataset, heldOut.slice(0, count)));
}

/** Held-out pictures above their reconstructions. */
export async function reconstructions(context: StageContext): Promise<RgbImage> {
  const { captioner, dataset } = context;
  const { size } = dataset;
  const bytes = size * size * 3;
  const originals = await heldOutImages(context, shown);
  const decoded = await captioner.reconstructAll(await captioner.encodeAll(originals));
  const split = (all: Uint8Array) =>
    Array.from({ length: all.length / bytes }, (_, i) => rgb(size, all.subarray(i * bytes, (i + 1) * bytes)));
  return reconstructionSheet(split(originals), split(decoded), { columns: 12 });
}

/** Stage 1: the image tokenizer, on augmented training pictures. */
export function vqvaeStage(context: StageContext): Trainer {
  const { config, captioner, dataset, run, platform } = context;
  const { size } = dataset;
  const bytes = size * size * 3;
  const batches = new Batches(dataset, { split: "train", batchSize: config.vqvae.batch, seed: config.seed });
  const { batch } = config.vqvae;
  const reader = new ReadAhead(
    dataset,
    batch,
    () => config.vqvae.steps,
    (step) => batches.at(step).images,
  );
  const training = new VqVaeTraining(captioner.vqvae, config.vqvae, config.seed, async (step, target) => {
    const read = await reader.at(step);
    for (let index = 0; index < batch; index++) {
      const [picture, place] = [read, target].map((all) => all.subarray(index * bytes, (index + 1) * bytes));
      augment(picture!, size, { seed: config.seed, step, index }, undefined, place);
    }
  });
  return {
    gpu: captioner.gpu,
    stage: "vqvae",
    get steps() {
      return config.vqvae.steps;
    },
    perStep: { count: config.vqvae.batch, unit: "images" },
    step: (step) => training.step(step),
    undo: () => training.undo(),
    memorySettings: "vqvae.batch, vqvae.channels or data.imageSize",
    async evaluate(onBatch) {
      const originals = await heldOutImages(context);
      const codes = await captioner.encodeAll(originals, onBatch);
      const decoded = await captioner.reconstructAll(codes);
      const count = originals.length / bytes;
      let [peak, structure] = [0, 0];
      for (let i = 0; i < count; i++) {
        const part = (all: Uint8Array) => rgb(size, all.subarray(i * bytes, (i + 1) * bytes));
        peak += psnr(part(originals), part(decoded)) / count;
        structure += ssim(part(originals), part(decoded)) / count;
      }
      return { psnr: peak, ssim: structure, usedCodes: new Set(codes).size };
    },
    async sample(step) {
      const png = await platform.images.encodePng(await reconstructions(context));
      return run.writeSample(`vqvae-${String(step).padStart(6, "0")}.png`, png);
    },
    withUsedWeights: (body) => body(),
    save: () => training.save(),
    load: (checkpoint, path) => training.load(checkpoint, path),
    dispose: () => training.dispose(),
  };
}

/**
 * The codes [n·S] of every training picture and of `augment` variants of each, picture by picture. `onProgress` is called after
 * each batch, and may throw.
 */
export async function trainingCodes(
  { captioner, dataset, config }: StageContext,
  onProgress: (done: number, total: number) => void,
): Promise<Uint32Array> {
  const { size } = dataset;
  const bytes = size * size * 3;
  const variants = 1 + config.data.augment;
  const train = dataset.splits.train!;
  const codes = new Uint32Array(train.length * variants * captioner.positions);
  const batch = (n: number) => train.slice(n * imagesPerBatch, (n + 1) * imagesPerBatch);
  const count = Math.ceil(train.length / imagesPerBatch);
  const reader = new ReadAhead(
    dataset,
    imagesPerBatch,
    () => count,
    (n) => imagesOf(dataset, batch(n)),
  );
  for (let n = 0; n < count; n++) {
    const [records, first] = [batch(n), n * imagesPerBatch];
    const sources = await reader.at(n);
    const images = new Uint8Array(records.length * variants * bytes);
    records.forEach((record, i) => {
      const source = sources.subarray(i * bytes, (i + 1) * bytes);
      images.set(source, i * variants * bytes);
      for (let variant = 1; variant < variants; variant++) {
        const at = (i * variants + variant) * bytes;
        augment(
          source,
          size,
          { seed: config.seed, step: record, index: variant },
          undefined,
          images.subarray(at, at + bytes),
        );
      }
    });
    const encoded = await captioner.encodeAll(images, () => onProgress(first, train.length));
    codes.set(encoded, first * variants * captioner.positions);
    onProgress(first + records.length, train.length);
  }
  return codes;
}

/** Held-out pictures with what the model says of them. */
export async function captionedSamples(
  context: StageContext,
  count = shown,
  onBatch?: () => void,
): Promise<CaptionedImage[]> {
  const { captioner, dataset, heldOut } = context;
  const records = heldOut.slice(0, count).map((record) => dataset.records[record]!);
  const images = await heldOutImages(context, count);
  const bytes = dataset.size ** 2 * 3;
  const captions = await captioner.captionAll(images, { onBatch });
  return records.map(({ captions: references }, i) => ({
    image: rgb(dataset.size, images.subarray(i * bytes, (i + 1) * bytes)),
    caption: captions[i]!.text,
    references,
  }));
}

/** Stage 2: the caption decoder, on the codes of the training pictures (see `trainingCodes`). */
export async function decoderStage(context: StageContext, codes: Uint32Array): Promise<Trainer> {
  const { config, captioner, dataset, run, platform, heldOut } = context;
  const { positions, tokenizer } = captioner;
  const { batch, captionsPerImage } = config.decoder;
  const { maxLength: length } = config.data;
  const variants = 1 + config.data.augment;
  const train = dataset.splits.train!;
  const place = new Map(train.map((record, i) => [dataset.records[record]!.image, i]));
  const pictures = batch / captionsPerImage;
  const batches = new Batches(dataset, { split: "train", batchSize: pictures, seed: config.seed });
  const training = new DecoderTraining(
    captioner.decoder,
    captioner.schedule,
    config.decoder,
    config.seed,
    (step) => {
      const { images, captions } = batches.at(step);
      const tokens = new Uint32Array(batch * length);
      const conditions = new Uint32Array(pictures * positions);
      for (const [i, image] of images.entries()) {
        const at = place.get(image)!;
        const known = dataset.records[train[at]!]!.captions;
        for (let r = 0; r < captionsPerImage; r++) {
          const number = step * batch + i * captionsPerImage + r;
          const caption =
            r === 0 ? captions[i]! : known[randomBelow(known.length, config.seed, captionStream, number)]!;
          tokens.set(tokenizer.encodeFixed(caption, length), (i * captionsPerImage + r) * length);
        }
        const variant = randomBelow(variants, config.seed, variantStream, step * pictures + i);
        const from = (at * variants + variant) * positions;
        conditions.set(codes.subarray(from, from + positions), i * positions);
      }
      return { tokens, codes: conditions };
    },
  );
  const heldOutCodes = await captioner.encodeAll(await heldOutImages(context));
  const references = heldOut.map((record) => dataset.records[record]!.captions);
  return {
    gpu: captioner.gpu,
    stage: "decoder",
    get steps() {
      return config.decoder.steps;
    },
    perStep: { count: batch * length, unit: "tokens" },
    step: (step) => training.step(step),
    undo: () => training.undo(),
    memorySettings:
      "decoder.batch or decoder.dim, raise decoder.microBatches, or set decoder.checkpointing=true",
    evaluate: (onBatch) =>
      training.optimizer.withAverages(async () => {
        const captions = (await captioner.captionCodes(heldOutCodes, { onBatch })).map(({ text }) => text);
        const options = { steps: boundSteps, seed: config.seed, onBatch };
        const bound = await heldOutBound(captioner, dataset, heldOut, heldOutCodes, options);
        return {
          ciderD: ciderD(captions, references).score,
          bleu4: bleu(captions, references)[3],
          exact: exactMatch(captions, references).accuracy,
          bound: bound.nats,
        };
      }),
    sample: (step, onBatch) =>
      training.optimizer.withAverages(async () => {
        const svg = await captionSheet(platform.images, await captionedSamples(context, shown, onBatch), {
          title: `step ${step}`,
        });
        return run.writeSample(`decoder-${String(step).padStart(6, "0")}.svg`, svg);
      }),
    withUsedWeights: (body) => training.optimizer.withAverages(body),
    save: () => training.save(),
    load: (checkpoint, path) => training.load(checkpoint, path),
    dispose: () => training.dispose(),
    finish: () => training.optimizer.useAverages(),
  };
}
