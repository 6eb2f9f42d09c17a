#!/usr/bin/env node

/**
 * Records `quick-losses.json`: `node -C browser dist-test/gpu-check/write-losses.js` trains the quick preset's first steps on lavapipe, then
 * again with the portable kernels and on SwiftShader, whose differences say how far rounding leads apart. To be run again
 * when the preset, its data or the order of sums in a kernel changes. It takes minutes.
 */

import { loadDataset } from "../../dist/cli/load-dataset.js";
import { commandLine, integerOption, runCommand } from "../../dist/cli/options.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { unorderedSubgroups } from "../../dist/platform/adapter-info.js";
import { UserError } from "../../dist/platform/errors.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { openNodeDevice } from "../../dist/platform/node-adapter.js";
import { firstLosses } from "../browser/numbers.js";
import { quickLossesFile } from "./files.js";
import type { StoredLosses, StoredStage } from "./stored-losses.js";

const stages = ["vqvae", "decoder"] as const;

await runCommand(async () => {
  const { steps } = commandLine(
    "node -C browser dist-test/gpu-check/write-losses.js",
    "Records the losses that npm run gpu-check compares a training with.",
  )
    .option("--steps <number>", "steps of each stage", integerOption(1), 200)
    .parse()
    .opts<{ steps: number }>();
  const dataset = await loadDataset(resolveConfig({ preset: "quick" }).data, true);
  const train = async (adapter: string, portable: boolean, codes: Uint32Array | null) => {
    const opened = await openNodeDevice({ adapter });
    if (portable) unorderedSubgroups.add(opened.device);
    const gpu = Gpu.from(opened.device, { ...opened, tuning: null });
    const name = `${opened.description}${portable ? ", portable kernels" : ""}`;
    const began = performance.now();
    const run = await firstLosses(gpu, nodePlatform, { dataset, codes }, steps, {
      onStep: (stage, step) => {
        if (step % 50 === 0) console.error(`${name}: ${stage}, step ${step}`);
      },
    });
    gpu.dispose();
    opened.device.destroy();
    console.error(`${name}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
    return { name: name.replace(/ \(driver .*?\)/, ""), run };
  };
  const { name, run } = await train("lavapipe", false, null);
  if (run.codes.some((code) => code > 255))
    throw new UserError("The preset has more than 256 codes; the file holds a byte for each.");
  const total = (stage: (typeof stages)[number], of: typeof run) =>
    of[stage].map(({ losses }) => losses.total!);
  const spreads = { vqvae: new Array<number>(steps).fill(0), decoder: new Array<number>(steps).fill(0) };
  const others: string[] = [];
  for (const [adapter, portable] of [
    ["lavapipe", true],
    ["swiftshader", false],
  ] as const) {
    const other = await train(adapter, portable, run.codes);
    others.push(other.name);
    for (const stage of stages) {
      const own = total(stage, run);
      let most = 0;
      total(stage, other.run).forEach((loss, i) => {
        most = Math.max(most, Math.abs(loss / own[i]! - 1));
        spreads[stage][i] = Math.max(spreads[stage][i]!, most);
      });
      console.error(`${stage}: differs by ${most.toExponential(1)} at the most`);
    }
  }
  const stageOf = (stage: (typeof stages)[number]): StoredStage => ({
    losses: total(stage, run).map((loss) => Number(loss.toPrecision(8))),
    spread: spreads[stage].map((value) => Number(value.toPrecision(3))),
  });
  const stored: StoredLosses = {
    recorded: `${name}; spread: ${others.join("; ")}; ${new Date().toISOString().slice(0, 10)}`,
    codes: Buffer.from(Uint8Array.from(run.codes)).toString("base64"),
    stages: { vqvae: stageOf("vqvae"), decoder: stageOf("decoder") },
  };
  await nodePlatform.files.write(quickLossesFile, `${JSON.stringify(stored)}\n`);
  console.error(`written: ${quickLossesFile}`);
});
