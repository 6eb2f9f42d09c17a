/** `--vs`: this engine and its peers in one process on one adapter, taking turns; the ratios of their times. */

import { execFile } from "node:child_process";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { openGpu } from "../../dist/cli.js";
import { UserError } from "../../dist/engine/index.js";
import { largestError, quantile } from "../measure.js";
import { at } from "../numbers.js";
import { randomSource } from "../random.js";
import { align, percent, significant } from "../report.js";
import { coldStart, otherCases, peerCases } from "./cases.js";
import { countCalls } from "./counters.js";
import { openPeer, peerVersion } from "./engines.js";
import { ourEngine } from "./ours.js";

export const versusFormat = "mc-diffusion-versus-1";

/**
 * @import { PeerName } from "./engines.js"
 * @import { Engine, PeerCase, Runner } from "./types.js"
 *
 * @typedef {object} EngineResult
 * @property {string} engine
 * @property {string} [reason] Why there are no figures.
 * @property {number} [error] Largest difference from our result, over the largest magnitude in it.
 * @property {number} [ms] Median time of one call.
 * @property {number} [cpuMs] Median processor time of one call, all threads.
 * @property {number} [spread] Half the distance between the quartiles of the times, as a share of the median.
 * @property {number} [callsPerSample]
 * @property {import("./counters.js").Counts} [counts] Of one call after the warm-up.
 * @property {number} [ratio] Median over the rounds of this time over ours.
 * @property {number} [ratioSpread]
 * @property {number} [cpuRatio]
 *
 * @typedef {object} Comparison
 * @property {string} family
 * @property {string} name
 * @property {number} bar
 * @property {EngineResult[]} engines Ours first.
 * @property {string | null} better The peer with the smaller ratio.
 * @property {number | null} ratio
 * @property {number | null} cpuRatio
 * @property {"yes" | "no" | "by wall clock" | "by processor time" | null} met Null where no peer could do the case.
 */

/** Milliseconds that the rounds of a case should take, unless their number is given. */
const budget = 5000;
/** A sample should last so many milliseconds. */
const sampleLength = 40;
const [fewestRounds, mostRounds, mostCalls] = [3, 15, 64];
/** A cold start that takes longer is given up. */
const coldLimit = 20 * 60_000;

/**
 * The cases whose family is `filter`, or else whose name contains it; all without a filter.
 * @param {string | undefined} filter
 * @param {boolean} others Whether of the other shapes.
 */
function chosenCases(filter, others) {
  const all = others ? otherCases : [...peerCases, coldStart];
  if (filter === undefined) return all;
  const wanted = filter.toLowerCase();
  const family = all.filter((entry) => entry.family === wanted);
  const found = family.length > 0 ? family : all.filter(({ name }) => name.toLowerCase().includes(wanted));
  if (found.length > 0) return found;
  const families = [...new Set(all.map((entry) => entry.family))].join(", ");
  throw new UserError(`No case of --vs has "${filter}" in its family or name; families: ${families}.`, 2);
}

/**
 * Compares and prints the table.
 * @param {readonly PeerName[]} peers
 * @param {string | undefined} filter
 * @param {{ adapter?: string, repeat?: number, otherShapes?: boolean }} options
 * @param {{ progress(text: string): void, keep(report: object): Promise<void> }} output `keep` gets the report for `--json` after
 *   each case: what is measured is not lost when the run is stopped.
 */
