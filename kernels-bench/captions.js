#!/usr/bin/env node
/**
 * Captions a second of two built checkouts at the same settings, alternating: random codes, several seeds, as scores need them.
 * `node kernels-bench/captions.js OLD [NEW]`.
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { quantile } from "./measure.js";
import { align } from "./report.js";

const usage = `Usage: node kernels-bench/captions.js OLD [NEW] [options]

Measures sampling for scores in two built checkouts (NEW: default this one), one after the other by turns: pictures of random
codes, captioned with the weights in NEW/weights/emoji and several seeds. Each checkout samples as its evaluate.js does.

  --settings LIST    settings, with commas (default: cfg,mcs,none)
  --pictures N       (default: 64)
  --seeds N          (default: 5)
  --steps N          (default: 25)
  --top-r SHARE      (default: 0.86)
  --rounds N         (default: 3)
  --adapter NAME     (default: the best there is)
  --json             print the measurements as JSON

Ratios are of each round's captions a second, new over old: by the clock, and by processor time, which other programs on the
machine disturb less (software adapters compute on the processor).`;

/** @typedef {{ ms: number, cpuMs: number, captions: string[] }} Sample */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    settings: { type: "string", default: "cfg,mcs,none" },
    pictures: { type: "string", default: "64" },
    seeds: { type: "string", default: "5" },
    steps: { type: "string", default: "25" },
    "top-r": { type: "string", default: "0.86" },
    rounds: { type: "string", default: "3" },
    adapter: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help || positionals.length < 1 || positionals.length > 2) {
  console.log(usage);
  process.exit(values.help ? 0 : 2);
}

/**
 * A process that samples in one checkout, a sample for each line that it is sent.
 * @param {string} checkout
 */
function sampler(checkout) {
  const child = spawn(process.execPath, [new URL("captions-worker.js", import.meta.url).pathname, checkout], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...(values.adapter ? { MCD_ADAPTER: values.adapter } : {}) },
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

const [old, now = "."] = positionals;
const samplers = { old: sampler(String(old)), now: sampler(now) };
const job = (/** @type {string} */ method) => ({
  method,
  pictures: Number(values.pictures),
  seeds: Number(values.seeds),
  steps: Number(values.steps),
  topR: Number(values["top-r"]),
});
const results = [];
for (const method of values.settings.split(",")) {
  // Compiles the kernels.
  for (const { sample } of Object.values(samplers)) await sample({ ...job(method), pictures: 4, steps: 3 });
  /** @type {Record<"old" | "now", Sample>[]} */
  /** @type {Record<"old" | "now", Sample>[]} */
  const rounds = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    process.stderr.write(`${method}: round ${round + 1} of ${values.rounds}\n`);
    // Who goes first alternates, too.
    const order = /** @type {("old" | "now")[]} */ (round % 2 === 0 ? ["old", "now"] : ["now", "old"]);
    /** @type {Partial<Record<"old" | "now", Sample>>} */
    const taken = {};
    for (const which of order) taken[which] = await samplers[which].sample(job(method));
    rounds.push(/** @type {Record<"old" | "now", Sample>} */ (taken));
  }
  const captions = Number(values.pictures) * Number(values.seeds);
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
