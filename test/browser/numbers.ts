/** What is computed in Node and in a page to be compared, by the same code: random bits, forward results, first losses of a run. */

import { Captioner } from "../../dist/captioner/captioner.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import type { Dataset } from "../../dist/data/dataset.js";
import { transitionTable } from "../../dist/diffusion/coefficients.js";
import { qSample, samplePrior, sampleTimesteps } from "../../dist/diffusion/forward.js";
import { maskCondition } from "../../dist/diffusion/masking.js";
import { Schedule } from "../../dist/diffusion/schedule.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { noGrad } from "../../dist/engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import { McDiffusion } from "../../dist/models/mc-diffusion/mc-diffusion.js";
import type { Platform } from "../../dist/platform/platform.js";
import { WordTokenizer } from "../../dist/text/words.js";
import { decoderStage, trainingCodes } from "../../dist/training/decoder-stage.js";
import { tokenizerStage } from "../../dist/training/tokenizer-stage.js";
import type { Stage, StageContext, StepResult, Trainer } from "../../dist/training/trainer.js";
import { randomArray } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";

/** Results by name, as plain arrays: what travels between a page and Node. */
export type Numbers = Record<string, number[]>;

async function readAll(
  tensors: Record<string, Tensor<"f32"> | Tensor<"u32">>,
  bits: boolean,
): Promise<Numbers> {
  const results: Numbers = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const values = await tensor.read();
    results[name] = [...(bits ? new Uint32Array(values.buffer, values.byteOffset, values.length) : values)];
    tensor.dispose();
  }
  return results;
}

/** Bits of everything that is drawn on the GPU in training and sampling, 1009 numbers each. */
export async function randomBits(gpu: Gpu): Promise<Numbers> {
  const rng = new Rng(gpu, 0x123456789abcdefn);
  rng.setStep(11);
  const count = 1009;
  const table = transitionTable(gpu, new Schedule({ tokens: 40, steps: 100 }));
  const tokens = fromArray(
    gpu,
    Array.from({ length: count }, (_, i) => i % 40),
    [count, 1],
    "u32",
  );
  const logProbs = fromArray(gpu, randomArray(4, count * 7), [count, 7]);
  const t = sampleTimesteps(rng, table, count);
  const drawn = {
    timesteps: t,
    noised: qSample(rng, table, tokens, t),
    prior: samplePrior(rng, table, [count]),
    mask: maskCondition(rng, tokens, { conditionRate: 0.5, maskRate: 0.5, dropRate: 0.1, maskId: 40 }),
    uniform: rng.uniform([count], 1.7),
    symmetric: rng.uniformSymmetric([count], 0.3),
    normal: rng.normal([count], 0.02),
    gumbel: rng.gumbel([count]),
    bernoulli: rng.bernoulli([count], 0.1, 1 / 0.9),
    categorical: rng.categorical(logProbs),
  };
  const bits = await readAll(drawn, true);
  for (const made of [tokens, logProbs, table, rng]) made.dispose();
  return bits;
}

/** The untrained networks of the quick preset: codes of 4 pictures, pictures of 4 × 64 codes, logits of 4 noisy captions. */
export async function forwardResults(gpu: Gpu): Promise<Numbers> {
  const words = Array.from({ length: 200 }, (_, i) => `w${i}`);
  const captioner = new Captioner(gpu, resolveConfig({ preset: "quick" }), new WordTokenizer(words));
  const { positions } = captioner;
  const [decoder, vqvae] = [McDiffusion.of(captioner.decoder), captioner.imageTokenizer];
  const { vocabulary, length, codes } = decoder.shape;
  const batch = 4;
  const { imageSize } = vqvae;
  const integers = (seed: number, count: number, below: number) =>
    Array.from(randomArray(seed, count, 1000), (x) => Math.floor(Math.abs(x)) % below);
  const images = fromArray(gpu, randomArray(1, batch * imageSize ** 2 * 3, 0.5), [
    batch,
    imageSize,
    imageSize,
    3,
  ]);
  const y = fromArray(gpu, integers(2, batch * positions, codes), [batch, positions], "u32");
  const xt = fromArray(gpu, integers(3, batch * length, vocabulary + 1), [batch, length], "u32");
  const t = fromArray(gpu, [1, 30, 60, 100], [batch], "u32");
  const made = gpu.scope(() =>
    noGrad(() => ({
      codes: vqvae.encode(images),
      pictures: vqvae.decode(y),
      logits: decoder.forward(xt, t, decoder.prepare(y)),
    })),
  );
  const results = await readAll(made, false);
  for (const tensor of [images, y, xt, t]) tensor.dispose();
  captioner.dispose();
  return results;
}

export interface RunData {
  dataset: Dataset;
  /** Codes of the training pictures, so that a code that lies between two vectors is the same everywhere; null: encode them. */
  codes: Uint32Array | null;
}

export interface FirstLosses {
  vqvae: StepResult[];
  decoder: StepResult[];
  codes: Uint32Array;
}

export interface FirstLossesOptions {
  /** The only stage to train; default both, the decoder on what the VQ-VAE has learnt. */
  only?: Stage;
  /** Settings over the preset's, `key=value`. */
  set?: readonly string[];
  /** Called after each step; throws to end the run. */
  onStep?(stage: Stage, step: number): void;
  /** Called with the trained captioner before it is freed. */
  trained?(captioner: Captioner): Promise<void>;
}

/** The first `steps` steps of the quick preset's two stages, as `train.js` runs them. */
export async function firstLosses(
  gpu: Gpu,
  platform: Platform,
  { dataset, codes: given }: RunData,
  steps: number,
  { only, set = [], onStep, trained }: FirstLossesOptions = {},
): Promise<FirstLosses> {
  const config = resolveConfig({ preset: "quick", set: [...set] });
  const captions = dataset.splits.train!.flatMap((record) => dataset.records[record]!.captions);
  const captioner = new Captioner(gpu, config, WordTokenizer.build(captions));
  const run = await RunFolder.create(new MemoryFiles(), "run", {});
  const heldOut = Object.values(dataset.splits).map((records) => records[0]!);
  const context: StageContext = { platform, config, captioner, dataset, run, heldOut };
  const train = async (stage: Stage, trainer: Trainer): Promise<StepResult[]> => {
    const results: StepResult[] = [];
    try {
      for (let step = 1; step <= steps; step++) {
        results.push(await trainer.step(step));
        onStep?.(stage, step);
      }
    } finally {
      trainer.dispose();
    }
    return results;
  };
  try {
    const vqvae = only === "decoder" ? [] : await train("vqvae", tokenizerStage(context));
    const codes = given ?? (await trainingCodes(context, () => {}));
    const decoder = only === "vqvae" ? [] : await train("decoder", await decoderStage(context, codes));
    await trained?.(captioner);
    return { vqvae, decoder, codes };
  } finally {
    captioner.dispose();
  }
}
