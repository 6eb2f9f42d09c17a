#!/usr/bin/env node
/**
 * What VQGAN costs at its real size, with random weights: time of a picture there and back, the most memory in use, and the
 * share of the FMA peak of the same run.
 */

import { readFile } from "node:fs/promises";
import { InvalidArgumentError } from "commander";
import { commandLine, integerOption, openGpu, runCommand } from "../dist/cli.js";
import { profile } from "../dist/debug.js";
import { noGrad, zeros } from "../dist/engine/index.js";
import { multiplyAdds, Vqgan } from "../dist/vqgan.js";
import { ceilings } from "./ceilings.js";
import { measure } from "./measure.js";
import { randomSource } from "./random.js";
import { align, bytes, significant } from "./report.js";

/** f = 8, 8192 Gumbel codes, trained on OpenImages: the tokenizer of VQ-Diffusion. @type {import("../dist/vqgan.js").VqganShape} */
const shape = {
  channels: 128,
  multipliers: [1, 1, 2, 4],
  resBlocks: 2,
  attention: [3],
  middleAttention: true,
  resampleConvolution: true,
  zChannels: 256,
  embedDim: 256,
  codes: 8192,
  quantizer: "gumbel",
  ids: 0,
};

/** Numbers that weights repeat: 69 million random ones would take half a minute. */
const period = 1 << 16;

/** @param {Vqgan} vqgan */
function fill(vqgan) {
  const random = randomSource(1).floats(period);
  for (const { tensor } of vqgan.parameters()) {
    const inputs = tensor.rank < 2 ? 1 : tensor.size / (tensor.shape.at(-1) ?? 1);
    const scale = tensor.rank < 2 ? 0.1 : 1 / Math.sqrt(inputs);
    const values = new Float32Array(tensor.size);
    for (let i = 0; i < values.length; i++) values[i] = scale * (random[i % period] ?? 0);
    tensor.write(values);
  }
}

/** @param {string} text */
function sizeOption(text) {
  const size = Number(text);
  if (!Number.isInteger(size) || size < 32 || size % 8 !== 0)
    throw new InvalidArgumentError("It should be a multiple of 8 from 32.");
  return size;
}

/** @param {readonly number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

async function main() {
  const options = commandLine(
    "node kernels-bench/vqgan.js",
    "Times VQGAN f = 8 at its real size, with random weights.",
  )
    .option("--size <pixels>", "side of the picture", sizeOption, 256)
    .option("--repeat <n>", "passes", integerOption(1), 3)
    .option("--profile", "also the time of each kernel")
    .option("--adapter <name>", "as in kernels-bench/run.js")
    .parse()
    .opts();
  const { size, repeat } = options;
  const gpu = await openGpu(options.adapter);
  const sources = {
    fma: await readFile(new URL("../shaders/common/fma.wgsl", import.meta.url), "utf8"),
    copy: await readFile(new URL("./copy.wgsl", import.meta.url), "utf8"),
  };
  const [ceiling] = ceilings(sources);
  const vqgan = new Vqgan(gpu, shape, size);
  fill(vqgan);
  await gpu.idle();
  const weights = gpu.memory.liveBytes;
  const image = zeros(gpu, [1, size, size, 3]).keep();
  const side = size / 8;
  const ids = zeros(gpu, [1, side, side], "u32").keep();
  const operations = multiplyAdds(shape, size, size);
  /** @type {[name: string, pass: () => { dispose(): void }, flops: number][]} */
  const parts = [
    ["encode", () => noGrad(() => vqgan.encodeGrid(image)), 2 * operations.encoder],
    ["decode", () => noGrad(() => vqgan.decodeGrid(ids)), 2 * operations.decoder],
  ];
  /** The peak by wall clock and by processor time, FLOP in a millisecond. */
  const peak = async () => {
    const [result] = await measure(gpu, [/** @type {import("./types.js").Case} */ (ceiling)], {
      cpuTime: processorMs,
    });
    if (!result) throw new Error("the ceiling was not measured");
    return { wall: result.flops / result.best, cpu: result.cpuMs === null ? 0 : result.flops / result.cpuMs };
  };
  const before = await peak();
  // Compiles the kernels: a small picture takes the same ones.
  const little = zeros(gpu, [1, 64, 64, 3]);
  const codes = vqgan.encodeGrid(little);
  vqgan.decodeGrid(codes).dispose();
  await gpu.idle();
  for (const tensor of [little, codes]) tensor.dispose();
  gpu.trim();
  console.log(
    `${(vqgan.parameterCount / 1e6).toFixed(1)} M parameters, ${bytes(weights)}; pictures of ${size}×${size}; medians of ${repeat} passes`,
  );
  console.log(
    `FMA peak ${significant(before.wall / 1e6)} GFLOP/s, ${significant(before.cpu / 1e6)} a processor second`,
  );
  for (const [name, pass, flops] of parts) {
    /** @type {number[]} */
    const wall = [];
    /** @type {number[]} */
    const cpu = [];
    let most = 0;
    for (let i = 0; i < repeat; i++) {
      gpu.resetPeakMemory();
      const [began, processor] = [performance.now(), processorMs()];
      const result = pass();
      await gpu.idle();
      result.dispose();
      wall.push(performance.now() - began);
      cpu.push(processorMs() - processor);
      most = Math.max(most, gpu.memory.peakBytes);
    }
    const [seconds, processor] = [median(wall) / 1000, median(cpu) / 1000];
    const shares = [flops / Math.min(...wall) / before.wall, flops / median(cpu) / before.cpu];
    const [byClock, byProcessor] = shares.map((share) => `${Math.round(100 * share)} %`);
    console.log(
      `${name}: ${significant(flops / 1e9)} GFLOP, ${significant(seconds)} s, ${significant(processor)} s of processors; ` +
        `${byClock} of the FMA peak, ${byProcessor} by processor time; ${bytes(most)} at the peak, ${bytes(most - weights)} beside the weights`,
    );
  }
  if (options.profile) {
    for (const [name, pass] of parts) {
      const times = await profile(gpu, async () => {
        pass().dispose();
        await gpu.idle();
      });
      const total = times.reduce((sum, { microseconds }) => sum + microseconds, 0);
      console.log(`\n${name}`);
      console.log(
        align(
          times
            .slice(0, 10)
            .map(({ kernel, dispatches, microseconds }) => [
              kernel,
              String(dispatches),
              `${significant(microseconds / 1000)} ms`,
              `${((100 * microseconds) / total).toFixed(1)} %`,
            ]),
        ).join("\n"),
      );
    }
  }
  vqgan.dispose();
}

await runCommand(main);
