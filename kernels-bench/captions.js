#!/usr/bin/env node
/**
 * Captions a second of two built checkouts at the same settings, alternating: random codes, several seeds, as scores need them.
 * `node kernels-bench/captions.js OLD [NEW]`.
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { commandLine, integerOption, runCommand } from "../dist/cli.js";
import { UserError } from "../dist/index.js";
import { quantile } from "./measure.js";
import { align } from "./report.js";

/** @typedef {{ ms: number, cpuMs: number, captions: string[] }} Sample */

/**
 * A process that samples in one checkout, a sample for each line that it is sent.
 * @param {string} checkout @param {string | undefined} adapter
 */
function sampler(checkout, adapter) {
  const child = spawn(process.execPath, [new URL("captions-worker.js", import.meta.url).pathname, checkout], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...(adapter ? { MCD_ADAPTER: adapter } : {}) },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    /** @param {object} job @returns {Promise<Sample>} */
    async sample(job) {
      child.stdin.write(`${JSON.stringify(job)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${checkout} gave no captions`);
      return JSON.parse(value);
    },
    end: () => child.stdin.end(),
  };
}

async function main() {
  const command = commandLine(
    "node kernels-bench/captions.js",
    "Measures sampling for scores in two built checkouts, by turns: pictures of random codes, captioned with the shipped weights and several seeds.",
  )
    .argument("<old>", "folder of a built checkout")
    .argument("[new]", "folder of another", ".")
    .option("--settings <list>", "ways of guidance, with commas", "cfg,mcs,none")
    .option("--pictures <number>", "pictures of random codes", integerOption(1), 64)
    .option("--seeds <number>", "captions of each picture", integerOption(1), 5)
    .option("--steps <number>", "denoising steps", integerOption(1), 25)
    .option("--top-r <share>", "mass of the likeliest words that is kept", Number, 0.86)
    .option("--rounds <number>", "turns of each checkout", integerOption(1), 3)
    .option("--adapter <name>", "as evaluate.js takes it (default: the best there is)")
    .option("--json", "print the measurements as JSON")
    .addHelpText(
      "after",
      `
Each checkout samples as its evaluate.js does. Ratios are of each round's captions a second, new over old: by the clock, and by
processor time, which other programs on the machine disturb less (software adapters compute on the processor).`,
    )
    .parse();
  const values = command.opts();

  const [old, now] = /** @type {[string, string]} */ (command.processedArgs);
  for (const checkout of [old, now]) {
    if (!existsSync(join(checkout, "dist/index.js")))
      throw new UserError(`${checkout} is no built checkout: it lacks dist/index.js (npm run build there)`);
  }
  const samplers = { old: sampler(old, values.adapter), now: sampler(now, values.adapter) };
  const job = (/** @type {string} */ method) => ({
    method,
    pictures: values.pictures,
    seeds: values.seeds,
    steps: values.steps,
    topR: values.topR,
  });
  const results = [];
  for (const method of values.settings.split(",")) {
    // Compiles the kernels.
    for (const { sample } of Object.values(samplers)) await sample({ ...job(method), pictures: 4, steps: 3 });
    /** @type {Record<"old" | "now", Sample>[]} */
    /** @type {Record<"old" | "now", Sample>[]} */
    const rounds = [];
    for (let round = 0; round < values.rounds; round++) {
      process.stderr.write(`${method}: round ${round + 1} of ${values.rounds}\n`);
      // Who goes first alternates, too.
      const order = /** @type {("old" | "now")[]} */ (round % 2 === 0 ? ["old", "now"] : ["now", "old"]);
      /** @type {Partial<Record<"old" | "now", Sample>>} */
      const taken = {};
      for (const which of order) taken[which] = await samplers[which].sample(job(method));
      rounds.push(/** @type {Record<"old" | "now", Sample>} */ (taken));
    }
    const captions = values.pictures * values.seeds;
    /** @param {"ms" | "cpuMs"} clock */
    const ratios = (clock) => rounds.map((round) => round.old[clock] / round.now[clock]);
    /** @param {"old" | "now"} which @param {"ms" | "cpuMs"} clock */
    const each = (which, clock) =>
      quantile(
        rounds.map((round) => round[which][clock]),
        0.5,
      ) / captions;
    const differing = rounds.reduce(
      (sum, round) => sum + round.old.captions.filter((text, i) => text !== round.now.captions[i]).length,
      0,
    );
    results.push({
      method,
      captions,
      oldMs: each("old", "ms"),
      newMs: each("now", "ms"),
      oldCpuMs: each("old", "cpuMs"),
      newCpuMs: each("now", "cpuMs"),
      ratios: ratios("ms"),
      cpuRatios: ratios("cpuMs"),
      differing,
    });
  }
  for (const { end } of Object.values(samplers)) end();

  if (values.json) console.log(JSON.stringify(results, null, 2));
  else {
    /** @param {number[]} ratios */
    const range = (ratios) =>
      `${quantile(ratios, 0.5).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`;
    const head = [
      "setting",
      "captions",
      "old ms",
      "new ms",
      "ratio",
      "old cpu ms",
      "new cpu ms",
      "cpu ratio",
      "differ",
    ];
    const rows = results.map((result) => [
      result.method,
      String(result.captions),
      result.oldMs.toFixed(1),
      result.newMs.toFixed(1),
      range(result.ratios),
      result.oldCpuMs.toFixed(1),
      result.newCpuMs.toFixed(1),
      range(result.cpuRatios),
      String(result.differing),
    ]);
    console.log(align([head, ...rows]).join("\n"));
  }
}

await runCommand(main);
