/** The whole captioner: image → VQ-VAE codes y → D3PM decoder denoises x_T … x_0 → caption. */

import type { Config } from "../config/config.js";
import { Gpu } from "../engine/gpu/gpu.js";
import { noGrad } from "../engine/tensor/tape.js";
import { Tensor } from "../engine/tensor/tensor.js";
import type { StoredTensor } from "../engine/weights/safetensors.js";
import { openDevice } from "../platform/device.js";
import type { JsonRecord } from "../platform/json.js";
import type { Files, FolderFiles } from "../platform/platform.js";
import { promptWaits } from "../platform/prompt-waits.js";
import { bytesOf, captionAll, captionCodes, encodeAll, reconstructAll } from "./batch.js";
import { type DenoiseStep, denoiseCodes, inSlices } from "./denoise-stream.js";
import {
  assemble,
  type DownloadOptions,
  downloadFolder,
  type Precision,
  readFolder,
  saveModel,
  settingsIn,
} from "./files.js";
import { CaptionModel } from "./model.js";
import type { BatchOptions, Caption, DenoiseOptions, RgbaImage } from "./options.js";
import { type ImageOrFile, usable } from "./picture-source.js";
import type { ImageFit } from "./picture-tensor.js";
import { ImageWatch, type WatchOptions } from "./watch.js";

/** Options of `Captioner.load`. */
export interface LoadOptions extends DownloadOptions {
  /** The caller's device; the captioner never destroys it. Without `device` and `gpu` the captioner opens a device itself. */
  device?: GPUDevice;
  /** An existing engine, which may run other work too. */
  gpu?: Gpu;
  /** Storage of the decoder's weights and values; default: as in training where the adapter supports it, else float32. */
  precision?: Precision;
  /**
   * Called with the captioner, whose weights are still undefined, while they are downloaded: a caption of any picture compiles the
   * kernels meanwhile. `load` waits for it, and fails if it does.
   */
  whileLoading?: ((captioner: Captioner) => Promise<void>) | undefined;
}

/**
 * The whole model: pictures in, captions out, on one device. Created by `Captioner.load` or
 * `Captioner.fromFolder`.
 */
export class Captioner extends CaptionModel {
  /** Frees what `load` opened beside the networks. */
  private owned: () => void = () => {};

  // ---------------------------------------------------------------- one picture, step by step

  /** The codes y of a picture: ids [1, S] on the GPU, read with `read()` or `buffer`. The caller disposes of them. */
  async codes(source: ImageOrFile, fit: ImageFit = "contain"): Promise<Tensor<"u32">> {
    return this.codesOf(await usable(this.gpu, source), fit);
  }

  /**
   * Watches a texture that changes from frame to frame. Gives its codes and the cross-attention of the words as GPU buffers, for
   * the shaders of a page. `words` is a caption; `_` is a [MASK]. The texture must live as long as the watch. The caller disposes
   * of the watch.
   */
  watch(texture: GPUTexture, words: string, options: WatchOptions = {}): ImageWatch {
    return new ImageWatch(this, texture, words, options);
  }

  /**
   * Denoises the caption of a picture (or of its codes [1, S]) and yields each step; the last step holds the caption. Throws the
   * signal's reason when aborted. Ending the loop early frees everything too.
   */
  async *denoise(
    picture: ImageOrFile | Tensor<"u32">,
    options: DenoiseOptions = {},
  ): AsyncGenerator<DenoiseStep, void> {
    options.signal?.throwIfAborted();
    const given = picture instanceof Tensor;
    const source = given ? picture : await usable(this.gpu, picture);
    const codes =
      source instanceof Tensor
        ? source
        : inSlices(this.gpu, options.slice, () => this.codesOf(source, options.fit));
    try {
      yield* denoiseCodes(this, codes, options);
    } finally {
      if (!given) codes.dispose();
    }
  }

  /** The caption of a picture, or of its codes [1, S]: the last step of `denoise`. */
  async caption(picture: ImageOrFile | Tensor<"u32">, options: DenoiseOptions = {}): Promise<Caption> {
    let last: DenoiseStep | null = null;
    for await (const step of this.denoise(picture, options)) last = step;
    const { tokens, text } = last!;
    return { text, tokens };
  }

