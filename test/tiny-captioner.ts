/** A captioner of a few thousand random weights, and pictures for it. */

import { Captioner } from "../dist/captioner/captioner.js";
import type { Gpu } from "../dist/engine/gpu/gpu.js";
import { readWeights } from "../dist/engine/weights/weights.js";
import { McDiffusion } from "../dist/models/mc-diffusion/mc-diffusion.js";
import type { VqVae } from "../dist/models/vqvae/vqvae.js";
import type { Tokenizer } from "../dist/text/tokenizer.js";
import { WordTokenizer } from "../dist/text/words.js";
import { randomArray } from "./random-array.js";
import { tinyConfig } from "./training/setup.js";

export const tokenizer = new WordTokenizer(["a", "black", "cat", "dog", "red", "hat", "with", "on", "mat"]);
export const id = (word: string) => tokenizer.encode(word)[0]!;

export function build(gpu: Gpu, ...set: string[]): Captioner {
  return buildWith(gpu, tokenizer, ...set);
}

/** The same with another tokenizer. */
export function buildWith(gpu: Gpu, tokenizer: Tokenizer, ...set: string[]): Captioner {
  const config = tinyConfig(
    "data.maxLength=6",
    "decoder.dim=32",
    "decoder.blocks=2",
    "decoder.heads=2",
    "decoder.mlpRatio=2",
    "sampling.steps=5",
    "sampling.topR=0.95",
    ...set,
  );
  return new Captioner(gpu, config, tokenizer);
}

/** Pictures of random blocks, bytes [n, 16, 16, 3]. */
export function pictures(count: number): Uint8Array {
  const blocks = randomArray(5, count * 16 * 3, 80);
  return Uint8Array.from({ length: count * 16 * 16 * 3 }, (_, i) => {
    const [n, rest] = [Math.floor(i / 768), i % 768];
    const [y, x, c] = [Math.floor(rest / 48), Math.floor((rest % 48) / 3), rest % 3];
    const block = (Math.floor(y / 4) * 4 + Math.floor(x / 4)) * 3 + c;
    return Math.max(0, Math.min(255, 128 + blocks[n * 48 + block]!));
  });
}

export const saved = async (captioner: Captioner) =>
  new Map([
    ...(await readWeights(captioner.imageTokenizer, "vqvae.")),
    ...(await readWeights(captioner.decoder, "decoder.")),
  ]);

/** The decoder as what it is here. */
export const decoderOf = (captioner: Captioner): McDiffusion => McDiffusion.of(captioner.decoder);

/** The image tokenizer as what it is here. */
export const vqvaeOf = (captioner: Captioner): VqVae => captioner.imageTokenizer as VqVae;
