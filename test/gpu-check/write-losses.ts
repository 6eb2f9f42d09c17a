#!/usr/bin/env node
/**
 * Records `quick-losses.json`, again when the preset or its data change, or a kernel adds in another order:
 *
 * ```sh
 * node -C browser dist-test/gpu-check/write-losses.js --adapter lavapipe
 * node -C browser dist-test/gpu-check/write-losses.js --spread --adapter lavapipe --portable
 * node -C browser dist-test/gpu-check/write-losses.js --spread --adapter swiftshader --steps 40
 * ```
 *
 * The first writes the losses. The others train once more with other kernels: how far apart rounding leads.
 */

import { Option } from "commander";
import { loadDataset } from "../../dist/cli/load-dataset.js";
import { adapterOption, commandLine, integerOption, runCommand } from "../../dist/cli/options.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { unorderedSubgroups } from "../../dist/platform/adapter-info.js";
import { UserError } from "../../dist/platform/errors.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { openNodeDevice } from "../../dist/platform/node-adapter.js";
import type { Stage } from "../../dist/training/trainer.js";
import { firstLosses } from "../browser/numbers.js";
import { quickLossesFile } from "./files.js";
import { type StoredLosses, type StoredStage, storedCodes, widened } from "./stored-losses.js";

interface Options {
  spread: boolean;
  portable: boolean;
  stage?: Stage;
  steps: number;
  adapter?: string;
}

await runCommand(async () => {
  const { spread, portable, stage, steps, adapter } = commandLine(
    "node -C browser dist-test/gpu-check/write-losses.js",
    "Records the losses that npm run gpu-check compares a training with, or how far from them another way of rounding is.",
  )
    .option("--spread", "compare with the losses of the file and widen what it allows", false)
    .option("--portable", "without the kernels that use subgroups", false)
    .addOption(new Option("--stage <stage>", "this stage alone").choices(["vqvae", "decoder"]))
    .option("--steps <number>", "steps of each stage", integerOption(1), 200)
    .addOption(adapterOption())
    .parse()
    .opts<Options>();
  const { files } = nodePlatform;
  const before = spread || stage ? (JSON.parse(await files.readText(quickLossesFile)) as StoredLosses) : null;
  const dataset = await loadDataset(resolveConfig({ preset: "quick" }).data, true);
  const opened = await openNodeDevice({ adapter });
  if (portable) unorderedSubgroups.add(opened.device);
  const gpu = Gpu.from(opened.device, { ...opened, tuning: null });
  const name = `${opened.description.replace(/ \(driver .*?\)/, "")}${portable ? ", portable kernels" : ""}`;
  // One stage alone leaves the other as it is.
  const codes = before && storedCodes(before);
  const train = (only: Stage, codes: Uint32Array | null) =>
    firstLosses(gpu, nodePlatform, { dataset, codes }, steps, {
      only,
      onStep: (_, step) => void (step % 10 === 0 && console.error(`${name}: ${only}, step ${step}`)),
    });
  const vqvae = stage === "decoder" ? null : await train("vqvae", codes);
  const decoder = stage === "vqvae" ? null : await train("decoder", codes ?? vqvae!.codes);
  const run = { codes: codes ?? vqvae!.codes, vqvae: vqvae?.vqvae, decoder: decoder?.decoder };
  if (run.codes.some((code) => code > 255))
    throw new UserError("The preset has more than 256 codes; the file holds a byte for each.");
  const date = new Date().toISOString().slice(0, 10);
  const stageOf = (stage: Stage): StoredStage => {
    const results = run[stage];
    if (!results) return before!.stages[stage];
    const losses = results.map(({ losses }) => Number(losses.total!.toPrecision(8)));
    if (!before || !spread) return { losses, spread: losses.map(() => 0) };
    const wider = widened(before.stages[stage], losses);
    console.error(`${stage}: differs by ${wider.spread[steps - 1]!.toExponential(1)} at step ${steps}`);
    return wider;
  };
  const stages = stage ?? "both stages";
  const how = spread ? `spread of ${stages} by ${name}, ${steps} steps` : `${stages} by ${name}, ${date}`;
  const stored: StoredLosses = {
    recorded: before ? `${before.recorded}; ${how}` : how,
    codes: before ? before.codes : Buffer.from(Uint8Array.from(run.codes)).toString("base64"),
    stages: { vqvae: stageOf("vqvae"), decoder: stageOf("decoder") },
  };
  await files.write(quickLossesFile, `${JSON.stringify(stored)}\n`);
  console.error(`written: ${quickLossesFile}`);
});
