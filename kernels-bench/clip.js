#!/usr/bin/env node
/** What CLIP ViT-B/32 costs at its real size, with random weights: time of pictures and texts, alone and in batches; memory. */

import { commandLine, integerOption, openGpu, runCommand } from "../dist/cli.js";
import { Clip, ClipModel } from "../dist/clip.js";
import { randomSource } from "./random.js";
import { bytes, significant } from "./report.js";

/** @param {number} width @param {number} layers @param {number} heads */
const tower = (width, layers, heads) =>
  /** @type {const} */ ({ width, layers, heads, hidden: 4 * width, activation: "quick-gelu", epsilon: 1e-5 });

/** @type {import("../dist/clip.js").ClipShape} */
const shape = {
  features: 512,
  image: { ...tower(768, 12, 12), imageSize: 224, patchSize: 32 },
  text: { ...tower(512, 12, 8), context: 77, vocabulary: 49_408, endId: null },
};

/** Numbers that weights repeat: 151 million random ones would take a minute. */
const period = 1 << 16;

/** @param {import("../dist/index.js").Gpu} gpu @returns {Map<string, import("../dist/index.js").StoredTensor>} */
function randomWeights(gpu) {
  const random = randomSource(1).floats(period);
  const model = new ClipModel(gpu, shape);
  const tensors = new Map();
  for (const { name, tensor } of model.parameters()) {
    const data = new Float32Array(tensor.size);
    for (let i = 0; i < data.length; i++) data[i] = 0.03 * (random[i % period] ?? 0);
    tensors.set(name, { dtype: "F32", shape: tensor.shape, data });
  }
  model.dispose();
  return tensors;
}

/** @param {number} length */
const textOf = (length) => [49_406, ...Array.from({ length: length - 2 }, (_, i) => 300 + i), 49_407];

/** Of a software adapter, whose work is this process's: it says more than the time on a busy machine. */
const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

async function main() {
  const options = commandLine(
    "node kernels-bench/clip.js",
    "Times CLIP ViT-B/32 at its real size, with random weights; medians and ranges.",
  )
    .option("--repeat <n>", "passes", integerOption(1), 5)
    .option("--adapter <name>", "as in kernels-bench/run.js")
    .parse()
    .opts();
  const gpu = await openGpu(options.adapter);
  const began = performance.now();
  const stored = { shape, tensors: randomWeights(gpu), bpe: null, sha256: "", name: "random weights" };
  const made = performance.now();
  const clip = new Clip(gpu, stored);
  await gpu.idle();
  console.log(
    `${(clip.parameterCount / 1e6).toFixed(1)} million parameters; made in ${significant((made - began) / 1000)} s, on the device in ${significant((performance.now() - made) / 1000)} s`,
  );
  const weights = gpu.memory.liveBytes;
  const data = Uint8Array.from({ length: 640 * 480 * 3 }, (_, i) => (i * 2654435761) >>> 24);
  const picture = { width: 640, height: 480, data };
  /** @type {[string, number, () => Promise<unknown>][]} */
  const cases = [
    ["picture, alone", 1, () => clip.encodeImages([picture])],
    ["text of 12 tokens, alone", 1, () => clip.encodeTexts([textOf(12)])],
    [
      "texts of 12 tokens, 64 a batch",
      64,
      () => clip.encodeTexts(Array.from({ length: 64 }, () => textOf(12))),
    ],
    [
      "texts of 77 tokens, 64 a batch",
      64,
      () => clip.encodeTexts(Array.from({ length: 64 }, () => textOf(77))),
    ],
  ];
  console.log(`weights: ${bytes(weights)}`);
  for (const [name, count, run] of cases) {
    await run();
    gpu.resetPeakMemory();
    const times = [];
    const processor = [];
    for (let i = 0; i < options.repeat; i++) {
      const [start, used] = [performance.now(), processorMs()];
      await run();
      times.push((performance.now() - start) / count);
      processor.push((processorMs() - used) / count);
    }
    for (const list of [times, processor]) list.sort((a, b) => a - b);
    const [least = 0, middle = 0, most = 0] = [times[0], times[times.length >> 1], times.at(-1)];
    const work = significant(processor[processor.length >> 1] ?? Number.NaN);
    const range = `${significant(least)} … ${significant(most)}`;
    const memory = bytes(gpu.memory.peakBytes);
    console.log(
      `${name}: median ${significant(middle)} ms each (${range}), processor ${work} ms, most memory ${memory}`,
    );
  }
  clip.dispose();
}

await runCommand(main);
