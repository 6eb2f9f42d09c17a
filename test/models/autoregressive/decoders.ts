/** Tiny autoregressive decoders of each kind, with random numbers in all parameters, and inputs for them. */

import "../../../dist/baselines.js";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import type { AutoregressiveDecoder } from "../../../dist/models/autoregressive/decoder.js";
import type { ImageTokenizer } from "../../../dist/models/image-tokenizer.js";
import { captionDecoders } from "../../../dist/models/registry.js";
import type { SamplingSettings } from "../../../dist/models/sampling-settings.js";
import { randomArray } from "../../random-array.js";
import { tinyConfig } from "../../training/setup.js";

export const kinds = ["transformer", "lstm", "attention-lstm"] as const;
export type Kind = (typeof kinds)[number];

/** M, L, K, side, and the id of [END]. */
export const size = { vocabulary: 7, length: 5, codes: 6, side: 3, endId: 0 };
const codeDim = 5;

/** The settings of a tiny decoder: an odd width of everything that may have one. */
export const settings = (kind: Kind, ...set: string[]) =>
  tinyConfig(
    `model=${kind}`,
    `data.maxLength=${size.length}`,
    ...["decoder.dim=12", "decoder.heads=3", "decoder.blocks=2", "decoder.mlpRatio=1.5"],
    ...["decoder.summaryTokens=0", "decoder.conditionEmbedding=codes"],
    ...(kind === "transformer"
      ? ["transformer.matchParameters=false"]
      : ["lstm.width=9", "lstm.embedding=7", "lstm.attention=5"]),
    ...set,
  );

export interface Built {
  decoder: AutoregressiveDecoder;
  weights: Map<string, Float64Array>;
  vectors: { values: Float64Array; tensor: Tensor };
  dispose(): void;
}

/** `scale`: of the weights; larger ones make more decided predictions. */
export function build(
  gpu: Gpu,
  kind: Kind,
  set: string[] = [],
  { scale = 1, length = size.length } = {},
): Built {
  const config = settings(kind, ...set, `data.maxLength=${length}`);
  const { codes, side, vocabulary, endId } = size;
  const values = randomArray(77, codes * codeDim, 0.7);
  const tensor = fromArray(gpu, values, [codes, codeDim]);
  const images = { codeCount: codes, side, codeVectors: tensor } as unknown as ImageTokenizer;
  const given = { vocabulary, endId, images };
  const decoder = captionDecoders.get(kind).create(gpu, config, given) as AutoregressiveDecoder;
  const weights = new Map<string, Float64Array>();
  decoder.parameters().forEach(({ name, tensor }, i) => {
    const matrix = tensor.shape.length >= 2 && !/tokens|positions|code[A-Z]|bias/.test(name);
    const drawn = randomArray(
      1000 + i,
      tensor.size,
      scale * (matrix ? 1.2 / Math.sqrt(tensor.shape.at(-2)!) : 0.5),
    );
    weights.set(name, drawn);
    tensor.write(drawn);
  });
  return {
    decoder,
    weights,
    vectors: { values, tensor },
    dispose() {
      decoder.dispose();
      tensor.dispose();
    },
  };
}

/** Three captions: one with its END in the middle, one that fills its length, one that ends at once. */
export const captions = [1, 2, 0, 0, 0, 3, 4, 5, 6, 1, 0, 0, 0, 0, 0];
export const pictures = [
  ...[0, 1, 2, 3, 4, 5, 0, 1, 2],
  ...[6, 6, 6, 6, 6, 6, 6, 6, 6],
  ...[5, 6, 4, 6, 3, 6, 2, 1, 6],
];

export const ids = (gpu: Gpu, values: ArrayLike<number>, shape: number[]): Tensor<"u32"> =>
  fromArray(gpu, values, shape, "u32");

/** Sampling without guidance, word by word the likeliest. */
export const sampling: SamplingSettings = {
  steps: 5,
  guidance: { method: "none", scale: 1, maskRate: 0.1, maskMode: "fixed", maskShape: "random" },
  topR: 1,
  temperature: 1,
  last: "argmax",
  allowUnknown: true,
  beam: 1,
  sampler: "ancestral",
  remask: 0,
  candidates: 1,
  seed: 3,
};

/** The captions [P, L] of codes [P, S], and the steps on the way. */
export async function generated(
  gpu: Gpu,
  decoder: AutoregressiveDecoder,
  codes: ArrayLike<number>,
  changes: Partial<SamplingSettings>,
  options: Partial<Parameters<AutoregressiveDecoder["generate"]>[2]> = {},
): Promise<{ words: number[]; steps: { t: number; u: number; words: number[] }[] }> {
  const positions = size.side ** 2;
  const y = ids(gpu, codes, [codes.length / positions, positions]);
  const steps: { t: number; u: number; words: number[] }[] = [];
  for (const { t, u, tokens } of decoder.generate(
    y,
    { ...sampling, ...changes },
    { endId: size.endId, ...options },
  ))
    steps.push({ t, u, words: [...(await tokens.read())] });
  y.dispose();
  return { words: steps.at(-1)!.words, steps };
}
