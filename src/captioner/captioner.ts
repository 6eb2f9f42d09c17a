/** The whole captioner: image → VQ-VAE codes y → D3PM decoder denoises x_T … x_0 → caption. */

import { type Config, resolveConfig } from "../config/config.js";
import { type TransitionTable, transitionTable } from "../diffusion/coefficients.js";
import { sample } from "../diffusion/sampler.js";
import { Schedule } from "../diffusion/schedule.js";
import { Gpu } from "../engine/gpu/gpu.js";
import { noGrad } from "../engine/tensor/tape.js";
import { fromArray, Tensor } from "../engine/tensor/tensor.js";
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../engine/weights/safetensors.js";
import { loadWeights } from "../engine/weights/weights.js";
import { isRecord, type JsonRecord, parseJsonRecord, toJson } from "../io/json.js";
import { Decoder } from "../models/mc-diffusion/decoder.js";
import { VqVae } from "../models/vqvae/vqvae.js";
import { openDevice } from "../platform/device.js";
import { download, downloadText, sha256 } from "../platform/download.js";
import { UserError } from "../platform/errors.js";
import { lastName } from "../platform/path.js";
import type { Files, FolderFiles } from "../platform/platform.js";
import { shown } from "../platform/shown.js";
import { parseTemplate } from "../text/template.js";
import { checkFinished } from "../text/unfinished-caption.js";
import { WordTokenizer } from "../text/words.js";
import { type DenoiseOptions, type DenoiseStep, denoiseCodes, inSlices } from "./denoise-stream.js";
import { type PictureOrFile, type PictureSource, pictureTensor, usable } from "./picture-source.js";
import type { PictureFit } from "./picture-tensor.js";
import { Chain, type ChainSettings, chainSettings } from "./sampling.js";
import { PictureWatch, type WatchOptions } from "./watch.js";

/** How the captions of many pictures are drawn. What is left out is as in the model's configuration. */
export interface CaptionOptions {
  /** Denoising steps, at most T. */
  steps?: number;
  guidance?: Config["sampling"]["guidance"];
  /** ω */
  scale?: number;
  /** Keep the most likely words up to this probability mass; 1 = all. */
  topR?: number;
  /** 0 = always the most likely word. */
  temperature?: number;
  /** The last step takes the most likely word of each position, or draws it. */
  last?: Config["sampling"]["last"];
  maskMode?: Config["sampling"]["maskMode"];
  maskRate?: number;
  /** Captions may hold [UNK], which stands for any word that is not in the vocabulary. */
  allowUnknown?: boolean;
  seed?: number;
  /** Words that stay and gaps (`_`) to fill, for example "a _ _ cat". */
  template?: string;
  /** Called after each batch of pictures with how many are done. */
  onBatch?: (done: number) => void;
  /** Called after each denoising step with the tokens [n, L] reached. */
  onStep?: (step: { t: number; tokens: Uint32Array }) => void;
}

export interface Caption {
  text: string;
  /** The L token ids. */
  tokens: number[];
}

export interface LoadOptions {
  /** Your device, which stays yours: the captioner never destroys it. Without `device` and `gpu` it opens one of its own. */
  device?: GPUDevice;
  /** An engine that exists already, on which other things may run too. */
  gpu?: Gpu;
  signal?: AbortSignal;
  /** Bytes of the weights so far and in all. */
  onProgress?: (progress: { loaded: number; total: number }) => void;
  /** Keeps the weights in the browser's Cache Storage; default true. */
  cache?: boolean;
  /** Storage of the decoder's weights and values; default: as in training where the adapter can, else float32. */
  precision?: Precision;
}

export type Precision = Config["decoder"]["precision"];

