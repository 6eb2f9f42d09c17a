#!/usr/bin/env node
/** The bench: times every kernel, checks it, compares it with an earlier run; `step` profiles whole training steps. */

import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { Argument, InvalidArgumentError } from "commander";

/** Loads the built engine, or says in one sentence how to build it. */
async function engine() {
  try {
    return {
      ...(await import("../dist/cli.js")),
      ...(await import("../dist/debug.js")),
      ...(await import("../dist/index.js")),
      ...(await import("../dist/node.js")),
    };
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ERR_MODULE_NOT_FOUND") throw error;
    const dist = fileURLToPath(new URL("../dist/", import.meta.url));
    console.error(`error: ${dist} is missing or incomplete; run npm run build first.`);
    process.exit(1);
  }
}

const {
  commandLine,
  integerOption,
  nodePlatform,
  openGpu,
  readTuning,
  runCommand,
  shippedTuning,
  tuningHelp,
  tuningProblems,
  UserError,
  userTuningPath,
} = await engine();
const { chosen, families, parseSizes, sizesRule } = await import("./cases.js");
const { casesPage } = await import("./cases-page.js");
const { ceilings } = await import("./ceilings.js");
const { check, measure } = await import("./measure.js");
const { at } = await import("./numbers.js");
const { baselineFault, compare, describe } = await import("./baseline.js");
const { format, reportOf, table } = await import("./report.js");

/**
 * @typedef {object} Options
 * @property {string} [adapter]
 * @property {import("./cases.js").Sizes} [sizes]
 * @property {string} [json]
 * @property {string} [html]
 * @property {string} [trace]
 * @property {boolean} [check]
 * @property {number} [repeat]
 * @property {string} [baseline]
 * @property {string} [preset]
 * @property {string[]} [set]
 * @property {string} [vs]
 * @property {boolean} [otherShapes]
 * @property {boolean} [tune]
 * @property {boolean} [dryRun]
 * @property {string} [tuning]
 */

/** Longest time without a word when standard error is a file, in milliseconds. */
const silence = 10_000;

const program = commandLine(
  "kernels-bench/run.js",
  "Times every kernel against the FMA peak and the copy bandwidth of the same run.",
)
  .addArgument(
    new Argument(
      "[filter]",
      `a family, a part of a case's name, or "step" to profile a training step of each stage; families: ${families.map(({ name }) => name).join(", ")}`,
    ),
  )
  .option("--adapter <name>", "gpu, lavapipe, swiftshader, null, or a part of an adapter's name")
  .option(
    "--sizes <sizes>",
    "small, default, large, presets, or numbers such as 64,256,1024 of which each family makes cases, see below",
    sizesOption,
  )
  .option("--check", "also compare each case with a float64 reference; exit code 1 if one is wrong")
  .option(
    "--repeat <n>",
    "samples of each case, or steps (default: as many as fit into about a second)",
    integerOption(1, 10000),
  )
  .option("--json <file>", "write the results")
  .option("--html <file>", "write them as a page: roofline and table; of steps, timeline and memory curve")
  .option(
    "--baseline <file>",
    "compare with an earlier --json file and name what got slower beyond the noise",
  )
  .option("--vs <peers>", "compare with other engines, tfjs and jax, instead; kernels-bench/peers/README.md")
  .option("--other-shapes", "with --vs: shapes that neither bars nor tuning were made for")
  .option("--tune", "try the candidates marked in the WGSL on these cases and keep what wins; README.md")
  .option("--dry-run", "with --tune: only say what would be kept")
  .option("--tuning <file>", `${tuningHelp}; with --tune, where the winners go`)
  .option("--preset <name>", "whose training steps `step` profiles: quick or emoji (default: quick)")
  .option(
    "--set <key=value>",
    "a setting of `step`'s models over the preset's, as decoder.precision=float16; may be repeated",
    (/** @type {string} */ text, /** @type {string[] | undefined} */ before) => [...(before ?? []), text],
  )
  .option("--trace <file>", "write the dispatches of `step` for chrome://tracing or ui.perfetto.dev")
  .addHelpText(
    "after",
    `\nA number n in --sizes makes cases of\n${families.map(({ name, natural }) => `  ${name.padEnd(15)}${natural}`).join("\n")}`,
  );

/** @param {string} text */
function sizesOption(text) {
  const sizes = parseSizes(text);
  if (sizes === null) throw new InvalidArgumentError(sizesRule);
  return sizes;
}

let lastWord = performance.now();

