/**
 * Runs the networks on a texture that a page redraws every frame: its codes, and where given words look in it, as GPU buffers.
 */

import type { CapturedWork } from "../engine/gpu/gpu.js";
import { noGrad } from "../engine/tensor/tape.js";
import { fromArray, type Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";
import { parseTemplate } from "../text/template.js";
import { inSlices } from "./denoise-stream.js";
import type { CaptionModel } from "./model.js";
import type { ImageFit } from "./picture-tensor.js";

/** Options of `Captioner.watch`. */
export interface WatchOptions {
  /** How to fit a texture that is not square. */
  fit?: ImageFit;
  /** The step t, 1 … T, whose noise level the network assumes for the words; default 1, the lowest. */
  t?: number;
}

/**
 * Made by `Captioner.watch`. Both tensors stay the same from update to update, so a page binds each `buffer` once. Each tensor is
 * written by one dispatch, so a frame never sees a partial update.
 */
export class ImageWatch {
  /** Ids [1, S], row by row of the code grid. */
  readonly codes: Tensor<"u32">;
  /** `[L, S]`: the cross-attention of each position of the caption, mean over heads and blocks; see `DenoiseStep.attention`. */
  readonly attention: Tensor;
  /** L: positions of a caption, the rows of `attention`. */
  readonly length: number;
  private readonly captioner: CaptionModel;
  private readonly tokens: Tensor<"u32">;
  private readonly time: Tensor<"u32">;
  private readonly work: CapturedWork;

  constructor(
    captioner: CaptionModel,
    texture: GPUTexture,
    words: string,
    { fit, t = 1 }: WatchOptions = {},
  ) {
    const { gpu, decoder, imageTokenizer } = captioner;
    const { length } = decoder.shape;
    const { steps: timesteps } = decoder;
    if (!decoder.attention)
      throw new UserError(`A ${captioner.config.model} decoder cannot show where its words look.`);
    if (!Number.isInteger(t) || t < 1 || t > timesteps)
      throw new UserError(`The step is ${t}; it must be a whole number from 1 to ${timesteps}.`);
    this.captioner = captioner;
    this.length = length;
    const ids = this.ids(words);
    this.tokens = fromArray(gpu, ids, [1, length], "u32", "watched words").keep();
    this.time = fromArray(gpu, [t], [1], "u32", "watched step").keep();
    const look = () =>
      noGrad(() => {
        const codes = imageTokenizer.encode(captioner.picture(texture, fit)).keep();
        return { codes, attention: decoder.attention!(this.tokens, this.time, codes).keep() };
      });
    try {
      const { work, result } = gpu.capture(look);
      this.work = work;
      this.codes = result.codes;
      this.attention = result.attention;
    } catch (error) {
      this.tokens.dispose();
      this.time.dispose();
      throw error;
    }
  }

  /** Sets the words from the next update on. Throws a `UserError` for words that the model does not know. */
  setWords(words: string): void {
    this.tokens.write(this.ids(words));
  }

  private ids(words: string): Uint32Array {
    const { at, words: ids } = parseTemplate(words, this.captioner.tokenizer, this.length);
    const { vocabulary } = this.captioner.decoder.shape;
    // Gaps are [MASK].
    return ids.map((id, i) => (at[i] ? id : vocabulary));
  }

  /**
   * Processes the texture as it is now (after the work that the page has submitted), and resolves when the device is done. With
   * `slice` the work is split into parts, and the device runs the page's submissions between them. Nothing is read back.
   */
  async update({ slice }: { slice?: { milliseconds: number } } = {}): Promise<void> {
    await this.work.ready();
    inSlices(this.captioner.gpu, slice, () => this.work.run());
    await this.captioner.gpu.idle();
  }

  /** Frees everything that it holds, including `codes` and `attention`. */
  dispose(): void {
    this.work.dispose();
    for (const tensor of [this.codes, this.attention, this.tokens, this.time]) tensor.dispose();
  }
}
