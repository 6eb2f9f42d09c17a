/** The networks of a captioner with their tokenizer: shared by streams, batches and files. */

import { type Config, settingsOf } from "../config/config.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { noGrad } from "../engine/tensor/tape.js";
import { fromArray, type Tensor } from "../engine/tensor/tensor.js";
import type { CaptionDecoder } from "../models/caption-decoder.js";
import type { ImageTokenizer } from "../models/image-tokenizer.js";
import { pixelValues } from "../models/pixel-values.js";
import { captionDecoders, imageTokenizers } from "../models/registry.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { type ImageSource, imageTensor } from "./picture-source.js";
import type { ImageFit } from "./picture-tensor.js";

/** Codes of pictures that were encoded before. */
export interface CodeStore {
  /** The ids [n · S] of pictures, bytes [n, size, size, 3]; `encode` computes those that are not kept. */
  codes(images: Uint8Array, encode: () => Promise<Uint32Array>): Promise<Uint32Array>;
}

export class CaptionModel {
  readonly gpu: Gpu;
  readonly config: Config;
  readonly tokenizer: Tokenizer;
  /** Pictures → codes. */
  readonly imageTokenizer: ImageTokenizer;
  /** Codes → captions. */
  readonly decoder: CaptionDecoder;
  /** Where the codes of pictures are kept, for a frozen image tokenizer that takes long; null: nowhere. */
  codeStore: CodeStore | null = null;
  /** Networks whose weights are still undefined. Code that loads weights from a file removes them. */
  readonly unset: Set<ImageTokenizer | CaptionDecoder>;

  /**
   * Creates the networks that the configuration names, with random weights that depend on `config.seed`; without `initialise`
   * their weights are undefined until a file or `initialise()` sets them. Throws a `UserError` if the device cannot hold them.
   */
  constructor(gpu: Gpu, config: Config, tokenizer: Tokenizer, { initialise = true } = {}) {
    this.gpu = gpu;
    this.config = config;
    this.tokenizer = tokenizer;
    this.imageTokenizer = imageTokenizers.get(config.imageTokenizer).create(gpu, config);
    try {
      this.decoder = captionDecoders.get(config.model).create(gpu, config, {
        vocabulary: tokenizer.vocabularySize,
        endId: tokenizer.endId,
        images: this.imageTokenizer,
      });
    } catch (error) {
      this.imageTokenizer.dispose();
      throw error;
    }
    this.unset = new Set([this.imageTokenizer, this.decoder]);
    if (initialise) this.initialise();
    // They are left out on purpose, and may run so: what kernels compile to and how long they take does not depend on weights.
    else for (const network of this.unset) for (const { tensor } of network.parameters()) tensor.watch = null;
  }

  /** Gives random weights to those of `networks` that have none. */
  initialise(networks: readonly (ImageTokenizer | CaptionDecoder)[] = [...this.unset]): void {
    for (const network of networks) if (this.unset.delete(network)) network.initialise(this.config.seed);
  }

  /** Settings for the networks' objectives: the sections of their kinds. */
  get settings(): { imageTokenizer: object; decoder: object } {
    const { config } = this;
    return {
      imageTokenizer: settingsOf(config, imageTokenizers.get(config.imageTokenizer)),
      decoder: settingsOf(config, captionDecoders.get(config.model)),
    };
  }

  /** Whether the image tokenizer is trained: one without an objective is frozen. */
  get trainsTokenizer(): boolean {
    return this.imageTokenizer.objective !== undefined;
  }

  /** S: code positions of a picture. */
  get positions(): number {
    return this.decoder.shape.side ** 2;
  }

  /** A picture as network input, [1, size, size, 3] in [-1, 1]; see `imageTensor`. Records work, reads nothing back. */
  picture(source: ImageSource, fit: ImageFit = "contain"): Tensor {
    return imageTensor(this.gpu, source, this.config.data.imageSize, fit);
  }

  /** The codes y of a picture, ids [1, S]. The caller disposes of them. Records work, reads nothing back. */
  codesOf(source: ImageSource, fit?: ImageFit): Tensor<"u32"> {
    return this.gpu.scope(() => noGrad(() => this.imageTokenizer.encode(this.picture(source, fit)))).keep();
  }

  /** Bytes [n, size, size, 3] of pictures → [n, size, size, 3] in [-1, 1]. */
  imageTensor(images: Uint8Array): Tensor {
    const { imageSize: size } = this.config.data;
    return fromArray(
      this.gpu,
      pixelValues(images),
      [images.length / (size * size * 3), size, size, 3],
      "f32",
      "images",
    );
  }

  /** Frees the networks. */
  dispose(): void {
    this.imageTokenizer.dispose();
    this.decoder.dispose();
  }
}
