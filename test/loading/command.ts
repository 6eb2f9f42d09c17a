#!/usr/bin/env node
/**
 * `npm run loading`: what making a captioner's networks, giving them random weights and filling them from a file cost, in wall
 * and CPU time. CPU time is what other work on the machine disturbs least. Dawn's null backend, the default, leaves the GPU's
 * own work out.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fillModel, readFolder, saveModel } from "../../dist/captioner/files.js";
import { CaptionModel } from "../../dist/captioner/model.js";
import { adapterOption, commandLine, integerOption, openGpu, runCommand } from "../../dist/cli/options.js";
import { PRESET_NAMES } from "../../dist/config/presets.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import type { StoredTensor } from "../../dist/engine/weights/safetensors.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { WordTokenizer } from "../../dist/text/words.js";

const program = commandLine("npm run loading --", "Times random weights, and weights from a file.")
  .option("--preset <name>", `networks to make: ${PRESET_NAMES.join(" or ")}`, "paper")
  .option("--words <number>", "vocabulary", integerOption(1), 3000)
  .option("--half", "store the file in float16, as finished runs do", false)
  .addOption(adapterOption().default("null"));

interface Row {
  name: string;
  wall: number;
  cpu: number;
}

await runCommand(async () => {
  program.parse();
  const { preset, words, half, adapter } = program.opts<{
    preset: string;
    words: number;
    half: boolean;
    adapter: string;
  }>();
  const gpu = await openGpu(adapter, false, null);
  const folder = mkdtempSync(join(tmpdir(), "mcd-loading-"));
  const rows: Row[] = [];
  const timed = async <T>(name: string, body: () => T | Promise<T>): Promise<T> => {
    const [wall, cpu] = [performance.now(), process.cpuUsage()];
    const result = await body();
    await gpu.idle();
    const { user, system } = process.cpuUsage(cpu);
    rows.push({ name, wall: (performance.now() - wall) / 1e3, cpu: (user + system) / 1e6 });
    return result;
  };
  const config = resolveConfig({ preset });
  const tokenizer = new WordTokenizer(Array.from({ length: words }, (_, i) => `w${i}`));
  const networks = () => new CaptionModel(gpu, config, tokenizer, { initialise: false });
  try {
    const first = await timed("networks without weights", networks);
    const parts = { vqvae: first.imageTokenizer, decoder: first.decoder };
    await timed("random weights", () => first.initialise());

    // Made here, since the null backend reads zeros; any finite numbers do.
    const weights = new Map<string, StoredTensor>();
    for (const [prefix, part] of Object.entries(parts)) {
      for (const { name, tensor } of part.parameters()) {
        const data = new Float32Array(tensor.size);
        for (let i = 0; i < data.length; i++) data[i] = ((i % 8191) - 4095) / 8192;
        weights.set(`${prefix}.${name}`, { dtype: "F32", shape: tensor.shape, data });
      }
    }
    const parameters = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
    await saveModel(first, nodePlatform.files, folder, weights, { half });
    weights.clear();
    first.dispose();
    gpu.trim();

    const stored = await timed("reading the file, SHA-256", () => readFolder(nodePlatform.files, folder));
    const second = await timed("networks without weights, again", networks);
    await timed("weights of the file", () => fillModel(second, stored));
    second.dispose();

    console.log(
      `preset ${preset}: ${(parameters / 1e6).toFixed(1)} M numbers, ${half ? "float16" : "float32"} file\n`,
    );
    console.log("| | s | CPU s | CPU ns a number |\n| --- | --- | --- | --- |");
    for (const { name, wall, cpu } of rows)
      console.log(
        `| ${name} | ${wall.toFixed(2)} | ${cpu.toFixed(2)} | ${((cpu * 1e9) / parameters).toFixed(1)} |`,
      );
  } finally {
    rmSync(folder, { recursive: true, force: true });
    gpu.device.destroy();
  }
});
