/** Stage 2 for the training loop: the caption decoder, on the codes of the training pictures. */

import { imagesPerBatch } from "../captioner/batch.js";
import { augment, augmentationOf } from "../data/augment.js";
import { Batches } from "../data/batches.js";
import { imagesOf } from "../data/dataset.js";
import { ReadAhead } from "../data/read-ahead.js";
import { boundSteps, heldOutBound } from "../evaluation/held-out-bound.js";
import { exactMatch } from "../metrics/accuracy.js";
import { bleu } from "../metrics/bleu.js";
import { ciderD } from "../metrics/cider.js";
import { randomBelow } from "../metrics/random.js";
import { joinParts, ownPart, single } from "../platform/collective.js";
import { captionSheet } from "../report/sheet.js";
import { DecoderTraining } from "./decoder-training.js";
import { reductionOf } from "./gradient-reduction.js";
import { captionedSamples, heldOutImages, shown } from "./held-out.js";
import { steppedTogether } from "./ranks.js";
import { WordReferents } from "./referents.js";
import type { StageContext, Trainer } from "./trainer.js";

/** Draws which variant of a picture a training example uses. */
const variantStream = 0x76617269;
/** Draws the additional captions of a picture. */
const captionStream = 0x66757274;
/** Draws the pictures that come with their first caption only. */
const plainStream = 0x706c6169;
const MILLION = 1_000_000;

/**
 * The codes [n·S] of every training picture and of `augment` variants of each, picture by picture. `onProgress` is called after
 * each batch, and may throw.
 */
export async function trainingCodes(
  {
    captioner,
    dataset,
    config,
    collective = single,
  }: Pick<StageContext, "captioner" | "dataset" | "config" | "collective">,
  onProgress: (done: number, total: number) => void,
): Promise<Uint32Array> {
  const { size } = dataset;
  const bytes = size * size * 3;
  const variants = 1 + config.data.augment;
  const augmentation = augmentationOf(config.data);
  const train = dataset.splits.train!;
  const codes = new Uint32Array(train.length * variants * captioner.positions);
  const batch = (n: number) => train.slice(n * imagesPerBatch, (n + 1) * imagesPerBatch);
  const { rank, size: ranks } = collective;
  /** Batches of this process: every `ranks`-th of all, so that batches are the same for any number of processes. */
  const count = Math.ceil((Math.ceil(train.length / imagesPerBatch) - rank) / ranks);
  const reader = new ReadAhead(
    dataset,
    imagesPerBatch,
    () => count,
    (i) => imagesOf(dataset, batch(i * ranks + rank)),
  );
  const encode = async (i: number) => {
    const n = i * ranks + rank;
    const [records, first] = [batch(n), n * imagesPerBatch];
    const sources = await reader.at(i);
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
          augmentation,
          images.subarray(at, at + bytes),
        );
      }
    });
    const encoded = await captioner.encodeAll(images, () => onProgress(first, train.length));
    codes.set(encoded, first * variants * captioner.positions);
    onProgress(first + records.length, train.length);
  };
  await ownPart(collective, async () => {
    for (let i = 0; i < count; i++) await encode(i);
  });
  await joinParts(collective, codes);
  return codes;
}

/** Stage 2: the caption decoder, on the codes of the training pictures (see `trainingCodes`). */
export async function decoderStage(context: StageContext, codes: Uint32Array): Promise<Trainer> {
  const {
    config,
    captioner,
    dataset,
    run,
    platform,
    heldOut,
    collective = single,
    transport = "float32",
  } = context;
  const hook = reductionOf(collective, transport);
  const { positions, tokenizer } = captioner;
  const { batch, captionsPerImage } = config.decoder;
  const { maxLength: length, plain } = config.data;
  const variants = 1 + config.data.augment;
  const train = dataset.splits.train!;
  const place = new Map(train.map((record, i) => [dataset.records[record]!.image, i]));
  const pictures = batch / captionsPerImage;
  const referents = config.decoder.grounding > 0 ? new WordReferents(dataset, captioner) : null;
  const batches = new Batches(dataset, { split: "train", batchSize: pictures, seed: config.seed });
  const training = new DecoderTraining(
    captioner.decoder,
    config.decoder,
    config.seed,
    (step) => {
      const { images, captionNumbers } = batches.at(step);
      const tokens = new Uint32Array(batch * length);
      const about = referents && new Uint32Array(batch * length);
      const conditions = new Uint32Array(pictures * positions);
      for (const [i, image] of images.entries()) {
        const at = place.get(image)!;
        const known = dataset.records[train[at]!]!.captions;
        const isPlain = randomBelow(MILLION, config.seed, plainStream, step * pictures + i) < plain * MILLION;
        for (let r = 0; r < captionsPerImage; r++) {
          const number = step * batch + i * captionsPerImage + r;
          const among =
            r === 0 ? captionNumbers[i]! : randomBelow(known.length, config.seed, captionStream, number);
          const drawn = isPlain ? 0 : among;
          const caption = known[drawn]!;
          const from = (i * captionsPerImage + r) * length;
          tokens.set(tokenizer.encodeFixed(caption, length), from);
          if (about) referents.words(image, drawn, caption, about.subarray(from, from + length));
        }
        const variant = randomBelow(variants, config.seed, variantStream, step * pictures + i);
        const from = (at * variants + variant) * positions;
        conditions.set(codes.subarray(from, from + positions), i * positions);
      }
      const told = about && { words: about, places: referents.places(images) };
      return { tokens, codes: conditions, referents: told };
    },
    { settings: captioner.settings.decoder, hook },
  );
  // Rank 0 alone measures.
  const heldOutCodes =
    collective.rank === 0 ? await captioner.encodeAll(await heldOutImages(context)) : new Uint32Array();
  const references = heldOut.map((record) => dataset.records[record]!.captions);
  return {
    gpu: captioner.gpu,
    stage: "decoder",
    get steps() {
      return config.decoder.steps;
    },
    perStep: { count: batch * length, unit: "tokens" },
    step: (step) => steppedTogether(hook, () => training.step(step)),
    undo: () => training.undo(),
    memorySettings:
      "decoder.batch or decoder.dim, raise decoder.microBatches, or set decoder.checkpointing=true",
    evaluate: (onBatch) =>
      training.optimizer.withAverages(async () => {
        const captions = (await captioner.captionCodes(heldOutCodes, { onBatch })).map(({ text }) => text);
        const options = { steps: boundSteps, seed: config.seed, onBatch };
        const bound: Record<string, number> = captioner.decoder.likelihood
          ? { bound: (await heldOutBound(captioner, dataset, heldOut, heldOutCodes, options)).nats }
          : {};
        return {
          ciderD: ciderD(captions, references).score,
          bleu4: bleu(captions, references)[3],
          exact: exactMatch(captions, references).accuracy,
          ...bound,
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
    dispose() {
      training.dispose();
      hook?.dispose();
    },
    finish: () => training.optimizer.useAverages(),
  };
}