/** Pixels as `ImageData` holds them. */
export interface RgbaPicture {
  width: number;
  height: number;
  /** RGBA, rows from the top. */
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** Pictures encoded and captions denoised at once; bounds memory, not results. */
export const imagesPerBatch = 64;
const configName = "config.json";
const weightsName = "model.safetensors";
const format = "mc-diffusion-captioner-1";
const configSections = ["data", "vqvae", "decoder", "sampling"] as const;

export class Captioner {
  readonly gpu: Gpu;
  readonly config: Config;
  readonly tokenizer: WordTokenizer;
  readonly schedule: Schedule;
  readonly vqvae: VqVae;
  readonly decoder: Decoder;
  private readonly tables = new Map<string, TransitionTable>();
  /** What `dispose` ends beside the captioner itself. */
  private owned: () => void = () => {};

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

  // ---------------------------------------------------------------- one picture, step by step

  /** A picture as the networks take it, [1, size, size, 3] in [-1, 1]; see `pictureTensor`. Records work, reads nothing back. */
  picture(source: PictureSource, fit: PictureFit = "contain"): Tensor {
    return pictureTensor(this.gpu, source, this.config.data.imageSize, fit);
  }

  /** The codes y of a picture, ids [1, S], on the GPU: the caller's to dispose of. `read()` and `buffer` give them. */
  async codes(source: PictureOrFile, fit: PictureFit = "contain"): Promise<Tensor<"u32">> {
    return this.codesOf(await usable(this.gpu, source), fit);
  }

  /**
   * Watches a texture that is drawn anew from frame to frame: its codes, and where the words look in it, as GPU buffers for the
   * shaders of a page. `words` is a caption; `_` is a [MASK]. The texture must live as long as the watch, the caller's to dispose of.
   */
  watch(texture: GPUTexture, words: string, options: WatchOptions = {}): PictureWatch {
    return new PictureWatch(this, texture, words, options);
  }

  private codesOf(source: PictureSource, fit?: PictureFit): Tensor<"u32"> {
    return this.gpu.scope(() => noGrad(() => this.vqvae.encode(this.picture(source, fit)))).keep();
  }

