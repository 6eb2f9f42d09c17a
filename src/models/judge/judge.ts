/** The judge for programs: pictures and captions in, features out, in batches. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../engine/tensor/tensor.js";
import { loadWeights } from "../../engine/weights/weights.js";
import { UserError } from "../../platform/errors.js";
import type { FolderFiles } from "../../platform/platform.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import { pixelValues } from "../pixel-values.js";
import { type JudgeData, readJudge, type StoredJudge } from "./files.js";
import { JudgeModel } from "./model.js";
import type { JudgeShape } from "./shape.js";

/** Pictures and texts of one batch on the GPU. */
const picturesPerBatch = 64;
const textsPerBatch = 128;

/** Pixels of a picture: rows from the top, RGB side by side, 0 … 255. */
export interface JudgedPicture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** The tokens of some texts with the places of their ends among all of them, for `JudgeModel.encodeTexts`. */
export function judgedTexts(
  tokenizer: Tokenizer,
  context: number,
  texts: readonly string[],
): { ids: Uint32Array; ends: Uint32Array } {
  const ids = new Uint32Array(texts.length * context);
  const ends = new Uint32Array(texts.length);
  for (const [i, text] of texts.entries()) {
    const fixed = tokenizer.encodeFixed(text, context);
    ids.set(fixed, i * context);
    ends[i] = i * context + fixed.indexOf(tokenizer.endId);
  }
  return { ids, ends };
}

/** A model of the judge with its words: features of many pictures and texts. */
export class JudgeEncoder {
  readonly model: JudgeModel;
  readonly tokenizer: Tokenizer;

  /** The model stays the caller's. */
  constructor(model: JudgeModel, tokenizer: Tokenizer) {
    this.model = model;
    this.tokenizer = tokenizer;
  }

  /** Sizes. */
  get shape(): JudgeShape {
    return this.model.shape;
  }

  /** Features of length 1, [n, F], of pictures of the judge's size. Throws a `UserError` for another size. */
  async encodeImages(pictures: readonly JudgedPicture[]): Promise<Float32Array> {
    const { imageSize } = this.shape;
    const wrong = pictures.find(
      ({ width, height, data }) =>
        width !== imageSize || height !== imageSize || data.length !== imageSize ** 2 * 3,
    );
    if (wrong)
      throw new UserError(
        `the judge reads RGB pictures of ${imageSize} × ${imageSize} pixels, not of ${wrong.width} × ${wrong.height}`,
      );
    const each = imageSize ** 2 * 3;
    return this.#inBatches(pictures.length, picturesPerBatch, (first, count) => {
      const values = new Float32Array(count * each);
      for (let i = 0; i < count; i++)
        pixelValues(pictures[first + i]!.data, values.subarray(i * each, (i + 1) * each));
      const { gpu } = this.model;
      return this.model.encodeImages(
        fromArray(gpu, values, [count, imageSize, imageSize, 3], "f32", "judged pictures"),
      );
    });
  }

  /** Features of length 1, [n, F]. Texts that are too long are cut. */
  async encodeTexts(
    texts: readonly string[],
    { onProgress }: { onProgress?: ((done: number, total: number) => void) | undefined } = {},
  ): Promise<Float32Array> {
    const { context } = this.shape;
    const { gpu } = this.model;
    return this.#inBatches(
      texts.length,
      textsPerBatch,
      (first, count) => {
        const { ids, ends } = judgedTexts(this.tokenizer, context, texts.slice(first, first + count));
        return this.model.encodeTexts(
          fromArray(gpu, ids, [count, context], "u32", "judged texts"),
          fromArray(gpu, ends, [count], "u32", "ends of texts"),
        );
      },
      onProgress,
    );
  }

  async #inBatches(
    total: number,
    most: number,
    forward: (first: number, count: number) => Tensor,
    onProgress?: (done: number, total: number) => void,
  ): Promise<Float32Array> {
    const width = this.shape.features;
    const result = new Float32Array(total * width);
    for (let first = 0; first < total; first += most) {
      const count = Math.min(most, total - first);
      const features = this.model.gpu.scope(() => noGrad(() => forward(first, count)));
      result.set(await features.read().finally(() => features.dispose()), first * width);
      onProgress?.(first + count, total);
    }
    return result;
  }
}

/** A trained judge, on one device. */
export class Judge extends JudgeEncoder {
  /** SHA-256 of the weights, by which features can be kept. */
  readonly sha256: string;
  /** What it was trained on. */
  readonly data: JudgeData;

  /** Fills a model with stored weights. Throws a `UserError` that names the tensor if one does not fit. */
  constructor(gpu: Gpu, stored: StoredJudge) {
    const model = new JudgeModel(gpu, stored.shape);
    super(model, stored.tokenizer);
    this.sha256 = stored.sha256;
    this.data = stored.data;
    try {
      loadWeights(model, stored.tensors, stored.name);
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /** Loads a judge that `node dist/judge.js train` wrote. Throws a `UserError` that names the file if something does not fit. */
  static async fromFolder(gpu: Gpu, files: FolderFiles, folder: string): Promise<Judge> {
    return new Judge(gpu, await readJudge(files, folder));
  }

  /** Frees the weights. */
  dispose(): void {
    this.model.dispose();
  }
}
