/** Training of an image tokenizer on pictures. */

import type { Config } from "../config/config.js";
import { noGrad } from "../engine/tensor/tape.js";
import { type Tensor, untracked } from "../engine/tensor/tensor.js";
import type { ImageTokenizer } from "../models/image-tokenizer.js";
import { pixelValues } from "../models/pixel-values.js";
import { UserError } from "../platform/errors.js";
import { planned } from "./captured-step.js";
import { ModelTraining, partOf, randomOf, type StepHook } from "./model-training.js";
import type { Loading, StepResult } from "./trainer.js";

/**
 * Fills `images` [B, S, S, 3] with the pictures of batch n (from 0), bytes 0 … 255. Where several processes train together, B is
 * the number of pictures in each process's part, and these are its own. For a tokenizer with things it also fills `shown` [B, S²]
 * with what the places of the code grid show: the number of the thing, or `things` for the ground.
 */
export type ImageBatches = (step: number, images: Uint8Array, shown: Uint32Array) => void | Promise<void>;

/** Options of `TokenizerTraining`. */
export interface TokenizerTrainingOptions {
  /** Settings of the tokenizer's kind; default: `config`, which holds those of the VQ-VAE. */
  settings?: object;
  hook?: StepHook | null;
}

/** Training of an image tokenizer: one captured step, replayed with new batches. */
export class TokenizerTraining extends ModelTraining<[images: Tensor, ...shown: Tensor<"u32">[]]> {
  readonly tokenizer: ImageTokenizer;
  private readonly config: Config["vqvae"];
  private readonly batches: ImageBatches;
  private readonly bytes: Uint8Array;
  private readonly values: Float32Array<ArrayBuffer>;
  private readonly images: Tensor;
  private readonly shownValues: Uint32Array;
  private readonly shown: readonly Tensor<"u32">[];
  /** The step whose batch `values` holds or will hold. */
  private filled = 0;
  private filling: Promise<void> = Promise.resolve();
  readonly #loading = { waited: 0, loaded: 0, pictures: 0 };

  /** Throws if the tokenizer is frozen, which means that it has no objective. */
  constructor(
    tokenizer: ImageTokenizer,
    config: Config["vqvae"],
    seed: number,
    batches: ImageBatches,
    { settings = config, hook = null }: TokenizerTrainingOptions = {},
  ) {
    const { gpu, imageSize } = tokenizer;
    if (!tokenizer.objective) throw new Error("a frozen image tokenizer cannot be trained");
    const random = randomOf(gpu, seed, hook);
    const processes = partOf(hook).count;
    if (config.batch % processes !== 0)
      throw new UserError(
        `vqvae.batch should be a multiple of ${processes}, the number of processes, not ${config.batch}`,
      );
    const images = untracked(gpu, [config.batch / processes, imageSize, imageSize, 3], "f32", "images");
    const places = [images.shape[0]!, tokenizer.side ** 2];
    const shown = tokenizer.things ? [untracked(gpu, places, "u32", "shown")] : [];
    super(
      tokenizer,
      tokenizer.objective(settings, random),
      random,
      [[images, ...shown]],
      optimizerOf(config),
      hook,
    );
    this.tokenizer = tokenizer;
    this.config = config;
    this.batches = batches;
    this.images = images;
    this.shown = shown;
    this.shownValues = new Uint32Array(shown[0]?.size ?? 0);
    this.bytes = new Uint8Array(images.size);
    this.values = new Float32Array(images.size);
  }

  /** How the batches came so far. */
  get loading(): Loading {
    return this.#loading;
  }

  /** Fills `values` with the batch of a step, in [-1, 1]. */
  private fill(step: number): void {
    this.filled = step;
    this.filling = this.filling
      .catch(() => {})
      .then(async () => {
        const began = performance.now();
        await this.batches(step - 1, this.bytes, this.shownValues);
        pixelValues(this.bytes, this.values);
        this.#loading.loaded += performance.now() - began;
        this.#loading.pictures += this.images.shape[0]!;
      });
    // A rejection is reported by `step`, which awaits it.
    this.filling.catch(() => {});
  }

  /** Runs one step (from 1). Step 1 first initialises the objective's statistics from its batch. */
  override async step(step: number): Promise<StepResult> {
    const began = performance.now();
    if (this.filled !== step) this.fill(step);
    await this.filling;
    this.#loading.waited += performance.now() - began;
    this.images.write(this.values);
    this.shown[0]?.write(this.shownValues);
    if (step === 1) {
      this.random.setStep(step);
      await this.start();
    }
    return super.step(step, () => {
      // The GPU is busy with this step: prepare the next batch in the meantime.
      if (step < this.config.steps) this.fill(step + 1);
    });
  }

  /** Initialises the objective's statistics. */
  private async start(): Promise<void> {
    const part = partOf(this.hook);
    if (part.count === 1) {
      noGrad(() => this.objective.start?.(this.images));
      return;
    }
    const shared = noGrad(() => this.objective.startShared?.(part, this.images));
    if (!shared) return;
    await this.hook!.reduce([], shared.sums);
    noGrad(() => shared.apply());
    for (const tensor of [...shared.sums, ...shared.kept]) tensor.dispose();
  }

  /** Dry run of the first step; see `planned`. */
  override plan(): void {
    planned(this.gpu, () => noGrad(() => this.objective.start?.(this.images)));
    super.plan();
  }
}

function optimizerOf(config: Config["vqvae"]) {
  return {
    learningRate: {
      peak: config.learningRate,
      warmup: config.warmup,
      decay: config.learningRateDecay,
      // Read at each step: a time-limited run corrects it.
      get steps() {
        return config.steps;
      },
    },
    betas: [0.9, 0.99] as const,
    weightDecay: 0,
    clip: 1,
    average: { decay: 0, every: 1 },
  };
}