  /** Decodes codes [1, S] to a picture with the image tokenizer. */
  async reconstruct(codes: Tensor<"u32">): Promise<RgbaImage> {
    const { imageSize: size } = this.config.data;
    const decoded = this.gpu.scope(() => noGrad(() => this.imageTokenizer.decode(codes)));
    const reading = decoded.read();
    decoded.dispose();
    const rgb = bytesOf(await reading);
    const data = new Uint8ClampedArray(size * size * 4).fill(255);
    for (let pixel = 0; pixel < size * size; pixel++)
      data.set(rgb.subarray(pixel * 3, pixel * 3 + 3), pixel * 4);
    return { width: size, height: size, data };
  }

  // ---------------------------------------------------------------- many pictures

  /** Codes of pictures given as bytes [n, size, size, 3]: ids [n · S], row by row of each grid. */
  encodeAll(images: Uint8Array, onProgress?: (done: number, total: number) => void): Promise<Uint32Array> {
    return encodeAll(this, images, onProgress);
  }

  /** Reconstructs pictures, bytes [n, size, size, 3], from ids [n · S]. */
  reconstructAll(codes: Uint32Array): Promise<Uint8Array> {
    return reconstructAll(this, codes);
  }

  /** Captions pictures given as bytes [n, size, size, 3]. Their codes stay on the GPU. */
  captionAll(images: Uint8Array, options: BatchOptions = {}): Promise<Caption[]> {
    return captionAll(this, images, options);
  }

  /** Captions pictures given as their codes [n · S]. */
  captionCodes(codes: Uint32Array, options: BatchOptions = {}): Promise<Caption[]> {
    return captionCodes(this, codes, options);
  }

  // ---------------------------------------------------------------- files

  /**
   * Writes `model.safetensors` and `config.json` into a folder. `weights` are named `vqvae.…` and `decoder.…`; with
   * `half` the decoder's and the VQ-VAE's weights are stored as float16, the codebook as float32.
   */
  save(
    files: Files,
    folder: string,
    weights: ReadonlyMap<string, StoredTensor>,
    options: { half?: boolean; about?: JsonRecord } = {},
  ): Promise<void> {
    return saveModel(this, files, folder, weights, options);
  }

  /** Reads the settings that `save` wrote, without a device, to compare them with others. Throws as `fromFolder` does. */
  static settings(files: FolderFiles, folder: string): Promise<Config> {
    return settingsIn(files, folder);
  }

  /** Loads a captioner that `save` wrote. Throws a `UserError` that names the file if something is missing or does not fit. */
  static async fromFolder(
    gpu: Gpu,
    files: FolderFiles,
    folder: string,
    { precision }: Pick<LoadOptions, "precision"> = {},
  ): Promise<Captioner> {
    const stored = await readFolder(files, folder);
    return assemble(Captioner, { gpu, stored, precision }, async () => stored);
  }

  /**
   * Loads a captioner that `save` wrote from the web address of its folder. The weights are verified against the hash in
   * config.json and kept in Cache Storage where available. Throws a `UserError` that names the address if something does not fit.
   */
  static async load(url: string | URL, options: LoadOptions = {}): Promise<Captioner> {
    const folder = await downloadFolder(url, options);
    const device = options.gpu ? null : (options.device ?? (await openDevice()));
    const rest = device && (await promptWaits(device));
    const gpu = options.gpu ?? Gpu.from(device!, rest ? { rest } : {});
    const release = () => {
      if (!options.gpu) gpu.dispose();
      if (!options.gpu && !options.device) device!.destroy();
    };
    try {
      const { precision, whileLoading } = options;
      const captioner = await assemble(Captioner, { gpu, stored: folder, precision }, async (unfilled) => {
        const [stored, prepared] = await Promise.allSettled([folder.weights(), whileLoading?.(unfilled)]);
        if (stored.status === "rejected") throw stored.reason;
        if (prepared.status === "rejected") throw prepared.reason;
        return stored.value;
      });
      captioner.owned = release;
      return captioner;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Frees the networks, and the engine and the device if `load` opened them. */
  override dispose(): void {
    super.dispose();
    this.owned();
    this.owned = () => {};
  }
}