/** What is being done: one line that changes on a terminal, now and then a line in a log; "" at the end. */
function progress(/** @type {string} */ text) {
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  } else if (text !== "" && performance.now() - lastWord > silence) {
    lastWord = performance.now();
    process.stderr.write(`${text}\n`);
  }
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
  const fault = baselineFault(report);
  if (fault !== null) throw new UserError(`${path} cannot be a baseline: ${fault}.`);
  return report;
}

/** @param {string} path @param {string} content */
async function write(path, content) {
  await nodePlatform.files.write(path, content);
  console.error(`written: ${path}`);
}

/** @param {object} content */
const jsonText = (content) => `${JSON.stringify(content, null, 2)}\n`;

/** @param {object} content @param {string} path */
const writeJson = (content, path) => write(path, jsonText(content));

const about = () => ({
  date: new Date().toISOString(),
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
});

/** @param {string} path */
const wgsl = (path) => readFile(new URL(path, import.meta.url), "utf8");

/** Processor milliseconds of this process so far, all threads. */
function cpuTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * The cases that the device has the features for; the others are named on standard error.
 * @param {import("./types.js").Gpu} gpu
 * @param {readonly import("./types.js").Case[]} wanted
 */
function supported(gpu, wanted) {
  const selected = wanted.filter(({ needs }) => needs === undefined || gpu.has(needs));
  if (selected.length < wanted.length) {
    const missing = wanted
      .filter((entry) => !selected.includes(entry))
      .map(({ name, needs }) => `${name} (${needs})`);
    console.error(
      `Left out, since ${gpu.description} lacks a feature that they need: ${missing.join("; ")}.`,
    );
  }
  return selected;
}

/**
 * @param {readonly import("./types.js").Case[]} wanted
 * @param {Options} options
 */
async function benchmark(wanted, options) {
  const began = performance.now();
  const before = options.baseline === undefined ? null : await readBaseline(options.baseline);
  const gpu = await openGpu(options.adapter, false, options.tuning);
  // Whoever changes a kernel is to know that what was measured of it no longer counts.
  for (const problem of tuningProblems(shippedTuning, gpu.tuning.adapter, gpu.limits))
    console.error(`careful: ${problem}`);
  const selected = supported(gpu, wanted);
  // The ceilings come first and then take part in every round.
  const limits = ceilings({ fma: await wgsl("../shaders/common/fma.wgsl"), copy: await wgsl("copy.wgsl") });
  const results = await measure(gpu, [...limits, ...selected], { rounds: options.repeat, progress, cpuTime });
  if (options.check) {
    for (const [i, entry] of selected.entries()) {
      progress(`checking ${i + 1} of ${selected.length}: ${entry.name}`);
      at(results, limits.length + i).check = await check(gpu, entry);
    }
    progress("");
  }
  const { sizes = "medium" } = options;
  const report = reportOf(results, {
    ...about(),
    adapter: gpu.description,
    software: gpu.software,
    sizes: sizes === "medium" ? "default" : String(sizes),
    seconds: (performance.now() - began) / 1000,
    cpuSeconds: cpuTime() / 1000,
  });
  console.log(table(report));
  if (before) console.log(`\n${describe(before, report, compare(before, report))}`);
  if (options.json !== undefined) await writeJson(report, options.json);
  if (options.html !== undefined) await write(options.html, casesPage(report));
  const wrong = report.cases.filter((result) => result.check && !result.check.ok).map(({ name }) => name);
  if (wrong.length > 0) throw new UserError(`Wrong results, see the column error: ${wrong.join("; ")}.`);
}

/**
 * @param {readonly import("./types.js").Case[]} wanted
 * @param {Options} options
 */
async function tuneCases(wanted, options) {
  for (const name of /** @type {const} */ (["check", "baseline", "json", "html", "vs"])) {
    if (options[name] !== undefined) throw new UserError(`--${name} is not for --tune.`, 2);
  }
  const { describeTuned, mergedTable, tune } = await import("./tune.js");
  const path = options.tuning ?? userTuningPath();
  const old = (await nodePlatform.files.exists(path)) ? await readTuning(path) : null;
  const gpu = await openGpu(options.adapter, false, null);
  if (/null backend/.test(gpu.description))
    throw new UserError("--tune needs an adapter that computes; the null backend does not.");
  const adapter = { key: gpu.tuning.adapter, description: gpu.description, date: about().date.slice(0, 10) };
  if (!options.dryRun && options.tuning === undefined) await nodePlatform.files.makeDirectory(dirname(path));
  /** @param {readonly import("./tune.js").Tuned[]} results */
  const keep = async (results) => {
    if (!options.dryRun) await nodePlatform.files.write(path, jsonText(mergedTable(old, adapter, results)));
  };
  const results = await tune(gpu, supported(gpu, wanted), {
    pairs: options.repeat,
    progress,
    keep,
    report(tuned) {
      progress("");
      if (tuned.trials.length > 0) console.log(describeTuned(tuned));
    },
  });
  progress("");
  const won = results.filter(({ values }) => values !== null).length;
  console.log(`${won} of ${results.length} kernels and choices at their shapes are better than by default`);
  if (!options.dryRun) console.error(`written: ${path}`);
}

