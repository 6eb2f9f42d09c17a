/**
 * A text tokenizer, an image tokenizer and a caption decoder from outside of the project: written with the package's public entries alone, and
 * registered under their names. They are as small as they can be and still learn.
 */

import {
  type BatchLoss,
  type CaptionDecoder,
  type CaptionDecoderKind,
  constant,
  conv2d,
  convTranspose2d,
  copyInto,
  crossEntropy,
  embedding,
  fanIn,
  fixLength,
  fromArray,
  type GeneratedStep,
  type GenerateOptions,
  type Gpu,
  type ImageTokenizer,
  type ImageTokenizerKind,
  integer,
  Linear,
  Module,
  mse,
  nearestCodes,
  noGrad,
  normal,
  quantizeStraightThrough,
  type SamplingSettings,
  type Tensor,
  type Tokenizer,
  type TokenizerKind,
  UserError,
  zeros,
} from "../../dist/index.js";
import { add, argmax, broadcastTo, where } from "../../dist/ops.js";

/** A token a character: id 0 ends a caption, the characters follow in their order. */
export class CharacterTokenizer implements Tokenizer {
  readonly name = "characters";
  readonly endId = 0;
  readonly unknownId = null;
  readonly characters: string;

  constructor(characters: string) {
    this.characters = characters;
  }

  get vocabularySize(): number {
    return 1 + this.characters.length;
  }

  encode(caption: string): number[] {
    return [...caption].flatMap((character) => {
      const place = this.characters.indexOf(character);
      return place < 0 ? [] : [1 + place];
    });
  }

  decode(ids: ArrayLike<number>): string {
    const all = Array.from(ids);
    const end = all.indexOf(this.endId);
    return all
      .slice(0, end < 0 ? all.length : end)
      .map((id) => (id === this.vocabularySize ? "_" : this.characters[id - 1]!))
      .join("");
  }

  encodeFixed(caption: string, length: number): Uint32Array {
    return fixLength(this.encode(caption), this.endId, length);
  }

  word(id: number): string {
    return id === this.endId ? "[END]" : (this.characters[id - 1] ?? "[MASK]");
  }

  unknownWords(text: string): string[] {
    return text
      .split(" ")
      .filter((word) => [...word].some((character) => !this.characters.includes(character)));
  }

  spans(ids: ArrayLike<number>): { from: number; to: number }[] {
    const spans: { from: number; to: number }[] = [];
    for (let i = 0; i < ids.length; i++) {
      const alone = ids[i] === this.endId || ids[i] === this.vocabularySize;
      if (this.word(ids[i]!) === " ") continue;
      const last = spans.at(-1);
      const before = ids[i - 1];
      if (!alone && last?.to === i && before !== this.endId && before !== this.vocabularySize) last.to++;
      else spans.push({ from: i, to: i + 1 });
    }
    return spans;
  }

  toJSON() {
    return { tokenizer: this.name, characters: this.characters };
  }
}

export const characters: TokenizerKind = {
  name: "characters",
  build: (captions) => new CharacterTokenizer([...new Set([...captions].join(""))].sort().join("")),
  fromJSON(value, source) {
    const { characters } = value as { characters?: unknown };
    if (typeof characters !== "string") throw new UserError(`${source} has no "characters"`);
    return new CharacterTokenizer(characters);
  },
};

const patch = 4;

/** Patches of 4×4 pixels, each by the nearest of K learned vectors. */
class Patches extends Module implements ImageTokenizer {
  readonly imageSize: number;
  readonly codeCount: number;
  readonly codeVectors: Tensor;
  private readonly encoder: Tensor;
  private readonly decoder: Tensor;
  /** Pictures that it has learned from: a statistic that no gradient changes. */
  private readonly seen: Tensor;

  constructor(gpu: Gpu, imageSize: number, codes: number) {
    super(gpu);
    this.imageSize = imageSize;
    this.codeCount = codes;
    this.codeVectors = this.parameter("codes", [codes, 8], normal(1), { decay: false });
    this.encoder = this.parameter("encoder", [patch, patch, 3, 8], fanIn());
    this.decoder = this.parameter("decoder", [patch, patch, 3, 8], normal(0.3));
    this.seen = this.parameter("seen", [1], constant(0), { trained: false });
  }

  get side(): number {
    return this.imageSize / patch;
  }

  private vectors(images: Tensor): Tensor {
    return conv2d(images, this.encoder, { stride: patch });
  }

  encode(images: Tensor): Tensor<"u32"> {
    return nearestCodes(this.vectors(images), this.codeVectors).ids.reshape([images.shape[0]!, -1]);
  }

  decode(ids: Tensor<"u32">): Tensor {
    const grid = embedding(this.codeVectors, ids.reshape([ids.shape[0]!, this.side, this.side]));
    return convTranspose2d(grid, this.decoder, { stride: patch });
  }