  /**
   * Denoises the caption of a picture (or of its codes [1, S]) and yields each step. Ends with the signal's reason when it is
   * aborted; ending the loop early frees everything too. The caption is the last step's.
   */
  async *denoise(
    picture: PictureOrFile | Tensor<"u32">,
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

  /** The caption of a picture, or of its codes [1, S]: the end of `denoise`. */
  async caption(picture: PictureOrFile | Tensor<"u32">, options: DenoiseOptions = {}): Promise<Caption> {
    let last: DenoiseStep | null = null;
    for await (const step of this.denoise(picture, options)) last = step;
    const { tokens, text } = last!;
    return { text, tokens };
  }

  /** The picture that the VQ-VAE makes of codes [1, S]. */
  async reconstruct(codes: Tensor<"u32">): Promise<RgbaPicture> {
    const { imageSize: size } = this.config.data;
    const decoded = this.gpu.scope(() => noGrad(() => this.vqvae.decode(codes)));
    const reading = decoded.read();
    decoded.dispose();
    const rgb = bytesOf(await reading);
    const data = new Uint8ClampedArray(size * size * 4).fill(255);
    for (let pixel = 0; pixel < size * size; pixel++)
      data.set(rgb.subarray(pixel * 3, pixel * 3 + 3), pixel * 4);
    return { width: size, height: size, data };
  }

  // ---------------------------------------------------------------- many pictures

  /** Bytes [n, size, size, 3] of pictures → [n, size, size, 3] in [-1, 1]. */
  imageTensor(images: Uint8Array): Tensor {
    const { imageSize: size } = this.config.data;
    // A plain loop: `Float32Array.from` with a function takes ten times as long.
    const values = new Float32Array(images.length);
    for (let i = 0; i < images.length; i++) values[i] = images[i]! / 127.5 - 1;
    return fromArray(this.gpu, values, [images.length / (size * size * 3), size, size, 3], "f32", "images");
  }

  /** Codes of pictures given as bytes [n, size, size, 3]: ids [n · S], row by row of each grid. */
  async encodeAll(
    images: Uint8Array,
    onProgress?: (done: number, total: number) => void,
  ): Promise<Uint32Array> {
    const { imageSize: size } = this.config.data;
    const bytes = size * size * 3;
    const count = images.length / bytes;
    if (!Number.isInteger(count)) {
      throw new UserError(
        `the model takes ${size}×${size} RGB pictures of ${bytes} bytes, not ${images.length} bytes`,
      );
    }
    const codes = new Uint32Array(count * this.positions);
    for (let first = 0; first < count; first += imagesPerBatch) {
      const batch = images.subarray(first * bytes, Math.min(count, first + imagesPerBatch) * bytes);
      const ids = this.gpu.scope(() => noGrad(() => this.vqvae.encode(this.imageTensor(batch))));
      codes.set(await ids.read(), first * this.positions);
      ids.dispose();
      onProgress?.(Math.min(count, first + imagesPerBatch), count);
    }
    return codes;
  }

  /** Reconstructs pictures, bytes [n, size, size, 3], from ids [n · S]. */
  async reconstructAll(codes: Uint32Array): Promise<Uint8Array> {
    const { imageSize: size } = this.config.data;
    const { positions } = this;
    const images = new Uint8Array((codes.length / positions) * size * size * 3);
    for (let first = 0; first < codes.length; first += imagesPerBatch * positions) {
      const part = codes.subarray(first, first + imagesPerBatch * positions);
      const decoded = this.gpu.scope(() =>
        noGrad(() =>
          this.vqvae.decode(fromArray(this.gpu, part, [part.length / positions, positions], "u32", "codes")),
        ),
      );
      const values = await decoded.read();
      decoded.dispose();
      images.set(bytesOf(values), (first / positions) * size * size * 3);
    }
    return images;
  }

  /** Captions pictures given as bytes [n, size, size, 3]. */
  async captionAll(images: Uint8Array, options: CaptionOptions = {}): Promise<Caption[]> {
    return this.captionCodes(await this.encodeAll(images), options);
  }

  /** Captions pictures given as their codes [n · S]. */
  async captionCodes(codes: Uint32Array, options: CaptionOptions = {}): Promise<Caption[]> {
    const { positions } = this;
    const captions: Caption[] = [];
    for (let first = 0; first < codes.length; first += imagesPerBatch * positions) {
      const part = codes.subarray(first, first + imagesPerBatch * positions);
      captions.push(...(await this.captionBatch(part, options, first / positions)));
      options.onBatch?.(captions.length);
    }
    return captions;
  }

  private async captionBatch(codes: Uint32Array, options: CaptionOptions, first: number): Promise<Caption[]> {
    const { gpu, tokenizer, positions } = this;
    const { length } = this.decoder.shape;
    const batch = codes.length / positions;
    const { guidance, scale, maskRate, maskMode, template, onBatch: _, onStep, ...plain } = defined(options);
    const settings: ChainSettings = chainSettings(this.config, {
      ...plain,
      guidance: defined({ method: guidance, scale, maskRate, maskMode }),
    });
    // Batches of one call draw different numbers.
    settings.seed += first * 0x1_0000_0000;
    const words = template === undefined ? null : parseTemplate(template, tokenizer, length);
    const condition = fromArray(gpu, codes, [batch, positions], "u32", "codes").keep();
    let chain: Chain | null = null;
    let ids: Uint32Array;
    try {
      chain = new Chain(this, condition, settings, { words });
      const result = await sample({
        ...chain.options,
        onStep: onStep
          ? async ({ u, tokens }) => onStep({ t: u, tokens: (await tokens.read()).slice(0, batch * length) })
          : undefined,
      });
      ids = await result.read();
      result.dispose();
    } finally {
      chain?.dispose();
      condition.dispose();
    }
    checkFinished(ids, length, tokenizer.vocabularySize, first);
    return Array.from({ length: batch }, (_, i) => {
      const tokens = Array.from(ids.subarray(i * length, (i + 1) * length));
      return { text: tokenizer.decode(tokens), tokens };
    });
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

  /**
   * Writes `model.safetensors` and `config.json` into a folder. `weights` are named `vqvae.…` and `decoder.…`; with
   * `half` the decoder's and the VQ-VAE's weights are stored as float16, the codebook as float32. Of the path of the
   * pictures only the last name is written: weights are made to be published.
   */
  async save(
    files: Files,
    folder: string,
    weights: ReadonlyMap<string, StoredTensor>,
    options: { half?: boolean; about?: JsonRecord } = {},
  ): Promise<void> {
    const stored = new Map<string, StoredTensor>();
    for (const [name, tensor] of weights) {
      const shrink = options.half && tensor.dtype === "F32" && !name.includes("codebook");
      stored.set(name, shrink ? { ...tensor, dtype: "F16" } : tensor);
    }
    await files.makeDirectory(folder);
    const bytes = encodeSafetensors(stored, { format });
    await files.write(`${folder}/${weightsName}`, bytes);
    const { tokenizer } = this;
    const { data } = this.config;
    const config = { ...this.config, data: { ...data, folder: lastName(data.folder) } };
    const model = {
      weights: { file: weightsName, bytes: bytes.length, sha256: await sha256(bytes) },
      config,
      tokenizer: tokenizer.toJSON(),
    } as unknown as JsonRecord;
    const record = {
      format,
      sha256: await modelHash(model),
      ...(options.about ? { about: options.about } : {}),
      ...model,
    };
    await files.write(`${folder}/${configName}`, toJson(record));
  }

  /** The settings of what `save` wrote, without a device: to check others against them. Throws as `fromFolder` does. */
  static async settings(files: FolderFiles, folder: string): Promise<Config> {
    const path = `${folder}/${configName}`;
    await Captioner.checkFolder(files, folder);
    return (await parseModel(await files.readText(path), path)).config;
  }

  private static async checkFolder(files: FolderFiles, folder: string): Promise<void> {
    for (const name of [configName, weightsName]) {
      if (await files.exists(`${folder}/${name}`)) continue;
      throw new UserError(
        `${folder} holds no captioner: it needs config.json and model.safetensors, as a finished run's weights/ has`,
      );
    }
  }

  /** Reads what `save` wrote. Throws a `UserError` that names the file if something is missing or does not fit. */
  static async fromFolder(
    gpu: Gpu,
    files: FolderFiles,
    folder: string,
    { precision }: Pick<LoadOptions, "precision"> = {},
  ): Promise<Captioner> {
    const configPath = `${folder}/${configName}`;
    const weightsPath = `${folder}/${weightsName}`;
    await Captioner.checkFolder(files, folder);
    const model = await parseModel(await files.readText(configPath), configPath);
    const bytes = await files.read(weightsPath);
    const { expected } = model;
    if (expected && (bytes.length !== expected.bytes || (await sha256(bytes)) !== expected.sha256)) {
      throw new UserError(
        `${weightsPath} is damaged or of another version: it is not the file whose SHA-256 ${configPath} names`,
      );
    }
    return Captioner.assemble(gpu, model, bytes, weightsPath, precision);
  }

  /**
   * Loads what `save` wrote from a web address, that of the folder. The weights are checked by the hash in config.json
   * and kept in Cache Storage where there is one. Throws a `UserError` that names the address if something does not fit.
   */
  static async load(url: string | URL, options: LoadOptions = {}): Promise<Captioner> {
    const { signal, onProgress, cache } = options;
    signal?.throwIfAborted();
    const folder = webAddress(url);
    if (!folder.pathname.endsWith("/")) folder.pathname += "/";
    const address = (name: string) => {
      const file = new URL(name, folder);
      file.search = folder.search;
      return file.href;
    };
    const model = await parseModel(await downloadText(address(configName), signal), address(configName));
    const { expected } = model;
    const bytes = await download(address(weightsName), { signal, onProgress, expected, cache });
    signal?.throwIfAborted();
    const device = options.gpu ? null : (options.device ?? (await openDevice()));
    const gpu = options.gpu ?? Gpu.from(device!);
    const release = () => {
      if (!options.gpu) gpu.dispose();
      if (!options.gpu && !options.device) device!.destroy();
    };
    try {
      const captioner = Captioner.assemble(gpu, model, bytes, address(weightsName), options.precision);
      captioner.owned = release;
      return captioner;
    } catch (error) {
      release();
      throw error;
    }
  }

  private static assemble(
    gpu: Gpu,
    model: StoredModel,
    bytes: Uint8Array,
    name: string,
    precision?: Precision,
  ): Captioner {
    const { tensors } = decodeSafetensors(bytes, name);
    const { decoder } = model.config;
    decoder.precision = precision ?? (gpu.has("shader-f16") ? decoder.precision : "float32");
    // Random weights would cost ten times the time of reading those of the file, which sets every parameter.
    const captioner = new Captioner(gpu, model.config, model.tokenizer, { initialise: false });
    try {
      loadWeights(captioner.vqvae, tensors, name, "vqvae.");
      loadWeights(captioner.decoder, tensors, name, "decoder.");
      return captioner;
    } catch (error) {
      captioner.dispose();
      throw error;
    }
  }

  /** Frees the networks; and the engine and the device, if `load` opened them. */
  dispose(): void {
    for (const table of this.tables.values()) table.dispose();
    this.tables.clear();
    this.vqvae.dispose();
    this.decoder.dispose();
    this.owned();
    this.owned = () => {};
  }
}

/** What config.json says. */
interface StoredModel {
  config: Config;
  tokenizer: WordTokenizer;
  /** Of the weights file; undefined in files of before there was a hash. */
  expected: { sha256: string; bytes: number } | undefined;
}

async function parseModel(text: string, name: string): Promise<StoredModel> {
  const record = parseJsonRecord(text, name);
  if (record.format !== format) {
    throw new UserError(
      `${name} has format ${shown(String(JSON.stringify(record.format)))}, this version reads "${format}"`,
    );
  }
  // Files of before there was a hash have none.
  if (record.sha256 !== undefined && record.sha256 !== (await modelHash(record))) {
    throw new UserError(
      `${name} is damaged or was changed: its "sha256" is not that of its config, tokenizer and weights; save the captioner again (or, after a change of your own, remove "sha256")`,
    );
  }
  const { config: settings, weights } = record;
  const lacking = configSections.find((section) => !isRecord(settings) || !isRecord(settings[section]));
  if (lacking !== undefined) throw new UserError(`${name}: "config" lacks the section "${lacking}"`);
  const config = resolveConfig({ file: { name, text: JSON.stringify(settings) } });
  const tokenizer = WordTokenizer.fromJSON(record.tokenizer, name);
  if (weights === undefined) return { config, tokenizer, expected: undefined };
  const { bytes, sha256 } = isRecord(weights) ? weights : {};
  if (!Number.isSafeInteger(bytes) || typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new UserError(`${name}: "weights" should hold the bytes and the sha256 of ${weightsName}`);
  }
  return { config, tokenizer, expected: { bytes: bytes as number, sha256 } };
}

/** SHA-256 of all that decides what a model says: settings, words in their order, the hash of the weights. */
function modelHash({ config, tokenizer, weights }: JsonRecord): Promise<string> {
  return sha256(new TextEncoder().encode(JSON.stringify({ weights, config, tokenizer })));
}

/** The address of a folder on the web. Throws a `UserError` for what is none, such as a folder's path in Node. */
function webAddress(url: string | URL): URL {
  const page = typeof location === "undefined" ? undefined : location.href;
  const address = URL.canParse(url, page) ? new URL(url, page) : null;
  if (address && ["http:", "https:", "blob:", "data:"].includes(address.protocol)) return address;
  throw new UserError(
    `${shown(String(url))} is not an address on the web; folders of this machine are read by Captioner.fromFolder(gpu, nodePlatform.files, folder)`,
  );
}

/** Values about in [-1, 1] as bytes. */
function bytesOf(values: Float32Array): Uint8Array {
  return Uint8Array.from(values, (value) => Math.max(0, Math.min(255, Math.round((value + 1) * 127.5))));
}

/** Options that were given. */
function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
