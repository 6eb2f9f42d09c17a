#!/usr/bin/env node
/** The bench: times every kernel, checks it, compares it with an earlier run; `step` profiles whole training steps. */

import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { Argument } from "commander";

const dist = new URL("../dist/", import.meta.url);

/** Loads the built engine, or says in one sentence how to build it. */
async function engine() {
  try {
    return {
      ...(await import(new URL("cli.js", dist).href)),
      ...(await import(new URL("platform/errors.js", dist).href)),
      ...(await import(new URL("platform/node.js", dist).href)),
    };
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ERR_MODULE_NOT_FOUND") throw error;
    console.error(`error: ${fileURLToPath(dist)} is missing or incomplete; run npm run build first.`);
    process.exit(1);
  }
}

const { commandLine, integerOption, nodePlatform, openGpu, runCommand, UserError } = await engine();
const { cases, chosen, families } = await import("./cases.js");
const { ceilings } = await import("./ceilings.js");
const { check, measure } = await import("./measure.js");
const { compare, describe } = await import("./baseline.js");
const { format, table } = await import("./report.js");

/**
 * @typedef {object} Options
 * @property {string} [adapter]
 * @property {string} [json]
 * @property {boolean} [check]
 * @property {number} [repeat]
 * @property {string} [baseline]
 * @property {string} preset
 * @property {string} [vs]
 */

const program = commandLine(
  "kernels-bench/run.js",
  "Times every kernel against the FMA peak and the copy bandwidth of the same run.",
)
  .addArgument(
    new Argument(
      "[filter]",
      `a family, a part of a case's name, or "step" to profile a training step of each stage; families: ${families.join(", ")}`,
    ),
  )
  .option("--adapter <name>", "gpu, lavapipe, swiftshader, null, or a part of an adapter's name")
  .option("--check", "also compare each case with a float64 reference; exit code 1 if one is wrong")
  .option(
    "--repeat <n>",
    "samples of each case, or steps (default: as fit into about a second)",
    integerOption(1, 10000),
  )
  .option("--json <file>", "write the results")
  .option(
    "--baseline <file>",
    "compare with an earlier --json file and name what got slower beyond the noise",
  )
  .option("--vs <peers>", "compare with other engines, tfjs and jax, instead; kernels-bench/peers/README.md")
  .option("--preset <name>", "whose training steps `step` profiles: quick or emoji", "quick");

/** One line of progress on a terminal; nothing in a log. */
function progress(/** @type {string} */ text) {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
}

/**
 * @param {string} path
 * @returns {Promise<import("./report.js").Report>}
 */
async function readBaseline(path) {
  let report;
  try {
    report = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new UserError(`${path} cannot be read as a baseline: ${/** @type {Error} */ (error).message}`);
  }
  if (report?.format !== format) {
    throw new UserError(`${path} is not a file written by kernels-bench/run.js --json (format ${format}).`);
  }
  return report;
}

/** @param {object} content @param {string} path */
async function writeJson(content, path) {
  await nodePlatform.files.write(path, `${JSON.stringify(content, null, 2)}\n`);
  console.error(`written: ${path}`);
}

const about = () => ({
  date: new Date().toISOString(),
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
});

/**
 * What share of the ceilings a case reaches.
 * @param {import("./measure.js").Result} result
 * @param {import("./measure.js").Result} fma
 * @param {import("./measure.js").Result} copy
 * @param {boolean} software
 */
function withShares(result, fma, copy, software) {
  /**
   * @param {"flops" | "leastBytes"} amount
   * @param {"best" | "cpuMs"} time
   * @param {import("./measure.js").Result} ceiling
   */
  const share = (amount, time, ceiling) =>
    result[amount] > 0 ? result[amount] / result[time] / (ceiling[amount] / ceiling[time]) : null;
  return {
    ...result,
    shareOfFma: share("flops", "best", fma),
    shareOfCopy: share("leastBytes", "best", copy),
    cpuShareOfFma: software ? share("flops", "cpuMs", fma) : null,
    cpuShareOfCopy: software ? share("leastBytes", "cpuMs", copy) : null,
  };
}

/**
 * @param {readonly import("./types.js").Case[]} selected
 * @param {Options} options
 */
async function benchmark(selected, options) {
  const before = options.baseline === undefined ? null : await readBaseline(options.baseline);
  const gpu = await openGpu(options.adapter);
  // The ceilings come first and then take part in every round.
  const limits = [ceilings.fma, ceilings.copy];
  const all = await measure(gpu, [...limits, ...selected], { rounds: options.repeat, progress });
  const [fma, copy, ...results] = all;
  const report = {
    format,
    ...about(),
    adapter: gpu.description,
    software: gpu.software,
    ceilings: {
      peak: { gflops: fma.flops / fma.best / 1e6, gbs: copy.leastBytes / copy.best / 1e6 },
      median: { gflops: fma.gflops, gbs: copy.gbs },
      measured: [fma, copy],
    },
    cases: results.map((result) => withShares(result, fma, copy, gpu.software)),
  };
  if (options.check) {
    for (const [i, entry] of selected.entries()) {
      progress(`checking ${entry.name}`);
      report.cases[i].check = await check(gpu, entry);
    }
    progress("");
  }
  console.log(table(report));
  if (before) console.log(`\n${describe(before, report, compare(before, report))}`);
  if (options.json !== undefined) await writeJson(report, options.json);
  const wrong = report.cases.filter((result) => result.check && !result.check.ok).map(({ name }) => name);
  if (wrong.length > 0) throw new UserError(`Wrong results, see the column error: ${wrong.join("; ")}.`);
}

/** @param {string | undefined} filter @param {Options & { vs: string }} options */
async function compareWithPeers(filter, options) {
  for (const name of /** @type {const} */ (["check", "baseline"])) {
    if (options[name] !== undefined)
      throw new UserError(`--${name} is for this engine alone, not for --vs.`, 2);
  }
  const { chosenPeers } = await import("./peers/engines.js");
  const peers = chosenPeers(options.vs);
  const { versus } = await import("./peers/versus.js");
  const report = await versus(peers, filter, options, progress);
  if (options.json !== undefined) await writeJson({ ...report, ...about() }, options.json);
}

/** @param {Options} options */
async function profile(options) {
  for (const name of /** @type {const} */ (["check", "baseline"])) {
    if (options[name] !== undefined) throw new UserError(`--${name} is for kernels, not for step.`, 2);
  }
  const { describeStep, profileSteps } = await import("./step.js");
  const gpu = await openGpu(options.adapter);
  const steps = await profileSteps(gpu, options.preset, options.repeat, progress);
  progress("");
  console.log(steps.map(describeStep).join("\n\n"));
  const report = {
    format: `${format}-step`,
    ...about(),
    adapter: gpu.description,
    preset: options.preset,
    steps,
  };
  if (options.json !== undefined) await writeJson(report, options.json);
}

await runCommand(async () => {
  program.parse();
  const options = /** @type {Options} */ (program.opts());
  const filter = /** @type {string | undefined} */ (program.args[0]);
  if (options.json !== undefined && !(await nodePlatform.files.isDirectory(dirname(options.json)))) {
    throw new UserError(`--json ${options.json}: there is no folder ${dirname(options.json)}.`, 2);
  }
  const { vs } = options;
  if (vs !== undefined) return compareWithPeers(filter, { ...options, vs });
  if (filter === "step") return profile(options);
  const selected = chosen(filter);
  if (selected.length === 0) {
    throw new UserError(
      `No case of ${cases.length} has "${filter}" in its family or name; families: ${families.join(", ")}, or step.`,
      2,
    );
  }
  return benchmark(selected, options);
});