  objective() {
    return {
      loss: (images: Tensor): BatchLoss => {
        const z = this.vectors(images);
        const { quantized, ids, commitmentLoss } = quantizeStraightThrough(z, this.codeVectors);
        const reconstruction = mse(convTranspose2d(quantized, this.decoder, { stride: patch }), images);
        const codebook = mse(embedding(this.codeVectors, ids), z.detach());
        const count = noGrad(() => add(zeros(this.gpu, [1]), images.shape[0]!) as Tensor);
        return {
          total: add(add(reconstruction, commitmentLoss), codebook) as Tensor,
          figures: [{ tensor: reconstruction.detach(), names: ["reconstruction"] }],
          sums: [count],
          apply: () => {
            copyInto(
              this.seen,
              noGrad(() => add(this.seen, count) as Tensor),
            );
            return [];
          },
        };
      },
    };
  }
}

export const patches: ImageTokenizerKind = {
  name: "patches",
  section: "patches",
  settings: { codes: integer(16, 2, 1024, "vectors of patches") },
  fixed: ["patches.codes"],
  memory: { step: ["vqvae.batch"], use: ["data.imageSize"] },
  check(config) {
    const { imageSize } = config.data as { imageSize: number };
    return imageSize % patch === 0 ? null : `data.imageSize=${imageSize} should be a multiple of ${patch}`;
  },
  create(gpu, config) {
    const [{ imageSize }, { codes }] = [config.data, config.patches] as [
      { imageSize: number },
      { codes: number },
    ];
    return new Patches(gpu, imageSize, codes);
  },
};

/** All words at once, from the codes at all places: no diffusion, no steps. */
class AtOnce extends Module implements CaptionDecoder {
  readonly shape: CaptionDecoder["shape"];
  readonly steps = 1;
  readonly shows = { alternatives: true, attention: false };
  private readonly table: Tensor;
  private readonly hidden: Linear;
  private readonly head: Linear;

  constructor(gpu: Gpu, shape: CaptionDecoder["shape"], width: number) {
    super(gpu);
    this.shape = shape;
    this.table = this.parameter("table", [shape.codes, 8], normal(0.5), { decay: false });
    this.hidden = this.child("hidden", new Linear(gpu, 8 * shape.side ** 2, width));
    this.head = this.child("head", new Linear(gpu, width, shape.length * shape.vocabulary));
  }

  private logits(codes: Tensor<"u32">): Tensor {
    const { length, vocabulary } = this.shape;
    const [batch] = codes.shape as [number];
    const places = embedding(this.table, codes).reshape([batch, -1]);
    return this.head
      .forward(this.hidden.forward(places, { activation: "gelu2" }))
      .reshape([batch, length, vocabulary]);
  }

  *generate(
    codes: Tensor<"u32">,
    _settings: SamplingSettings,
    { words = null, watch }: GenerateOptions,
  ): Generator<GeneratedStep, void> {
    const { length } = this.shape;
    const row = (values: Uint32Array) =>
      broadcastTo(fromArray(this.gpu, values, [1, length], "u32"), [
        codes.shape[0]!,
        length,
      ]) as Tensor<"u32">;
    const tokens = this.gpu.scope(() =>
      noGrad(() => {
        const scores = this.logits(codes);
        const best = argmax(scores, 2);
        const drawn = words ? (where(row(words.at), row(words.words), best) as Tensor<"u32">) : best;
        watch?.(scores, drawn, null);
        return drawn.keep();
      }),
    );
    try {
      yield { t: 1, u: 0, tokens };
    } finally {
      tokens.dispose();
    }
  }

  planStep(pictures: number): void {
    noGrad(() => this.logits(zeros(this.gpu, [pictures, this.shape.side ** 2], "u32")));
  }

  objective() {
    return {
      loss: (tokens: Tensor<"u32">, codes: Tensor<"u32">): BatchLoss => {
        const { loss } = crossEntropy(this.logits(codes), tokens);
        return { total: loss, figures: [] };
      },
    };
  }
}

export const atOnce: CaptionDecoderKind = {
  name: "at-once",
  section: "atOnce",
  settings: { width: integer(32, 1, 4096, "hidden width") },
  fixed: ["atOnce.width"],
  memory: { step: ["decoder.batch"], use: ["data.maxLength"] },
  create(gpu, config, { vocabulary, images }) {
    const [{ maxLength }, { width }] = [config.data, config.atOnce] as [
      { maxLength: number },
      { width: number },
    ];
    return new AtOnce(
      gpu,
      { vocabulary, length: maxLength, codes: images.codeCount, side: images.side },
      width,
    );
  },
};
