/** CLIP for programs: pictures and texts in, features and similarities out, in batches. */

import { Gpu } from "../../engine/gpu/gpu.js";
import { float16ToFloat32 } from "../../engine/tensor/float16.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../engine/tensor/tensor.js";
import { loadWeights } from "../../engine/weights/weights.js";
import { cosine } from "../../metrics/clip-score.js";
import { openDevice } from "../../platform/device.js";
import { UserError } from "../../platform/errors.js";
import type { FolderFiles } from "../../platform/platform.js";
import { type ClipDownload, downloadClip, readClip, type StoredClip } from "./files.js";
import { ClipModel } from "./model.js";
import { type ClipImage, clipPixels } from "./picture.js";
import { clipCrop, clipNormalised } from "./preprocess.js";

/** Pictures and texts of one batch on the GPU. */
const picturesPerBatch = 32;
const textsPerBatch = 64;

/** Turns a text into the ids of its tokens, start and end included, at most `context` of them, the last of which is the end. */
export type ClipTokenize = (text: string, context: number) => ArrayLike<number>;

/** A text, or its token ids with an end token among them. */
export type ClipText = string | ArrayLike<number>;

/** Options of `Clip.fromFolder`. */
export interface ClipOptions {
  /** Turns texts into ids; default: by the vocabulary in the folder. Without either, texts are given as ids. */
  tokenize?: ClipTokenize | undefined;
}

/** Options of `Clip.load`. */
export interface ClipLoadOptions extends ClipOptions, ClipDownload {
  /** The caller's device; never destroyed. Without `device` and `gpu` one is opened. */
  device?: GPUDevice;
  /** An existing engine, which may run other work too. */
  gpu?: Gpu;
}

/** Options of encoding many pictures or texts. */
export interface ClipEncodeOptions {
  signal?: AbortSignal | undefined;
  /** Called after each batch. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** How well texts describe a picture, in the order of the texts. */
export interface ClipSimilarity {
  /** Cosines of the features, −1 … 1. */
  readonly cosines: readonly number[];
  /** Cosines times the scale that the model has learned. */
  readonly logits: readonly number[];
  /** Softmax of the logits: the probability of each text if exactly one of them is the picture's. */
  readonly probabilities: readonly number[];
}

/** A CLIP with weights, on one device. Made by `Clip.load` or `Clip.fromFolder`. */
export class Clip extends ClipModel {
  /** SHA-256 of the weights, by which features can be kept. */
  readonly sha256: string;
  readonly #tokenize: ClipTokenize | undefined;
  readonly #scale: number;
  /** Frees what `load` opened beside the model. */
  #owned: () => void = () => {};

  /** Fills a model with stored weights. Throws a `UserError` that names the tensor if one does not fit. */
  constructor(gpu: Gpu, stored: StoredClip, { tokenize }: ClipOptions = {}) {
    super(gpu, stored.shape);
    this.sha256 = stored.sha256;
    const { bpe } = stored;
    this.#tokenize =
      tokenize ??
      (bpe
        ? (text, context) => [...[bpe.startId, ...bpe.encode(text)].slice(0, context - 1), bpe.endId]
        : undefined);
    try {
      loadWeights(this, stored.tensors, stored.name);
    } catch (error) {
      this.dispose();
      throw error;
    }
    const { data } = stored.tensors.get("logitScale")!;
    this.#scale = Math.exp(Number(data instanceof Uint16Array ? float16ToFloat32(data)[0] : data[0]));
  }

  /** Loads a CLIP that `node dist/import.js clip` wrote. Throws a `UserError` that names the file if something does not fit. */
  static async fromFolder(
    gpu: Gpu,
    files: FolderFiles,
    folder: string,
    options: ClipOptions = {},
  ): Promise<Clip> {
    return new Clip(gpu, await readClip(files, folder), options);
  }

