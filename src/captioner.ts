/** The whole captioner: image → VQ-VAE codes y → D3PM decoder denoises x_T … x_0 → caption. */

import { type Config, resolveConfig } from "./config.js";
import { Decoder, type PreparedCondition } from "./diffusion/decoder.js";
import type { Guidance } from "./diffusion/guidance.js";
import { sample } from "./diffusion/sampler.js";
import { Schedule } from "./diffusion/schedule.js";
import { type TransitionTable, transitionTable } from "./diffusion/table.js";
import type { Gpu } from "./gpu/gpu.js";
import { type JsonRecord, parseJsonRecord, toJson } from "./io/json.js";
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "./io/safetensors.js";
import { loadWeights } from "./nn/weights.js";
import { add } from "./ops/elementwise.js";
import type { FixedWords } from "./ops/sample.js";
import { UserError } from "./platform/errors.js";
import type { Files } from "./platform/platform.js";
import { noGrad } from "./tensor/autograd.js";
import { fromArray, type Tensor } from "./tensor/tensor.js";
import { parseTemplate } from "./text/template.js";
import { WordTokenizer } from "./text/words.js";
import { VqVae } from "./vqvae/vqvae.js";

/** How captions are drawn. What is left out is as in the model's configuration. */
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
  maskMode?: Config["sampling"]["maskMode"];
  maskRate?: number;
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

/** Pictures encoded and captions denoised at once; bounds memory, not results. */
const imagesPerBatch = 64;
/** Added to a logit: a word that cannot come. */
const impossible = -1e4;
const format = "mc-diffusion-captioner-1";

export class Captioner {
  readonly gpu: Gpu;
  readonly config: Config;
  readonly tokenizer: WordTokenizer;
  readonly schedule: Schedule;
  readonly vqvae: VqVae;
  readonly decoder: Decoder;
  private readonly tables = new Map<number, TransitionTable>();

