#!/usr/bin/env node
/**
 * Random and loaded weights at the paper's size (18 blocks of d = 512, CLIP's 49,408 tokens and frozen table): seconds by the clock
 * and of processors, beside the floor that memory sets. Files are made here and deleted.
 */

import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandLine, integerOption, openGpu, runCommand } from "../dist/cli.js";
import { loadWeights } from "../dist/engine/index.js";
import {
  captionDecoders,
  decodeSafetensors,
  encodeSafetensors,
  imageTokenizers,
  resolveConfig,
} from "../dist/index.js";
import { align, bytes, significant } from "./report.js";

const tokens = 49_408;

/** @param {import("./types.js").Gpu} gpu @param {string[]} set */
function decoderOf(gpu, set) {
  const files = ["data.vocabulary=none", "decoder.clipWeights=none"];
  const config = resolveConfig({ preset: "paper", set: [...files, ...set] });
  const images = imageTokenizers.get(config.imageTokenizer).create(gpu, config);
  const kind = captionDecoders.get(config.model);
  const decoder = kind.create(gpu, config, { vocabulary: tokens, endId: tokens - 1, images });
  images.dispose();
  return { config, decoder };
}

/** Copies all weights from one array to another: what no way of making or loading them can do without. @param {number} size */
function copyBytes(size) {
  const source = new Uint8Array(size).fill(1);
  const target = new Uint8Array(size).fill(2);
  return () => target.set(source);
}

async function main() {
  const { repeat, set, adapter } = commandLine(
    "node kernels-bench/weights.js",
    "Times random weights and the loading of a safetensors file at the paper's size.",
  )
    .option("--repeat <n>", "times each is measured", integerOption(1), 3)
    .option(
      "--set <key=value>",
      "a setting over the preset paper; may be repeated",
      (/** @type {string} */ value, /** @type {string[]} */ all) => [...all, value],
      /** @type {string[]} */ ([]),
    )
    .option("--adapter <name>", "as in kernels-bench/run.js")
    .parse()
    .opts();
  const gpu = await openGpu(adapter);
  const { config, decoder } = decoderOf(gpu, set);
  const parameters = decoder.parameters();
  const size = 4 * parameters.reduce((sum, { tensor }) => sum + tensor.size, 0);
  console.log(
    `${(decoder.parameterCount / 1e6).toFixed(1)} M trained parameters, ${bytes(size)} with the frozen table; the quickest of ${repeat}`,
  );
  const folder = await mkdtemp(join(tmpdir(), "mcd-weights-"));
  try {
    const path = join(folder, "model.safetensors");
    const file = await open(path, "w");
    await file.writeFile(
      encodeSafetensors(
        new Map(
          parameters.map(({ name, tensor: { shape, size } }) => [
            name,
            { dtype: "F32", shape, data: new Float32Array(size).fill(0.5) },
          ]),
        ),
      ),
    );
    await file.close();
    let read = new Uint8Array(0);
    const copy = copyBytes(size);
    /** @type {[string, () => unknown][]} */
    const parts = [
      ["the floor: a copy of as many bytes", copy],
      ["random weights, to the device", () => decoder.initialise(config.seed)],
      ["reading the file (from the system's cache)", async () => (read = await readFile(path))],
      [
        "checking its numbers and loading them to the device",
        () => loadWeights(decoder, decodeSafetensors(read, path).tensors, path),
      ],
    ];
    const rows = [];
    for (const [name, run] of parts) {
      const wall = [];
      const processor = [];
      for (let i = 0; i < repeat; i++) {
        const [began, before] = [performance.now(), process.cpuUsage()];
        await run();
        await gpu.idle();
        wall.push((performance.now() - began) / 1000);
        const { user, system } = process.cpuUsage(before);
        processor.push((user + system) / 1e6);
      }
      rows.push([name, significant(Math.min(...wall)), significant(Math.min(...processor))]);
    }
    console.log(align([["", "s", "s of processors"], ...rows]).join("\n"));
  } finally {
    await rm(folder, { recursive: true });
  }
  decoder.dispose();
}

await runCommand(main);