  /**
   * Loads a CLIP that `node dist/import.js clip` wrote from the web address of its folder. The weights are verified against the
   * hash in config.json and kept in Cache Storage where available. Throws a `UserError` if something does not fit.
   */
  static async load(url: string | URL, options: ClipLoadOptions = {}): Promise<Clip> {
    const stored = await downloadClip(url, options);
    const device = options.gpu ? null : (options.device ?? (await openDevice()));
    const gpu = options.gpu ?? Gpu.from(device!);
    const release = () => {
      if (!options.gpu) gpu.dispose();
      if (!options.gpu && !options.device) device!.destroy();
    };
    try {
      const clip = new Clip(gpu, stored, options);
      clip.#owned = release;
      return clip;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Features of pictures, [n · features], not normalised. Throws the signal's reason when aborted. */
  async encodeImages(pictures: readonly ClipImage[], options: ClipEncodeOptions = {}): Promise<Float32Array> {
    const { imageSize: size } = this.image;
    const each = size * size * 3;
    const order = pictures.map((_, i) => i);
    return this.#inBatches(order, picturesPerBatch, options, async (numbers) => {
      const bytes = new Uint8Array(numbers.length * each);
      for (const [i, number] of numbers.entries())
        bytes.set(clipCrop(await clipPixels(pictures[number]!), size), i * each);
      const shape = [numbers.length, size, size, 3];
      return () => this.image.forward(fromArray(this.gpu, clipNormalised(bytes), shape, "f32", "pictures"));
    });
  }

  /**
   * Features of texts, [n · features], not normalised. Texts of similar length share a batch. Throws a `UserError` if a text
   * cannot be read, the signal's reason when aborted.
   */
  async encodeTexts(texts: readonly ClipText[], options: ClipEncodeOptions = {}): Promise<Float32Array> {
    const ids = texts.map((text) => this.idsOf(text));
    const lengths = ids.map((list) => this.text.lengthOf(list));
    const order = texts.map((_, i) => i).sort((a, b) => lengths[a]! - lengths[b]!);
    return this.#inBatches(order, textsPerBatch, options, async (numbers) => {
      const positions = lengths[numbers.at(-1)!]!;
      // What follows the end token has no effect on the features.
      const padded = new Uint32Array(numbers.length * positions);
      for (const [i, number] of numbers.entries())
        padded.set(Array.from(ids[number]!).slice(0, lengths[number]!), i * positions);
      const shape = [numbers.length, positions];
      return () =>
        this.text.forward(
          fromArray(this.gpu, padded, shape, "u32", "token ids"),
          numbers.map((number) => lengths[number]!),
        );
    });
  }

  /** How well each text describes the picture. */
  async similarity(picture: ClipImage, texts: readonly ClipText[]): Promise<ClipSimilarity> {
    const image = await this.encodeImages([picture]);
    const features = await this.encodeTexts(texts);
    const width = this.shape.features;
    const cosines = texts.map((_, i) => cosine(image, features.subarray(i * width, (i + 1) * width)));
    const logits = cosines.map((value) => this.#scale * value);
    const most = Math.max(...logits);
    const powers = logits.map((logit) => Math.exp(logit - most));
    const sum = powers.reduce((total, power) => total + power, 0);
    return { cosines, logits, probabilities: powers.map((power) => power / sum) };
  }

  /** Frees the weights, and the engine and the device if `load` opened them. */
  override dispose(): void {
    super.dispose();
    this.#owned();
    this.#owned = () => {};
  }

  /** The token ids of a text. */
  idsOf(text: ClipText): ArrayLike<number> {
    if (typeof text !== "string") return text;
    if (!this.#tokenize)
      throw new UserError(
        "this CLIP has no vocabulary: give texts as token ids, or import it again with its tokenizer.json or bpe_simple_vocab_16e6.txt.gz beside it",
      );
    return this.#tokenize(text, this.text.context);
  }

  /** Runs items in batches, in the given order; row i of the result is of item i. */
  async #inBatches(
    order: readonly number[],
    most: number,
    { signal, onProgress }: ClipEncodeOptions,
    prepare: (numbers: readonly number[]) => Promise<() => Tensor>,
  ): Promise<Float32Array> {
    const width = this.shape.features;
    const result = new Float32Array(order.length * width);
    for (let first = 0; first < order.length; first += most) {
      signal?.throwIfAborted();
      const numbers = order.slice(first, first + most);
      const forward = await prepare(numbers);
      const features = this.gpu.scope(() => noGrad(forward));
      const values = await features.read().finally(() => features.dispose());
      for (const [i, number] of numbers.entries())
        result.set(values.subarray(i * width, (i + 1) * width), number * width);
      onProgress?.(first + numbers.length, order.length);
    }
    return result;
  }
}