/** @param {string | undefined} filter @param {Options & { vs: string }} options */
async function compareWithPeers(filter, options) {
  for (const name of /** @type {const} */ (["check", "baseline", "sizes", "html", "trace"])) {
    if (options[name] !== undefined)
      throw new UserError(`--${name} is for this engine alone, not for --vs.`, 2);
  }
  const { chosenPeers } = await import("./peers/engines.js");
  const peers = chosenPeers(options.vs);
  const { versus } = await import("./peers/versus.js");
  await versus(peers, filter, options, {
    progress,
    async keep(report) {
      if (options.json === undefined) return;
      await nodePlatform.files.write(options.json, jsonText({ ...report, ...about() }));
    },
  });
  if (options.json !== undefined) console.error(`written: ${options.json}`);
}

/** @param {Options} options */
async function profile(options) {
  const { describeStep, profileSteps } = await import("./step.js");
  const { stepPage } = await import("./step-page.js");
  const { traceOf } = await import("./trace.js");
  const { preset = "quick", set = [] } = options;
  const gpu = await openGpu(options.adapter, false, options.tuning);
  if (options.trace !== undefined && !timestamps(gpu)) {
    throw new UserError("--trace needs an adapter with timestamps; this one has no usable ones.");
  }
  const steps = await profileSteps(gpu, preset, {
    set,
    count: options.repeat,
    timestamps: timestamps(gpu),
    progress,
  });
  progress("");
  console.log(steps.map(describeStep).join("\n\n"));
  const report = { format: `${format}-step`, ...about(), adapter: gpu.description, preset, set, steps };
  if (options.json !== undefined) await writeJson(report, options.json);
  if (options.html !== undefined) await write(options.html, stepPage(report));
  if (options.trace !== undefined) await write(options.trace, JSON.stringify(traceOf(report)));
}

/** Dawn's null backend has timestamps too, of no meaning. @param {import("./types.js").Gpu} gpu */
const timestamps = (gpu) => gpu.has("timestamp-query") && !/null backend/.test(gpu.description);

await runCommand(async () => {
  program.parse();
  const options = /** @type {Options} */ (program.opts());
  const filter = /** @type {string | undefined} */ (program.args[0]);
  const step = filter === "step";
  const foreign = step
    ? /** @type {const} */ (["check", "baseline", "sizes", "tune"])
    : /** @type {const} */ (["preset", "set", "trace"]);
  for (const name of foreign) {
    if (options[name] === undefined) continue;
    throw new UserError(`--${name} is for ${step ? "kernels, not for step" : "step, not for kernels"}.`, 2);
  }
  if (options.dryRun && !options.tune) throw new UserError("--dry-run is for --tune.", 2);
  if (options.otherShapes && options.vs === undefined)
    throw new UserError("--other-shapes is for --vs; the kernels' own cases have --sizes.", 2);
  for (const name of /** @type {const} */ (["json", "html", "trace", ...(options.tune ? ["tuning"] : [])])) {
    const path = options[/** @type {"json"} */ (name)];
    if (path === undefined) continue;
    if (!(await nodePlatform.files.isDirectory(dirname(path)))) {
      throw new UserError(`--${name} ${path}: there is no folder ${dirname(path)}.`, 2);
    }
    if (await nodePlatform.files.isDirectory(path)) {
      throw new UserError(`--${name} ${path}: that is a folder; give the name of a file.`, 2);
    }
  }
  const { vs } = options;
  if (vs !== undefined && !options.tune) return compareWithPeers(filter, { ...options, vs });
  if (step) return profile(options);
  const selected = chosen(filter, options.sizes);
  if (selected.length === 0) {
    throw new UserError(
      `No case of these sizes has "${filter}" in its family or name; families: ${families.map(({ name }) => name).join(", ")}, or step.`,
      2,
    );
  }
  return options.tune ? tuneCases(selected, options) : benchmark(selected, options);
});
