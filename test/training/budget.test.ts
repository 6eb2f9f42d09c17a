/**
 * What a captured training step may take: dispatches, submissions, and nothing created once it is warm. Counts only, on
 * Dawn's null backend, which validates everything and computes nothing.
 */
import { Captioner } from "../../dist/captioner/captioner.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import { type CapturedWork, Gpu } from "../../dist/engine/gpu/gpu.js";
import { WordTokenizer } from "../../dist/text/words.js";
import { DecoderTraining } from "../../dist/training/decoder-training.js";
import { TokenizerTraining } from "../../dist/training/tokenizer-training.js";
import { type Check, test } from "../harness.js";
import { deviceOf } from "../host-node.js";

interface BlockStep {
  work: CapturedWork;
  next(): void;
  dispose(): void;
}

async function nullGpu(t: Check): Promise<Gpu | null> {
  const device = await deviceOf("null");
  if (!device) t.comment("skipped: no null backend here");
  return device && Gpu.from(device, { software: true });
}

/** Runs a few steps, then checks what further ones take. */
async function checkBudget(
  t: Check,
  gpu: Gpu,
  step: () => Promise<unknown>,
  budget: { dispatches: number },
): Promise<void> {
  const works: CapturedWork[] = [];
  const capture = gpu.capture;
  gpu.capture = (body) => {
    const captured = capture.call(gpu, body);
    works.push(captured.work);
    return captured as ReturnType<typeof capture<ReturnType<typeof body>>>;
  };
  for (let i = 0; i < 3; i++) await step();
  await gpu.idle();
  const steps = 4;
  const before = gpu.counters;
  for (let i = 0; i < steps; i++) await step();
  await gpu.idle();
  const after = gpu.counters;
  const dispatches = (after.dispatches - before.dispatches) / steps;
  t.ok(dispatches <= budget.dispatches, `${dispatches} dispatches a step, at most ${budget.dispatches}`);
  t.equal(after.submits - before.submits, steps, "one submission a step");
  for (const name of ["buffers", "bindGroups", "pipelines"] as const)
    t.equal(after[name] - before[name], 0, `no ${name} created after the warm-up`);
  for (const { memory, dispatches } of works) {
    t.ok(dispatches > 0, "the step was captured");
    const { peakBytes, leastBytes } = memory;
    t.ok(peakBytes <= 1.1 * leastBytes, `${peakBytes} bytes captured, ${leastBytes} are the least`);
  }
}

test("budget of a transformer block's training step", async (t) => {
  const gpu = await nullGpu(t);
  if (!gpu) return;
  // Plain JavaScript beside the engine, without types.
  const { makeBlockStep } = await import(new URL("../../kernels-bench/block-step.js", import.meta.url).href);
  const step: BlockStep = makeBlockStep(gpu);
  await checkBudget(t, gpu, async () => step.next(), { dispatches: 50 });
  const { peakBytes, leastBytes } = step.work.memory;
  t.ok(peakBytes <= 1.1 * leastBytes, `${peakBytes} bytes captured, ${leastBytes} are the least`);
  step.dispose();
  gpu.device.destroy();
});

/** The quick preset's models, with as many words as its captions have about. */
function quickPreset(gpu: Gpu) {
  const config = resolveConfig({ preset: "quick" });
  const captioner = new Captioner(
    gpu,
    config,
    new WordTokenizer(Array.from({ length: 200 }, (_, i) => `w${i}`)),
  );
  return { config, captioner };
}

test("budget of the quick preset's decoder step", async (t) => {
  const gpu = await nullGpu(t);
  if (!gpu) return;
  const { config, captioner } = quickPreset(gpu);
  const { batch, captionsPerImage } = config.decoder;
  const captions = {
    tokens: new Uint32Array(batch * captioner.decoder.shape.length),
    codes: new Uint32Array((batch / captionsPerImage) * captioner.positions),
  };
  const training = new DecoderTraining(captioner.decoder, config.decoder, 1, () => captions);
  let step = 0;
  await checkBudget(t, gpu, () => training.step(++step), { dispatches: 140 });
  training.dispose();
  gpu.device.destroy();
});

test("budget of the quick preset's VQ-VAE step", async (t) => {
  const gpu = await nullGpu(t);
  if (!gpu) return;
  const { config, captioner } = quickPreset(gpu);
  const training = new TokenizerTraining(
    captioner.imageTokenizer,
    config.vqvae,
    1,
    (_, images) => void images.fill(128),
  );
  let step = 0;
  await checkBudget(t, gpu, () => training.step(++step), { dispatches: 128 });
  training.dispose();
  gpu.device.destroy();
});
