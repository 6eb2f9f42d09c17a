import { Captioner } from "../../dist/captioner/captioner.js";
import { checkFinite } from "../../dist/engine/gpu/finite-check.js";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { readWeights } from "../../dist/engine/weights/weights.js";
import { WordTokenizer } from "../../dist/text/words.js";
import type { StepResult } from "../../dist/training/trainer.js";
import { deviceOf } from "../device.js";
import { type Check, float16Test, randomArray, test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { decoderTraining, sameBits, tinyConfig, weightsOf } from "./setup.js";

/** Blocks of every kind, so that no product is left out. */
const shape = { blocks: 2, conditionBlocks: 1, summaryTokens: 2 };

async function train(gpu: Gpu, precision: "f32" | "f16", steps: number, ...set: string[]) {
  const tiny = decoderTraining(gpu, tinyConfig(...set), { shape: { ...shape, precision }, sameBatch: true });
  const results: StepResult[] = [];
  for (let step = 1; step <= steps; step++) results.push(await tiny.training.step(step));
  const weights = await weightsOf(tiny.model);
  tiny.dispose();
  return { results, weights };
}

const near = (t: Check, actual: StepResult[], expected: StepResult[], rel: number, message: string) => {
  const all = (results: StepResult[]) => results.flatMap(({ losses, gradNorm }) => [losses.total!, gradNorm]);
  t.near(all(actual), all(expected), { rel }, message);
};

float16Test("steps in float16 are close to those in float32", async (t, gpu) => {
  const [wide, half] = [await train(gpu, "f32", 60), await train(gpu, "f16", 60)];
  near(t, half.results.slice(0, 1), wide.results.slice(0, 1), 5e-3, "loss and gradient of the first step");
  near(t, half.results.slice(0, 5), wide.results.slice(0, 5), 2e-2, "and of the first five");
  t.ok(
    half.results.every(({ losses }, i) => losses.total !== wide.results[i]!.losses.total),
    "though not the same",
  );
  const last = (results: StepResult[]) =>
    results.slice(-20).reduce((sum, { losses }) => sum + losses.kl! / 20, 0);
  const [first, end] = [wide.results[0]!.losses.kl!, last(wide.results)];
  t.comment(
    `KL from ${first.toFixed(3)} to ${end.toFixed(4)}; in float16 to ${last(half.results).toFixed(4)}`,
  );
  t.ok(end < 0.5 * first && Math.abs(last(half.results) - end) < 0.1 * end, "it learns as much");
});

float16Test("a float16 step walked through op by op is the replayed one, to the bit", async (t, gpu) => {
  const replayed = await train(gpu, "f16", 4);
  checkFinite(gpu);
  const walked = await train(gpu, "f16", 4).finally(() => {
    checkFinite(gpu, false);
  });
  t.same(walked.results, replayed.results, "losses and gradient norms");
  t.ok(sameBits(walked.weights, replayed.weights), "weights");
  const again = await train(gpu, "f16", 4, "decoder.checkpointing=true");
  near(t, again.results, replayed.results, 1e-4, "blocks that are run again for their gradient");
});

float16Test("a resumed float16 run equals an unbroken one", async (t, gpu) => {
  const make = () => decoderTraining(gpu, tinyConfig(), { shape: { ...shape, precision: "f16" } });
  const unbroken = make();
  for (let step = 1; step <= 3; step++) await unbroken.training.step(step);
  const saved = await unbroken.training.save();
  t.ok(
    [...saved.model.values()].every(({ dtype }) => dtype === "F32"),
    "a checkpoint holds float32 masters",
  );
  const resumed = make();
  resumed.training.load({ ...saved, state: {} } as never, "checkpoint");
  for (let step = 4; step <= 6; step++) {
    const [a, b] = [await unbroken.training.step(step), await resumed.training.step(step)];
    t.same(a, b, `step ${step}`);
  }
  t.ok(sameBits(await weightsOf(unbroken.model), await weightsOf(resumed.model)), "weights");
  unbroken.dispose();
  resumed.dispose();
});

const tokenizer = new WordTokenizer(["a", "black", "cat", "dog", "red", "hat", "with", "on", "mat"]);
const build = (gpu: Gpu, precision: string) =>
  new Captioner(
    gpu,
    tinyConfig(
      "data.maxLength=6",
      "decoder.dim=32",
      "decoder.blocks=2",
      "decoder.heads=2",
      `decoder.precision=${precision}`,
    ),
    tokenizer,
  );
const saved = async (captioner: Captioner) =>
  new Map([
    ...(await readWeights(captioner.imageTokenizer, "vqvae.")),
    ...(await readWeights(captioner.decoder, "decoder.")),
  ]);
const pictures = Uint8Array.from(randomArray(1, 2 * 768, 60), (value) =>
  Math.max(0, Math.min(255, 128 + value)),
);

float16Test("captions of a model in either precision", async (t, gpu) => {
  const files = new MemoryFiles();
  const trained = build(gpu, "float32");
  await trained.save(files, "weights", await saved(trained));
  const half = await Captioner.fromFolder(gpu, files, "weights", { precision: "float16" });
  const bytes = (captioner: Captioner) =>
    captioner.decoder
      .parameters()
      .reduce((sum, { tensor }) => sum + tensor.size * (tensor.dtype === "f16" ? 2 : 4), 0);
  t.ok(bytes(half) < 0.75 * bytes(trained), `${bytes(half)} bytes of weights instead of ${bytes(trained)}`);
  const captions = await half.captionAll(pictures, { temperature: 0 });
  t.equal(captions.length, 2, "it captions");
  await half.save(files, "half", await saved(half));
  const again = await Captioner.fromFolder(gpu, files, "half");
  t.equal(again.config.decoder.precision, "float16", "the precision is part of the configuration");
  t.same(
    await again.captionAll(pictures, { temperature: 0 }),
    captions,
    "saved and loaded, it says the same",
  );
  for (const captioner of [trained, half, again]) captioner.dispose();
});

test("an adapter without shader-f16", async (t) => {
  const device = await deviceOf("swiftshader");
  if (!device || device.features.has("shader-f16")) return t.comment("every device here has shader-f16");
  const gpu = Gpu.from(device, { description: "SwiftShader", software: true });
  await t.throwsMessage(
    () => build(gpu, "float16"),
    /^decoder\.precision=float16 needs the WebGPU feature shader-f16, which this adapter \(SwiftShader\) does not have; float32 works everywhere$/,
    "says so when float16 is asked for",
  );
  const files = new MemoryFiles();
  const trained = build(gpu, "float32");
  trained.config.decoder.precision = "float16"; // as if trained elsewhere
  await trained.save(files, "weights", await saved(trained), { half: true });
  const loaded = await Captioner.fromFolder(gpu, files, "weights");
  t.equal(loaded.config.decoder.precision, "float32", "runs a model that was trained in float16");
  await t.throwsMessage(
    Captioner.fromFolder(gpu, files, "weights", { precision: "float16" }),
    /needs the WebGPU feature shader-f16/,
    "but not in float16",
  );
  loaded.dispose();
  trained.dispose();
  device.destroy();
});