export async function versus(peers, filter, { adapter, repeat, otherShapes = false }, { progress, keep }) {
  const selected = chosenCases(filter, otherShapes);
  const gpu = await openGpu(adapter);
  const load = at(loadavg(), 0);
  const engines = [ourEngine(gpu)];
  /** @type {Record<string, string>} */
  const closed = {};
  for (const name of peers) {
    try {
      engines.push(await openPeer(name, adapter));
    } catch (error) {
      closed[name] = `does not open: ${oneLine(error)}`;
    }
  }
  /** @type {Comparison[]} */
  const cases = [];
  const versions = peers.map((name) => ({ name, version: peerVersion(name) }));
  const report = () => ({
    format: versusFormat,
    adapter: gpu.description,
    software: gpu.software,
    peers: versions,
    load: { before: load, after: at(loadavg(), 0) },
    cases,
  });
  for (const entry of selected) {
    progress(entry.name);
    const results =
      "kind" in entry
        ? await compareCase(engines, entry, repeat, progress)
        : await compareColdStarts(engines, adapter, progress);
    results.push(...Object.entries(closed).map(([engine, reason]) => ({ engine, reason })));
    const bar = "kind" in entry ? entry.bar : coldStart.seconds;
    cases.push({ family: entry.family, name: entry.name, bar, engines: results, ...verdict(entry, results) });
    await keep(report());
  }
  progress("");
  console.log(describeVersus(report()));
}

/**
 * Prepares, checks and counts each engine, then times those that are right in turns.
 * @param {readonly Engine[]} engines
 * @param {PeerCase} entry
 * @param {number | undefined} repeat
 * @param {(text: string) => void} progress
 * @returns {Promise<EngineResult[]>}
 */
async function compareCase(engines, entry, repeat, progress) {
  const data = await entry.data(randomSource(1));
  /** @type {EngineResult[]} */
  const results = [];
  /** @type {{ runner: Runner, result: EngineResult, calls: number, times: number[], cpuTimes: number[] }[]} */
  const ready = [];
  /** @type {ArrayLike<number>[] | null} */
  let expected = null;
  /** @type {Runner[]} */
  const runners = [];
  try {
    for (const engine of engines) {
      progress(`${entry.name}: preparing ${engine.name}`);
      /** @type {EngineResult} */
      const result = { engine: engine.name };
      results.push(result);
      try {
        engine.complaint?.();
        const runner = await engine.prepare(entry, data);
        runners.push(runner);
        const actual = await runner.results();
        const complaint = engine.complaint?.();
        if (complaint) throw new Error(complaint);
        if (expected === null) expected = actual;
        else result.error = compare(entry, actual, expected);
        if (result.error !== undefined && !(result.error <= entry.tolerance)) {
          throw new Error(`its result differs from ours by ${result.error.toExponential(1)}`);
        }
        await runner.sample(1);
        result.counts = await countCalls(() => runner.sample(1));
        const single = Math.min((await timed(runner, 1)).ms, (await timed(runner, 1)).ms);
        const calls = Math.max(1, Math.min(mostCalls, Math.round(sampleLength / single)));
        ready.push({ runner, result, calls, times: [], cpuTimes: [] });
        result.callsPerSample = calls;
        result.ms = single;
      } catch (error) {
        result.reason = oneLine(error);
        // Without ours there is nothing to compare with.
        if (expected === null) return results;
      }
    }
    const round = ready.reduce(
      (sum, { result, calls }) => sum + /** @type {number} */ (result.ms) * calls,
      0,
    );
    const rounds = repeat ?? Math.max(fewestRounds, Math.min(mostRounds, Math.floor(budget / round)));
    for (let i = 0; i < rounds; i++) {
      progress(`${entry.name}: round ${i + 1} of ${rounds}`);
      // Each begins as often as the others: what the one before leaves in the caches hits all alike.
      for (let j = 0; j < ready.length; j++) {
        const item = at(ready, (i + j) % ready.length);
        const { ms, cpuMs } = await timed(item.runner, item.calls);
        item.times.push(ms);
        item.cpuTimes.push(cpuMs);
      }
    }
    const [ours, ...others] = ready;
    if (!ours) return results;
    for (const { result, times, cpuTimes } of ready) {
      result.ms = quantile(times, 0.5);
      result.cpuMs = quantile(cpuTimes, 0.5);
      result.spread = spread(times);
    }
    for (const { result, times, cpuTimes } of others) {
      const ratios = times.map((time, i) => time / at(ours.times, i));
      result.ratio = quantile(ratios, 0.5);
      result.ratioSpread = spread(ratios);
      result.cpuRatio = quantile(
        cpuTimes.map((time, i) => time / at(ours.cpuTimes, i)),
        0.5,
      );
    }
    return results;
  } finally {
    for (const runner of runners) runner.dispose();
    for (const engine of engines) await engine.trim();
  }
}

