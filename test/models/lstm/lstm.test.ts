/** The recurrent decoders against float64. */

import { resolveConfig } from "../../../dist/config/resolve.js";
import { test } from "../../harness.js";
import * as reference from "../../reference/autoregressive.js";
import { againstFloat64 } from "../autoregressive/float64.js";

for (const [title, set] of [
  ["codes by index, learned filler", []],
  ["code vectors, zeros as filler", ["decoder.conditionEmbedding=vectors", "decoder.filler=zeros"]],
  ["without smoothing, recomputed attention", ["lstm.labelSmoothing=0", "decoder.checkpointing=true"]],
] as [string, string[]][]) {
  test(`the LSTM and its loss against float64: ${title}`, (t, gpu) =>
    againstFloat64(t, gpu, "lstm", set, (weights, shape, ...rest) =>
      reference.pictureFirstLstm(weights, shape as reference.LstmSize, ...rest),
    ));
  test(`the LSTM with attention and its loss against float64: ${title}`, (t, gpu) =>
    againstFloat64(t, gpu, "attention-lstm", set, (weights, shape, ...rest) =>
      reference.attentionLstm(weights, shape as reference.LstmSize & { attention: number }, ...rest),
    ));
}

test("codes can start from words where both have one width", async (t) => {
  const resolve = (width: number) =>
    resolveConfig({
      set: ["model=lstm", "decoder.conditionEmbedding=words", "decoder.dim=48", `lstm.embedding=${width}`],
    });
  t.equal(resolve(48).decoder.conditionEmbedding, "words", "as here");
  await t.throwsMessage(
    () => resolve(64),
    /needs words and codes of one width: set lstm.embedding=64 and decoder.dim=48 alike/,
    "not here",
  );
});
