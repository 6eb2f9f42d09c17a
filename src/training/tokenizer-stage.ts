/** Stage 1 for the training loop: the image tokenizer, on augmented training pictures. */

import { augment, augmentationOf } from "../data/augment.js";
import { Batches } from "../data/batches.js";
import { imagesOf } from "../data/dataset.js";
import { ReadAhead } from "../data/read-ahead.js";
import { psnr, ssim } from "../metrics/image.js";
import { single } from "../platform/collective.js";
import { reductionOf } from "./gradient-reduction.js";
import { heldOutImages, reconstructions, rgb } from "./held-out.js";
import { shareNamed, shownOf } from "./naming.js";
import { steppedTogether } from "./ranks.js";
import { TokenizerTraining } from "./tokenizer-training.js";
import type { StageContext, Trainer } from "./trainer.js";

/** Stage 1: the image tokenizer, on augmented training pictures. */
export function tokenizerStage(context: StageContext): Trainer {
  const { config, captioner, dataset, run, platform, collective = single, transport = "float32" } = context;
  const { size } = dataset;
  const bytes = size * size * 3;
  const batches = new Batches(dataset, { split: "train", batchSize: config.vqvae.batch, seed: config.seed });
  const hook = reductionOf(collective, transport);
  const batch = config.vqvae.batch / collective.size;
  /** The number in a whole batch of this process's first picture. */
  const first = collective.rank * batch;
  const imagesAt = (step: number) => batches.imagesAt(step).subarray(first, first + batch);
  const reader = new ReadAhead(dataset, batch, () => config.vqvae.steps, imagesAt);
  const augmentation = augmentationOf(config.data);
  const { things = 0, side } = captioner.imageTokenizer;
  const truth = things > 0 ? shownOf(dataset, things) : null;
  const fill = async (step: number, target: Uint8Array, shown: Uint32Array) => {
    const read = await reader.at(step);
    if (truth) {
      // A picture that is moved would show its things elsewhere.
      target.set(read);
      shown.set(truth.at(imagesAt(step), side));
      return;
    }
    for (let index = 0; index < batch; index++) {
      const [picture, place] = [read, target].map((all) => all.subarray(index * bytes, (index + 1) * bytes));
      augment(picture!, size, { seed: config.seed, step, index: first + index }, augmentation, place);
    }
  };
  const training = new TokenizerTraining(captioner.imageTokenizer, config.vqvae, config.seed, fill, {
    settings: captioner.settings.imageTokenizer,
    hook,
  });
  return {
    gpu: captioner.gpu,
    stage: "vqvae",
    get steps() {
      return config.vqvae.steps;
    },
    perStep: { count: config.vqvae.batch, unit: "images" },
    get loading() {
      return training.loading;
    },
    step: (step) => steppedTogether(hook, () => training.step(step)),
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
      const named =
        truth && (await shareNamed(context, codes, truth.at(imagesOf(dataset, context.heldOut), side)));
      return {
        psnr: peak,
        ssim: structure,
        usedCodes: new Set(codes).size,
        ...(named !== null && { named }),
      };
    },
    async sample(step) {
      const png = await platform.images.encodePng(await reconstructions(context));
      return run.writeSample(`vqvae-${String(step).padStart(6, "0")}.png`, png);
    },
    withUsedWeights: (body) => body(),
    save: () => training.save(),
    load: (checkpoint, path) => training.load(checkpoint, path),
    dispose() {
      training.dispose();
      hook?.dispose();
    },
  };
}