  /** Networks of the configured size with random weights that depend on `config.seed`. */
  constructor(gpu: Gpu, config: Config, tokenizer: WordTokenizer) {
    const { data, vqvae, decoder } = config;
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
      },
      sees ? this.vqvae.codebook : null,
    );
    this.vqvae.initialise(config.seed);
    this.decoder.initialise(config.seed);
  }

  /** S: code positions of a picture. */
  get positions(): number {
    return this.decoder.shape.side ** 2;
  }

  /** Bytes [n, size, size, 3] of pictures → [n, size, size, 3] in [-1, 1]. */
  imageTensor(images: Uint8Array): Tensor {
    const { imageSize: size } = this.config.data;
    const values = Float32Array.from(images, (value) => value / 127.5 - 1);
    return fromArray(this.gpu, values, [images.length / (size * size * 3), size, size, 3], "f32", "images");
  }

  /** Codes of pictures given as bytes [n, size, size, 3]: ids [n · S], row by row of each grid. */
  async encode(images: Uint8Array, onProgress?: (done: number, total: number) => void): Promise<Uint32Array> {
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
  async reconstruct(codes: Uint32Array): Promise<Uint8Array> {
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
      const at = (first / positions) * size * size * 3;
      values.forEach((value, i) => {
        images[at + i] = Math.max(0, Math.min(255, Math.round((value + 1) * 127.5)));
      });
    }
    return images;
  }

  /** Captions pictures given as bytes [n, size, size, 3]. */
  async caption(images: Uint8Array, options: CaptionOptions = {}): Promise<Caption[]> {
    return this.captionCodes(await this.encode(images), options);
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
    const { gpu, decoder, tokenizer, positions } = this;
    const { length, codes: maskId } = decoder.shape;
    const settings = { ...this.config.sampling, seed: this.config.seed, ...defined(options) };
    const batch = codes.length / positions;
    const table = this.table(settings.steps);
    const fixed = options.template === undefined ? null : this.fixedWords(options.template, batch);
    const guidance: Guidance = {
      method: settings.guidance,
      scale: settings.scale,
      maskId,
      maskRate: settings.maskRate,
      redraw: settings.maskMode === "redrawn",
    };
    const greedy = settings.temperature === 0;
    const { onStep } = options;
    const prepared = new PreparedOnce(decoder);
    const condition = fromArray(gpu, codes, [batch, positions], "u32", "codes").keep();
    const drawing = sample({
      table,
      predict: (xt, t, y) => {
        const logits = decoder.forward(xt, t, prepared.of(y!));
        return fixed ? add(logits, fixed.penalty) : logits;
      },
      batch,
      length,
      condition,
      guidance,
      // Batches of one call draw different numbers.
      seed: settings.seed + first * 0x1_0000_0000,
      temperature: greedy ? 1e-3 : settings.temperature,
      topR: settings.topR,
      last: "argmax",
      fixed,
      onStep: onStep
        ? async ({ u, tokens }) => onStep({ t: u, tokens: (await tokens.read()).slice(0, batch * length) })
        : undefined,
    });
    let ids: Uint32Array;
    try {
      const result = await drawing;
      ids = await result.read();
      result.dispose();
    } finally {
      prepared.dispose();
      for (const tensor of [condition, fixed?.at, fixed?.words, fixed?.penalty]) tensor?.dispose();
    }
    return Array.from({ length: batch }, (_, i) => {
      const tokens = Array.from(ids.subarray(i * length, (i + 1) * length));
      return { text: tokenizer.decode(tokens), tokens };
    });
  }

  /** The template's words for each picture, and what is added to the logits [L, M] so that no caption ends in a gap. */
  private fixedWords(template: string, batch: number): FixedWords & { penalty: Tensor } {
    const { length, vocabulary } = this.decoder.shape;
    const { at, words, gap } = parseTemplate(template, this.tokenizer, length);
    const penalty = new Float32Array(length * vocabulary);
    gap.forEach((isGap, i) => {
      if (isGap) penalty[i * vocabulary + this.tokenizer.endId] = impossible;
    });
    const repeated = (row: Uint32Array, label: string) => {
      const data = new Uint32Array(batch * length);
      for (let i = 0; i < batch; i++) data.set(row, i * length);
      return fromArray(this.gpu, data, [batch, length], "u32", label).keep();
    };
    return {
      at: repeated(at, "fixed positions"),
      words: repeated(words, "fixed words"),
      penalty: fromArray(this.gpu, penalty, [length, vocabulary], "f32", "end of caption in gaps").keep(),
    };
  }

  private table(steps: number): TransitionTable {
    let table = this.tables.get(steps);
    if (!table) {
      table = transitionTable(this.gpu, this.schedule, this.schedule.visit(steps));
      this.tables.set(steps, table);
    }
    return table;
  }

  /**
   * Writes `model.safetensors` and `config.json` into a folder. `weights` are named `vqvae.…` and `decoder.…`; with
   * `half` the decoder's and the VQ-VAE's weights are stored as float16, the codebook as float32.
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
    await files.write(`${folder}/model.safetensors`, encodeSafetensors(stored, { format }));
    const { config, tokenizer } = this;
    const record = {
      format,
      ...(options.about ? { about: options.about } : {}),
      config,
      tokenizer: tokenizer.toJSON(),
    };
    await files.write(`${folder}/config.json`, toJson(record as unknown as JsonRecord));
  }

  /** Reads what `save` wrote. Throws a `UserError` that names the file if something is missing or does not fit. */
  static async load(gpu: Gpu, files: Files, folder: string): Promise<Captioner> {
    const configPath = `${folder}/config.json`;
    const weightsPath = `${folder}/model.safetensors`;
    if (!(await files.exists(configPath)) || !(await files.exists(weightsPath))) {
      throw new UserError(
        `${folder} holds no captioner: it needs config.json and model.safetensors, as a finished run's weights/ has`,
      );
    }
    const record = parseJsonRecord(await files.readText(configPath), configPath);
    if (record.format !== format) {
      throw new UserError(
        `${configPath} has format ${JSON.stringify(record.format)}, this version reads "${format}"`,
      );
    }
    const config = resolveConfig({ file: { name: configPath, text: JSON.stringify(record.config) } });
    const captioner = new Captioner(gpu, config, WordTokenizer.fromJSON(record.tokenizer, configPath));
    const { tensors } = decodeSafetensors(await files.read(weightsPath), weightsPath);
    loadWeights(captioner.vqvae, tensors, weightsPath, "vqvae.");
    loadWeights(captioner.decoder, tensors, weightsPath, "decoder.");
    return captioner;
  }

  dispose(): void {
    for (const table of this.tables.values()) table.dispose();
    this.vqvae.dispose();
    this.decoder.dispose();
  }
}

/** Prepares a condition once for as long as the sampler gives the same tensor. */
class PreparedOnce {
  private readonly decoder: Decoder;
  private source: Tensor<"u32"> | null = null;
  private prepared: PreparedCondition | null = null;

  constructor(decoder: Decoder) {
    this.decoder = decoder;
  }

  of(codes: Tensor<"u32">): PreparedCondition {
    if (this.source !== codes || !this.prepared) {
      this.dispose();
      this.source = codes;
      this.prepared = this.decoder.prepare(codes);
      for (const tensor of this.prepared.keyValues ?? []) tensor.keep();
    }
    return this.prepared;
  }

  dispose(): void {
    for (const tensor of this.prepared?.keyValues ?? []) tensor.dispose();
    this.prepared = null;
  }
}

/** Options that were given. */
function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
