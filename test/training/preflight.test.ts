/** Settings that a device or an op refuses are refused before the first step, in a sentence that names them. */
import { resolveConfig } from "../../dist/config/resolve.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { WordTokenizer } from "../../dist/text/words.js";
import { buildCaptioner, tryRun } from "../../dist/training/preflight.js";
import "../../dist/vqgan.js";
import { test } from "../harness.js";
import { sameBits, tinyConfig, weightsOf } from "./setup.js";

const vocabulary = (count: number) => new WordTokenizer(Array.from({ length: count }, (_, i) => `w${i}`));

function attempt(gpu: Gpu, set: readonly string[], words = 20): void {
  const small = [
    "data.maxLength=5",
    "decoder.dim=16",
    "decoder.blocks=1",
    "decoder.heads=2",
    "decoder.mlpRatio=2",
  ];
  const captioner = buildCaptioner(gpu, tinyConfig(...small, ...set), vocabulary(words));
  try {
    tryRun(captioner);
  } finally {
    captioner.dispose();
  }
}

test("settings that work are fine, cost no dispatch and leave nothing", async (t, gpu) => {
  for (const set of [
    [],
    ["vqvae.attention=true"],
    ["data.imageSize=12", "vqvae.downsample=1"],
    ["decoder.checkpointing=true", "decoder.importanceSampling=true", "decoder.microBatches=2"],
    ["decoder.summaryTokens=0", "decoder.conditionBlocks=1", "decoder.schedule=uniform"],
  ]) {
    await gpu.idle();
    const before = gpu.memory.liveBytes;
    attempt(gpu, set);
    t.equal(gpu.memory.liveBytes, before, `${set.join(" ") || "plain"}: memory is as before`);
  }
  const captioner = buildCaptioner(gpu, tinyConfig(), vocabulary(20));
  const weights = [await weightsOf(captioner.imageTokenizer), await weightsOf(captioner.decoder)];
  tryRun(captioner);
  t.ok(
    sameBits(await weightsOf(captioner.imageTokenizer), weights[0]!),
    "the VQ-VAE's weights are as they were",
  );
  t.ok(sameBits(await weightsOf(captioner.decoder), weights[1]!), "and the decoder's");
  captioner.dispose();
});

test("the paper's grid of 1,024 codes and width of 512 fit what every device can bind", async (t, gpu) => {
  const before = gpu.memory.liveBytes;
  attempt(gpu, [
    ...["data.imageSize=256", "imageTokenizer=vqgan", "vqgan.channels=32", "vqgan.resBlocks=1"],
    ...["vqgan.zChannels=32", "vqgan.embedDim=32", "vqgan.codes=32", "vqgan.quantizer=nearest"],
    ...["decoder.dim=512", "decoder.heads=8", "decoder.conditionEmbedding=codes", "decoder.batch=4"],
  ]);
  await gpu.idle();
  t.equal(gpu.memory.liveBytes, before, "memory is as before");
});

test("what does not work is told with the setting", async (t, gpu) => {
  const cases: [set: string[], message: RegExp, words?: number][] = [
    [["seed=9007199254740991"], /^seed=9007199254740991 should be at most 281474976710656/],
    [
      ["vqvae.batch=65535", "data.imageSize=1024"],
      /^vqvae.batch=65535 should be at most \d+: the pictures of a batch/,
    ],
    [
      ["decoder.batch=65535", "decoder.dim=512", "data.maxLength=256"],
      /^decoder.batch=65535 should be at most \d+: /,
    ],
    [["data.maxLength=256"], /^drawing captions does not fit .* data.maxLength=256, data.minCount=1/, 70_000],
    [
      ["vqvae.attention=true", "vqvae.channels=9"],
      /^vqvae.channels=9 and vqvae.downsample=2 make 18 channels .* a multiple of 4/,
    ],
  ];
  for (const [set, message, words] of cases)
    await t.throwsMessage(() => attempt(gpu, set, words), message, set.join(" "));
  await t.throwsMessage(
    () => resolveConfig({ set: ["data.imageSize=8"] }),
    /data.imageSize should be a whole number from 12 to 1024/,
    "pictures are measured in windows of 11×11",
  );
  t.ok(gpu.limits.maxBufferSize > 0, "the device is still there");
});