/** @param {readonly number[]} values */
const spread = (values) => (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / quantile(values, 0.5);

/**
 * Times of one call.
 * @param {Runner} runner
 * @param {number} calls
 */
async function timed(runner, calls) {
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  await runner.sample(calls);
  const ms = (performance.now() - began) / calls;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { ms, cpuMs: (user + system) / 1000 / calls };
}

/**
 * The largest error over all arrays. Of a training step the losses and the way of a weight are compared as whole
 * vectors: AdamW divides by the gradient's own size, so where that is near 0 rounding decides the direction.
 * @param {PeerCase} entry
 * @param {readonly ArrayLike<number>[]} actual
 * @param {readonly ArrayLike<number>[]} expected
 */
function compare(entry, actual, expected) {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  const errors = actual.map((values, i) => {
    const should = at(expected, i);
    if (entry.kind === "block") return distance(values, should);
    const known = should instanceof Uint32Array ? Uint32Array.from(values) : Float32Array.from(values);
    return largestError(known, should);
  });
  return Math.max(...errors);
}

/**
 * ‖a − b‖ / ‖b‖
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 */
function distance(a, b) {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let apart = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    apart += (at(a, i) - at(b, i)) ** 2;
    size += at(b, i) ** 2;
  }
  return Math.sqrt(apart / size);
}

/**
 * One child process an engine, Mesa's shader cache off.
 * @param {readonly Engine[]} engines
 * @param {string | undefined} adapter
 * @param {(text: string) => void} progress
 * @returns {Promise<EngineResult[]>}
 */
async function compareColdStarts(engines, adapter, progress) {
  /** @type {EngineResult[]} */
  const results = [];
  for (const { name } of engines) {
    progress(`${coldStart.name}: ${name}`);
    try {
      const { seconds, cpuSeconds, complaint } = JSON.parse(await coldProcess(name, adapter));
      if (complaint) throw new Error(complaint);
      results.push({ engine: name, ms: 1000 * seconds, cpuMs: 1000 * cpuSeconds });
    } catch (error) {
      results.push({ engine: name, reason: oneLine(error) });
    }
  }
  const ours = at(results, 0);
  for (const result of results.slice(1)) {
    if (ours.ms === undefined || result.ms === undefined) continue;
    result.ratio = result.ms / ours.ms;
    result.cpuRatio = /** @type {number} */ (result.cpuMs) / /** @type {number} */ (ours.cpuMs);
  }
  return results;
}

/**
 * @param {string} name
 * @param {string | undefined} adapter
 * @returns {Promise<string>}
 */
function coldProcess(name, adapter) {
  const path = fileURLToPath(new URL("cold.js", import.meta.url));
  const options = {
    env: { ...process.env, MESA_SHADER_CACHE_DISABLE: "true" },
    timeout: coldLimit,
  };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [path, name, adapter ?? ""], options, (error, stdout, stderr) => {
      if (!error) resolve(stdout);
      else if (error.killed) reject(new Error(`not done after ${coldLimit / 60_000} minutes`));
      else reject(new Error(stderr.trim().split("\n").at(-1) || error.message));
    });
  });
}

/**
 * The bar holds against the better peer. Wall clock and processor time are both told: on a loaded machine the one is
 * noisy, and the other does not see cores left idle.
 * @param {PeerCase | typeof coldStart} entry
 * @param {readonly EngineResult[]} results
 * @returns {Pick<Comparison, "better" | "ratio" | "cpuRatio" | "met">}
 */
