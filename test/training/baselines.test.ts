/** Every autoregressive baseline learns a batch by heart, resumes to the bit, and starts from another's weights. */

import type { Config } from "../../dist/config/config.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import type { CaptionDecoder } from "../../dist/models/caption-decoder.js";
import type { ImageTokenizer } from "../../dist/models/image-tokenizer.js";
import { captionDecoders } from "../../dist/models/registry.js";
import { DecoderTraining } from "../../dist/training/decoder-training.js";
import { test } from "../harness.js";
import { type Kind, kinds, sampling, settings } from "../models/autoregressive/decoders.js";
import { pairs, sameBits, weightsOf } from "./setup.js";

const given = {
  vocabulary: 9,
  endId: 0,
  images: { codeCount: 8, side: 2, codeVectors: null } as unknown as ImageTokenizer,
};
const sectionOf = (kind: Kind) => (kind === "transformer" ? kind : "lstm");

function tiny(kind: Kind, ...set: string[]): Config {
  const own = `${sectionOf(kind)}.`;
  return settings(
    kind,
    ...["data.maxLength=6", "decoder.dim=32", "decoder.heads=2", "decoder.blocks=1", "decoder.mlpRatio=2"],
    ...(kind === "transformer" ? [] : ["lstm.width=32", "lstm.embedding=16", "lstm.attention=8"]),
    ...set.map((one) => one.replace("own.", own)),
  );
}

function trainingOf(
  gpu: Gpu,
  kind: Kind,
  config: Config,
): { decoder: CaptionDecoder; training: DecoderTraining } {
  const decoder = captionDecoders.get(kind).create(gpu, config as unknown as Record<string, unknown>, given);
  decoder.initialise(config.seed);
  const { batch } = config.decoder;
  const training = new DecoderTraining(
    decoder,
    config.decoder,
    config.seed,
    (step) => {
      const chosen = Array.from({ length: batch }, (_, i) => pairs[(i * 3 + step) % pairs.length]!);
      return {
        tokens: Uint32Array.from(chosen.flatMap(({ tokens }) => tokens)),
        codes: Uint32Array.from(chosen.flatMap(({ codes }) => codes)),
      };
    },
    { settings: (config as unknown as Record<string, object>)[sectionOf(kind)]! },
  );
  return { decoder, training };
}

for (const kind of kinds) {
  test(`${kind}: learns a batch by heart and says it`, async (t, gpu) => {
    const config = tiny(
      kind,
      "own.labelSmoothing=0",
      "decoder.pCond=0",
      "decoder.pDrop=0",
      "decoder.steps=120",
      "decoder.learningRate=0.01",
      "decoder.emaDecay=0",
      "decoder.weightDecay=0",
    );
    const { decoder, training } = trainingOf(gpu, kind, config);
    const losses: number[] = [];
    for (let step = 1; step <= 120; step++) losses.push((await training.step(step)).losses.crossEntropy!);
    t.ok(
      losses.at(-1)! < 0.02 && losses[0]! > 1.5,
      `from ${losses[0]!.toFixed(2)} to ${losses.at(-1)!.toFixed(4)} nats a word`,
    );
    const codes = fromArray(
      gpu,
      pairs.flatMap((pair) => pair.codes),
      [4, 4],
      "u32",
    );
    const expected = pairs.flatMap(({ tokens }) => tokens);
    for (const changes of [{ beam: 1 }, { beam: 3 }, { beam: 0 }]) {
      let words: number[] = [];
      for (const { u, tokens } of decoder.generate(codes, { ...sampling, ...changes }, { endId: 0 }))
        if (u === 0) words = [...(await tokens.read())];
      t.same(words, expected, `the captions, beam ${changes.beam}`);
    }
    const nats = await decoder.likelihood!.bound(
      pairs.map(({ tokens }) => Uint32Array.from(tokens)),
      pairs.map((pair) => Uint32Array.from(pair.codes)),
      { steps: 1, seed: 0 },
    );
    t.ok(Math.max(...nats) < 0.2, "whose probability is near 1");
    codes.dispose();
    training.dispose();
    decoder.dispose();
  });

  test(`${kind}: resumes to the bit, with dropout, masked conditions and a rising share of drawn words`, async (t, gpu) => {
    const config = tiny(
      kind,
      ...["own.scheduledSampling=0.5", "own.scheduledSamplingRamp=4", "decoder.dropout=0.2"],
      ...["decoder.pDrop=0.2", "decoder.steps=6", "decoder.microBatches=2"],
    );
    const unbroken = trainingOf(gpu, kind, config);
    for (let step = 1; step <= 6; step++) await unbroken.training.step(step);
    const expected = await weightsOf(unbroken.decoder);

    const first = trainingOf(gpu, kind, config);
    for (let step = 1; step <= 3; step++) await first.training.step(step);
    const saved = await first.training.save();
    first.training.dispose();
    first.decoder.dispose();
    const second = trainingOf(gpu, kind, config);
    second.training.load({ step: 3, state: {}, ...saved }, "checkpoint");
    for (let step = 4; step <= 6; step++) await second.training.step(step);
    t.ok(sameBits(await weightsOf(second.decoder), expected), "the weights of an unbroken run");
    for (const { decoder, training } of [unbroken, second]) {
      training.dispose();
      decoder.dispose();
    }
  });
}
