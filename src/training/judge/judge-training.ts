/** Training of a judge: one captured step, replayed with new batches. */

import { ReadAhead } from "../../data/read-ahead.js";
import type { ScenesDataset } from "../../data/scenes/dataset.js";
import { untracked } from "../../engine/tensor/tensor.js";
import { judgedTexts } from "../../models/judge/judge.js";
import type { JudgeBatch, JudgeModel } from "../../models/judge/model.js";
import { pixelValues } from "../../models/pixel-values.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import { ModelTraining, randomOf } from "../model-training.js";
import type { Loading, StepResult } from "../trainer.js";
import { JudgeBatches } from "./batches.js";
import type { JudgeConfig } from "./settings.js";

/** What a batch holds, ready for the GPU. */
interface Filled {
  readonly step: number;
  readonly images: Float32Array;
  readonly ids: Uint32Array;
  readonly ends: Uint32Array;
  readonly shown: Uint32Array | null;
}

/** Training of a judge on scenes. All randomness in step n depends on the seed and n alone. */
export class JudgeTraining extends ModelTraining<JudgeBatch> {
  readonly #dataset: ScenesDataset;
  readonly #tokenizer: Tokenizer;
  readonly #config: JudgeConfig;
  readonly #model: JudgeModel;
  readonly #inputs: JudgeBatch;
  readonly #batches: JudgeBatches;
  readonly #reader: ReadAhead;
  #next: { readonly step: number; readonly filled: Promise<Filled> } | null = null;
  readonly #loading = { waited: 0, loaded: 0, pictures: 0 };

  /** The model must have its initial weights. It names things if it was made with as many as the data set has. */
  constructor(
    model: JudgeModel,
    { dataset, tokenizer, config }: { dataset: ScenesDataset; tokenizer: Tokenizer; config: JudgeConfig },
  ) {
    const { gpu, side, shape } = model;
    const { judge, seed } = config;
    const { batch, negatives } = judge;
    const texts = batch * (1 + negatives);
    const inputs: JudgeBatch = [
      untracked(gpu, [batch, shape.imageSize, shape.imageSize, 3], "f32", "images"),
      untracked(gpu, [texts, shape.context], "u32", "captions"),
      untracked(gpu, [texts], "u32", "ends of captions"),
      ...(judge.naming > 0 ? [untracked(gpu, [batch, side * side], "u32", "shown")] : []),
    ];
    super(model, model.objective(batch, { naming: judge.naming }), randomOf(gpu, seed, null), [inputs], {
      learningRate: {
        peak: judge.learningRate,
        warmup: judge.warmup,
        decay: "cosine",
        // Read at each step: a time-limited run corrects it.
        get steps() {
          return judge.steps;
        },
      },
      betas: [0.9, 0.98],
      weightDecay: judge.weightDecay,
      clip: 1,
      average: { decay: 0, every: 1 },
    });
    this.#model = model;
    this.#dataset = dataset;
    this.#tokenizer = tokenizer;
    this.#config = config;
    this.#inputs = inputs;
    this.#batches = new JudgeBatches(dataset, { batch, negatives, seed });
    this.#reader = new ReadAhead(
      dataset,
      batch,
      () => judge.steps,
      (n) => this.#batches.imagesAt(n),
    );
  }

  /** How the batches came so far. */
  get loading(): Loading {
    return this.#loading;
  }

  /** Runs one step (from 1). */
  override async step(step: number): Promise<StepResult> {
    const began = performance.now();
    const { images, ids, ends, shown } = await this.#filled(step);
    this.#loading.waited += performance.now() - began;
    const [pictures, tokens, places, what] = this.#inputs;
    pictures.write(images);
    tokens.write(ids);
    places.write(ends);
    if (what && shown) what.write(shown);
    return super.step(step, () => {
      // The GPU is busy with this step: prepare the next batch in the meantime.
      if (step < this.#config.judge.steps) this.#fill(step + 1);
    });
  }

  #filled(step: number): Promise<Filled> {
    if (this.#next?.step !== step) this.#fill(step);
    return this.#next!.filled;
  }

  #fill(step: number): void {
    const filled = this.#made(step);
    // A rejection is reported by `step`, which awaits it.
    filled.catch(() => {});
    this.#next = { step, filled };
  }

  async #made(step: number): Promise<Filled> {
    const began = performance.now();
    const reading = this.#reader.at(step - 1);
    const { images, texts } = this.#batches.at(step - 1);
    const { context } = this.#model.shape;
    const { ids, ends } = judgedTexts(this.#tokenizer, context, texts);
    const shown = this.#inputs[3] ? this.#dataset.shown!.at(images, this.#model.side) : null;
    const bytes = await reading;
    this.#loading.loaded += performance.now() - began;
    this.#loading.pictures += images.length;
    return { step, images: pixelValues(bytes), ids, ends, shown };
  }
}
