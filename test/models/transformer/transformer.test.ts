/** The autoregressive transformer against float64, its size against the diffusion decoder's. */

import { captionDecoders, type ImageTokenizer } from "../../../dist/index.js";
import { test } from "../../harness.js";
import * as reference from "../../reference/autoregressive.js";
import { settings } from "../autoregressive/decoders.js";
import { againstFloat64 } from "../autoregressive/float64.js";

for (const [title, set] of [
  ["codes by index, learned filler", []],
  [
    "code vectors, zeros as filler, one head",
    ["decoder.conditionEmbedding=vectors", "decoder.filler=zeros", "decoder.heads=1"],
  ],
  ["blocks over the condition and a summary", ["decoder.conditionBlocks=1", "decoder.summaryTokens=2"]],
  ["convolutions over the condition", ["decoder.conditionConvs=2"]],
  [
    "waves of the places behind convolutions, before a summary",
    ["decoder.codePositions=waves", "decoder.conditionConvs=1", "decoder.summaryTokens=2"],
  ],
  ["a vector for each place", ["decoder.codePositions=each"]],
  ["without smoothing, recomputed blocks", ["transformer.labelSmoothing=0", "decoder.checkpointing=true"]],
] as [string, string[]][]) {
  test(`the transformer and its loss against float64: ${title}`, (t, gpu) =>
    againstFloat64(t, gpu, "transformer", set, (weights, shape, inputs, codes, vectors) =>
      reference.transformer(weights, shape as unknown as reference.TransformerSize, inputs, codes, vectors),
    ));
}

test("the transformer has the parameters of mc-diffusion, to half a per cent", (t, gpu) => {
  const images = { codeCount: 64, side: 8, codeVectors: null } as unknown as ImageTokenizer;
  const count = (kind: string, ...set: string[]) => {
    const config = settings("transformer", "decoder.dim=96", "decoder.heads=4", ...set);
    const given = { vocabulary: 300, endId: 0, images };
    const decoder = captionDecoders.get(kind).create(gpu, config, given);
    const { parameterCount } = decoder;
    decoder.dispose();
    return parameterCount;
  };
  for (const set of [
    [],
    ["decoder.timesteps=100", "decoder.blocks=3", "decoder.mlpRatio=4"],
    ["decoder.conditionConvs=2", "decoder.conditionBlocks=1"],
    ["decoder.conditionConvs=2", "decoder.codePositions=waves"],
  ]) {
    const [diffusion, twin] = [
      count("mc-diffusion", ...set),
      count("transformer", ...set, "transformer.matchParameters=true"),
    ];
    t.ok(Math.abs(twin / diffusion - 1) < 0.005, `${twin} beside ${diffusion}`);
    const narrow = count("transformer", ...set);
    t.ok(narrow < 0.95 * diffusion, `without the wider MLP ${narrow}`);
  }
});
