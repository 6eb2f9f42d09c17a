/** The networks of a captioner with their tokenizer and schedule: what sampling, streams, batches and files work on. */

import type { Config } from "../config/config.js";
import { type TransitionTable, transitionTable } from "../diffusion/coefficients.js";
import { Schedule } from "../diffusion/schedule.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { noGrad } from "../engine/tensor/tape.js";
import { fromArray, type Tensor } from "../engine/tensor/tensor.js";
import { Decoder } from "../models/mc-diffusion/decoder.js";
import { VqVae } from "../models/vqvae/vqvae.js";
import { UserError } from "../platform/errors.js";
import type { WordTokenizer } from "../text/words.js";
import { type PictureSource, pictureTensor } from "./picture-source.js";
import type { PictureFit } from "./picture-tensor.js";

export class CaptionModel {
  readonly gpu: Gpu;
  readonly config: Config;
  readonly tokenizer: WordTokenizer;
  readonly schedule: Schedule;
  readonly vqvae: VqVae;
  readonly decoder: Decoder;
  private readonly tables = new Map<string, TransitionTable>();

  /**
   * Networks of the configured size with random weights that depend on `config.seed`; without `initialise` their weights
   * are undefined until the caller has set them all.
   */
  constructor(gpu: Gpu, config: Config, tokenizer: WordTokenizer, { initialise = true } = {}) {
    const { data, vqvae, decoder } = config;
    if (decoder.precision === "float16" && !gpu.has("shader-f16")) {
      throw new UserError(
        `decoder.precision=float16 needs the WebGPU feature shader-f16, which this adapter (${gpu.description}) does not have; float32 works everywhere`,
      );
    }
    this.gpu = gpu;
    this.config = config;
    this.tokenizer = tokenizer;
    this.schedule = new Schedule({
      tokens: tokenizer.vocabularySize,
      steps: decoder.timesteps,
      ends: decoder.schedule,
    });
    this.vqvae = new VqVae(gpu, {
      imageSize: data.imageSize,
      channels: vqvae.channels,
      codes: vqvae.codes,
      codeDim: vqvae.codeDim,
      downsample: vqvae.downsample,
      resBlocks: vqvae.resBlocks,
      attention: vqvae.attention,
    });
    const sees = decoder.conditionEmbedding === "vectors";
    this.decoder = new Decoder(
      gpu,
      {
        vocabulary: tokenizer.vocabularySize,
        length: data.maxLength,
        codes: vqvae.codes,
        side: data.imageSize / 2 ** vqvae.downsample,
        timesteps: decoder.timesteps,
        dim: decoder.dim,
        blocks: decoder.blocks,
        heads: decoder.heads,
        mlpRatio: decoder.mlpRatio,
        conditionBlocks: decoder.conditionBlocks,
        summaryTokens: decoder.summaryTokens,
        dropout: decoder.dropout,
        codeDim: sees ? vqvae.codeDim : null,
        filler: decoder.filler,
        precision: decoder.precision === "float16" ? "f16" : "f32",
      },
      sees ? this.vqvae.codebook : null,
    );
    if (!initialise) return;
    this.vqvae.initialise(config.seed);
    this.decoder.initialise(config.seed);
  }

  /** S: code positions of a picture. */
  get positions(): number {
    return this.decoder.shape.side ** 2;
  }

  /** A picture as the networks take it, [1, size, size, 3] in [-1, 1]; see `pictureTensor`. Records work, reads nothing back. */
  picture(source: PictureSource, fit: PictureFit = "contain"): Tensor {
    return pictureTensor(this.gpu, source, this.config.data.imageSize, fit);
  }

  /** The codes y of a picture, ids [1, S]: the caller's to dispose of. Records work, reads nothing back. */
  codesOf(source: PictureSource, fit?: PictureFit): Tensor<"u32"> {
    return this.gpu.scope(() => noGrad(() => this.vqvae.encode(this.picture(source, fit)))).keep();
  }

  /** Bytes [n, size, size, 3] of pictures → [n, size, size, 3] in [-1, 1]. */
  imageTensor(images: Uint8Array): Tensor {
    const { imageSize: size } = this.config.data;
    // A plain loop: `Float32Array.from` with a function takes ten times as long.
    const values = new Float32Array(images.length);
    for (let i = 0; i < images.length; i++) values[i] = images[i]! / 127.5 - 1;
    return fromArray(this.gpu, values, [images.length / (size * size * 3), size, size, 3], "f32", "images");
  }

  /** The process over the visited steps, a falling list; kept for the next time. */
  table(visits: readonly number[]): TransitionTable {
    const key = visits.join();
    let table = this.tables.get(key);
    if (!table) {
      table = transitionTable(this.gpu, this.schedule, visits);
      this.tables.set(key, table);
    }
    return table;
  }

  /** Frees the networks. */
  dispose(): void {
    for (const table of this.tables.values()) table.dispose();
    this.tables.clear();
    this.vqvae.dispose();
    this.decoder.dispose();
  }
}