function verdict(entry, results) {
  const done = results.filter(({ ratio }) => ratio !== undefined);
  const [better] = done.toSorted((a, b) => /** @type {number} */ (a.ratio) - /** @type {number} */ (b.ratio));
  const ratio = better?.ratio ?? null;
  const cpuRatio =
    done.length === 0 ? null : Math.min(...done.map((one) => /** @type {number} */ (one.cpuRatio)));
  let wall = ratio !== null && ratio >= ("kind" in entry ? entry.bar : 0);
  let cpu = cpuRatio !== null && cpuRatio >= ("kind" in entry ? entry.bar : 0);
  if (!("kind" in entry)) {
    const ours = at(results, 0);
    wall = ours.ms !== undefined && ours.ms <= 1000 * entry.seconds;
    cpu = ours.cpuMs !== undefined && ours.cpuMs <= 1000 * entry.seconds;
  } else if (!better) {
    return { better: null, ratio, cpuRatio, met: null };
  }
  const met = wall && cpu ? "yes" : wall ? "by wall clock" : cpu ? "by processor time" : "no";
  return { better: better?.engine ?? null, ratio, cpuRatio, met };
}

/** @param {unknown} error */
const oneLine = (error) =>
  at((error instanceof Error ? error.message : String(error)).split("\n"), 0).slice(0, 200);

/**
 * @param {{ adapter: string, peers: { name: string, version: string }[], load: { before: number, after: number }, cases: Comparison[] }} report
 */
function describeVersus({ adapter, peers, load, cases }) {
  const names = ["ours", ...peers.map(({ name }) => name)];
  const head = ["case", ...names.map((name) => `${name} ms`), "ratio", "±", "CPU ratio", "bar", "met"];
  const rows = cases.map(({ name, bar, engines, better, ratio, cpuRatio, met, family }) => {
    const of = (/** @type {string} */ engine) => engines.find((result) => result.engine === engine);
    const chosen = better === null ? undefined : of(better);
    const cold = family === "step" && name === coldStart.name;
    return [
      name,
      ...names.map((engine) => (of(engine)?.reason ? "–" : significant(of(engine)?.ms ?? Number.NaN))),
      ratio === null ? "–" : `${ratio.toFixed(1)}× ${better}`,
      chosen?.ratioSpread === undefined ? "" : percent(chosen.ratioSpread),
      cpuRatio === null ? "–" : `${cpuRatio.toFixed(1)}×`,
      cold ? `≤ ${bar} s` : `${bar}×`,
      met ?? "no peer",
    ];
  });
  const counted = cases.filter(({ engines }) => engines.some(({ counts }) => counts));
  const counts = counted.map(({ name, engines }) => [
    name,
    ...names.map((engine) => {
      const found = engines.find((result) => result.engine === engine)?.counts;
      return found
        ? [found.dispatches, found.submits, found.buffers, found.bindGroups].map(String).join(" / ")
        : "–";
    }),
  ]);
  const reasons = cases.flatMap(({ name, engines }) =>
    engines.filter(({ reason }) => reason).map(({ engine, reason }) => `  ${name}, ${engine}: ${reason}`),
  );
  const versions = peers.map(({ name, version }) => `${name} ${version}`).join(", ");
  return [
    ...align([head, ...rows]),
    "",
    ...(counts.length > 0
      ? align([["dispatches / submits / new buffers / new bind groups a call", ...names], ...counts])
      : []),
    ...(reasons.length > 0 ? ["", "not done:", ...reasons] : []),
    "",
    `${adapter}; against ${versions}. Ratio: the better peer's time over ours, median over the rounds; CPU ratio: the`,
    `same of processor time. 1-minute load of the machine before and after: ${load.before.toFixed(1)}, ${load.after.toFixed(1)}.`,
  ].join("\n");
}
