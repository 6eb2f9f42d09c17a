/**
 * The tuner: tries the candidates marked in the WGSL and the choices of ops (src/engine/gpu/tuning/choices.ts) on the bench's cases.
 * A case is recorded, and what its ops look up are its knobs: a kernel or choice and a class of shapes. Each knob is
 * turned by coordinate descent, one tunable after the other; a candidate wins only if its results are right and it is
 * faster beyond the noise.
 */

import { sourceHash, valuesFault } from "../dist/debug.js";
import { GpuError, tuningFormat } from "../dist/engine/index.js";
import { contest } from "./contest.js";
import { largestError } from "./measure.js";
import { at } from "./numbers.js";
import { randomSource } from "./random.js";

/**
 * @typedef {import("./types.js").Case} Case
 * @typedef {import("./types.js").Gpu} Gpu
 * @typedef {import("./types.js").Problem} Problem
 * @typedef {import("./contest.js").Sample} Sample
 * @typedef {import("./contest.js").Verdict} Verdict
 * @typedef {import("../dist/debug.js").Tunable} Tunable
 * @typedef {import("../dist/engine/index.js").TunedAdapter} TunedAdapter
 * @typedef {import("../dist/engine/index.js").TuningTable} TuningTable
 * @typedef {Record<string, string | number>} Values
 * @typedef {Map<Tunable, Map<string, Values>>} Settings Values by tunable and class of shapes.
 *
 * @typedef {object} Knob
 * @property {Tunable} tunable
 * @property {string} shape
 *
 * @typedef {object} Trial One candidate and what became of it.
 * @property {Values} values
 * @property {"won" | "no gain" | "far slower" | "same" | "wrong" | "refused" | "compiles too long"} outcome
 * @property {Verdict} [verdict]
 * @property {string} [detail]
 *
 * @typedef {object} Tuned What one knob came to.
 * @property {Tunable} tunable
 * @property {string} shape
 * @property {string} case
 * @property {Values | null} values Over the defaults; null: the defaults stay.
 * @property {Verdict} [verdict] Of the values against the defaults.
 * @property {Trial[]} trials
 *
 * @typedef {object} Options
 * @property {number} [pairs] Of samples, for a verdict.
 * @property {(text: string) => void} [progress]
 * @property {(tuned: Tuned) => void} [report] Told of each knob when it is done.
 * @property {(tuned: readonly Tuned[]) => Promise<void>} [keep] Given all results so far after each case, so that a
 *   long run that is stopped has not been in vain.
 * @property {Clock} [clock] For tests.
 * @property {number} [until] Time by `performance.now()` at which to end: no candidate is tried after it.
 *
 * @typedef {object} Entrant A case recorded with a candidate's values, warmed up.
 * @property {Values} values
 * @property {string} signature Its pipelines and grids.
 * @property {number} compileMs
 * @property {number} single Milliseconds of one call, by the clock that verdicts prefer.
 * @property {() => Promise<Sample>} sample Times one call.
 * @property {() => void} dispose
 *
 * @typedef {(run: () => Promise<void>, values: Values, calls: number) => Promise<Sample>} Clock Times work of
 *   so many calls with these values.
 */

const defaultPairs = 9;
/** A sample should last this long, in milliseconds, so that submitting and waiting do not count. */
const sampleLength = 20;
const mostCallsPerSample = 256;
/** A candidate that takes this many times the holder's time for one call is not measured further. */
const farSlower = 1.6;
/** Longer than the default's compilation by this many milliseconds is more than a gain is worth. */
const compilePatience = 5000;
/** Times that all tunables of a knob are gone through. */
const mostSweeps = 2;

/**
 * Tunes every knob of the cases once. The device must have been opened without measured tables; it is left with the
 * winners set.
 * @param {Gpu} gpu
 * @param {readonly Case[]} cases
 * @param {Options} [options]
 * @returns {Promise<Tuned[]>}
 */
export async function tune(gpu, cases, options = {}) {
  /** @type {Tuned[]} */
  const all = [];
  /** @type {Settings} */
  const winners = new Map();
  const done = new Set();
  for (const [i, entry] of cases.entries()) {
    if (isOver(options)) break;
    options.progress?.(`case ${i + 1} of ${cases.length}: ${entry.name}`);
    const bench = await benchOf(gpu, entry, winners, options);
    try {
      for (let knob = bench.next(done); knob && !isOver(options); knob = bench.next(done)) {
        done.add(idOf(knob));
        const tuned = await tuneKnob(bench, knob, entry, winners, options);
        all.push(tuned);
        options.report?.(tuned);
      }
    } finally {
      bench.dispose();
      await gpu.idle();
      gpu.trim();
    }
    await options.keep?.(all);
  }
  return all;
}

/** Whether the time is over. @param {Options} options */
const isOver = ({ until = Number.POSITIVE_INFINITY }) => performance.now() > until;

/** @param {Knob} knob */
const idOf = ({ tunable, shape }) => `${tunable.spec.name} at ${shape}`;

/**
 * @param {Awaited<ReturnType<typeof benchOf>>} bench
 * @param {Knob} knob
 * @param {Case} entry
 * @param {Settings} winners Set to what wins.
 * @param {Options} options
 * @returns {Promise<Tuned>}
 */
async function tuneKnob(bench, knob, entry, winners, options) {
  const { pairs = defaultPairs, progress } = options;
  const { tunable, shape } = knob;
  const { tunables } = tunable.spec;
  /** @type {Trial[]} */
  const trials = [];
  const base = await bench.entrant({});
  const tried = new Set([base.signature]);
  let holder = base;
  try {
    for (let sweep = 0, before = null; sweep < mostSweeps && before !== holder; sweep++) {
      before = holder;
      for (const [name, { candidates }] of Object.entries(tunables)) {
        for (const value of candidates) {
          if (isOver(options)) continue;
          const values = { ...holder.values, [name]: value };
          progress?.(`${idOf(knob)}: ${textOf(values)}`);
          const { trial, entrant } = await attempt(bench, knob, values, holder, base, tried, pairs);
          if (trial.outcome !== "same") trials.push(trial);
          if (!entrant) continue;
          if (holder !== base) holder.dispose();
          holder = entrant;
        }
      }
    }
    /** @type {Tuned} */
    const tuned = { tunable, shape, case: entry.name, values: null, trials };
    // Without time for the proof below the defaults stay.
    if (holder === base || isOver(options)) return tuned;
    // The best of many looks better than it is: it has to win against the defaults once more.
    progress?.(`${idOf(knob)}: ${textOf(holder.values)} against the defaults`);
    tuned.verdict = await contest(base.sample, holder.sample, 2 * pairs);
    if (!tuned.verdict.wins) return tuned;
    tuned.values = holder.values;
    const byShape = winners.get(tunable) ?? new Map();
    winners.set(tunable, byShape.set(shape, holder.values));
    return tuned;
  } finally {
    if (holder !== base) holder.dispose();
    base.dispose();
    bench.apply(winners);
  }
}

/**
 * One candidate against the holder. The entrant comes back, to be the new holder, if it has won.
 * @param {Awaited<ReturnType<typeof benchOf>>} bench
 * @param {Knob} knob
 * @param {Values} values
 * @param {Entrant} holder
 * @param {Entrant} base
 * @param {Set<string>} tried Signatures; this one is added.
 * @param {number} pairs
 * @returns {Promise<{ trial: Trial, entrant?: Entrant }>}
 */
async function attempt(bench, knob, values, holder, base, tried, pairs) {
  const fault = valuesFault(knob.tunable, values, bench.gpu.limits);
  if (fault !== null) return { trial: { values, outcome: "refused", detail: fault } };
  let entrant;
  try {
    entrant = await bench.entrant(values, knob, tried);
    if (!entrant) return { trial: { values, outcome: "same" } };
    /** @type {Trial["outcome"]} */
    let outcome = "no gain";
    let verdict;
    let detail;
    if (entrant.compileMs > base.compileMs + compilePatience) {
      outcome = "compiles too long";
      detail = `${(entrant.compileMs / 1000).toFixed(1)} s`;
    } else if (entrant.single > farSlower * holder.single) {
      outcome = "far slower";
      detail = `${(entrant.single / holder.single).toFixed(1)}×`;
    } else {
      verdict = await contest(holder.sample, entrant.sample, pairs);
      if (verdict.wins) {
        const wrong = await bench.verify(values, knob);
        outcome = wrong === null ? "won" : "wrong";
        detail = wrong ?? undefined;
      }
    }
    const trial = { values, outcome, verdict, detail };
    if (outcome === "won") return { trial, entrant };
    entrant.dispose();
    return { trial };
  } catch (error) {
    entrant?.dispose();
    if (!(error instanceof GpuError)) throw error;
    return { trial: { values, outcome: "refused", detail: error.message } };
  }
}

/** @param {Values} values */
export const textOf = (values) =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

/**
 * A case with everything that turning its knobs takes: recorded with given values, timed, verified.
 * @param {Gpu} gpu
 * @param {Case} entry
 * @param {Settings} winners
 * @param {Options} options
 */
async function benchOf(gpu, entry, winners, { clock = clockOf(gpu) }) {
  const problem = entry.build(gpu, entry.size, randomSource(1));
  /** @type {Problem | null} */
  let small = null;
  /** @type {ArrayLike<number>[]} */
  let expected = [];
  const call = () => gpu.scope(() => void problem.call());

  /** @param {Settings} settings @param {boolean} [anyShape] Whatever shape they are for, set them for all. */
  function apply(settings, anyShape = false) {
    gpu.tuning.clear();
    for (const [tunable, byShape] of settings)
      for (const [shape, values] of byShape) gpu.tuning.set(tunable, values, anyShape ? "any" : shape);
  }

  /** The winners so far and, over them, a candidate. @param {Values} values @param {Knob} [knob] */
  function settingsWith(values, knob) {
    const settings = new Map([...winners].map(([tunable, byShape]) => [tunable, new Map(byShape)]));
    // Last in its map, so that it prevails where it is set for all shapes.
    if (knob) {
      const byShape = settings.get(knob.tunable) ?? new Map();
      byShape.delete(knob.shape);
      settings.set(knob.tunable, byShape.set(knob.shape, values));
    }
    return settings;
  }

  /** Calls and captures of the case's work, warmed up. @param {number} calls */
  async function captured(calls) {
    const { work } = gpu.capture(() => {
      for (let i = 0; i < calls; i++) call();
    });
    return work;
  }

  /** @param {Problem} which @returns {Promise<(Float32Array | Uint32Array | Int32Array)[]>} */
  async function outputsOf(which) {
    // Gradients among the outputs belong to the problem's inputs, so what is freed here are aliases.
    const outputs = gpu.scope(() => which.call().map((output) => output.detach()));
    const read = [];
    for (const output of outputs) {
      read.push(await output.read());
      output.dispose();
    }
    return read;
  }

  /**
   * Records the case with a candidate; undefined if it comes to what was tried already.
   * @param {Values} values
   * @param {Knob} [knob]
   * @param {Set<string>} [tried]
   * @returns {Promise<Entrant | undefined>}
   */
  async function entrant(values, knob, tried) {
    apply(settingsWith(values, knob));
    const parts = /** @type {string[]} */ ([]);
    gpu.observer = { dispatch: ({ pipeline, groups }) => void parts.push(`${pipeline.id}:${groups}`) };
    let one;
    try {
      one = await captured(1);
    } finally {
      gpu.observer = null;
    }
    const signature = parts.join(" ");
    if (tried?.has(signature)) {
      one.dispose();
      return undefined;
    }
    tried?.add(signature);
    /** @param {import("../dist/engine/index.js").CapturedWork} work */
    const run = (work) => async () => {
      work.run();
      await gpu.idle();
    };
    let work = one;
    try {
      const compileMs = (await clock(run(one), values, 1)).wall;
      const samples = [await clock(run(one), values, 1), await clock(run(one), values, 1)];
      const single = Math.min(...samples.map(({ wall, cpu }) => cpu ?? wall));
      const calls = Math.max(1, Math.min(mostCallsPerSample, Math.round(sampleLength / single)));
      if (calls > 1) {
        work = await captured(calls);
        await run(work)();
      }
      return {
        values,
        signature,
        compileMs,
        single,
        sample: async () => {
          const { wall, cpu } = await clock(run(work), values, calls);
          return { wall: wall / calls, cpu: cpu === null ? null : cpu / calls };
        },
        dispose() {
          if (work !== one) work.dispose();
          one.dispose();
        },
      };
    } catch (error) {
      one.dispose();
      throw error;
    }
  }

  /**
   * Compares a candidate's results with float64, at the case's reduced size if it has one, and then at full size with
   * what the defaults compute. Why it is wrong; null if it is right.
   * @param {Values} values
   * @param {Knob} knob
   */
  async function verify(values, knob) {
    if (small === null) {
      small = entry.build(gpu, entry.checkSize ?? entry.size, randomSource(2));
      expected = small.reference();
    }
    // The reduced size may be of another class of shapes.
    apply(settingsWith(values, knob), true);
    const wrong = faultOf(await outputsOf(small), expected, entry.tolerance, "float64");
    if (wrong !== null || !entry.checkSize) return wrong;
    gpu.tuning.clear();
    const usual = await outputsOf(problem);
    apply(settingsWith(values, knob));
    return faultOf(await outputsOf(problem), usual, 2 * entry.tolerance, "the defaults");
  }

  apply(winners);
  call();
  await gpu.idle();
  return {
    gpu,
    apply,
    entrant: /** @type {((values: Values) => Promise<Entrant>) & typeof entrant} */ (entrant),
    verify,
    /** A knob of the case that is not done yet. Winners may bring new ones. @param {ReadonlySet<unknown>} done */
    next(done) {
      /** @type {Knob | null} */
      let found = null;
      gpu.tuning.onLookup = (tunable, shape) => {
        if (!found && !done.has(idOf({ tunable, shape })) && Object.keys(tunable.spec.tunables).length > 0)
          found = { tunable, shape };
      };
      try {
        call();
      } finally {
        gpu.tuning.onLookup = null;
      }
      return found;
    },
    dispose() {
      problem.dispose();
      small?.dispose();
    },
  };
}

/**
 * @param {readonly (Float32Array | Uint32Array | Int32Array)[]} actual
 * @param {readonly ArrayLike<number>[]} expected
 * @param {number} tolerance
 * @param {string} what
 */
function faultOf(actual, expected, tolerance, what) {
  const error = Math.max(...actual.map((values, i) => largestError(values, at(expected, i))));
  return error <= tolerance ? null : `${error.toExponential(1)} from ${what}, where ${tolerance} is allowed`;
}

/** Wall clock, and on software adapters processor time where the platform tells it. @param {Gpu} gpu @returns {Clock} */
function clockOf(gpu) {
  const usage = gpu.software ? globalThis.process?.cpuUsage : undefined;
  return async (run) => {
    const before = usage?.();
    const began = performance.now();
    await run();
    const wall = performance.now() - began;
    const used = usage?.(before);
    return { wall, cpu: used ? (used.user + used.system) / 1000 : null };
  };
}

/**
 * A table with what was tuned over what was there: winners are put in, entries whose defaults stayed are taken out,
 * and so are kernels that have changed since they were measured.
 * @param {TuningTable | null} old
 * @param {{ key: string, description: string, date: string }} adapter
 * @param {readonly Tuned[]} results
 * @returns {TuningTable}
 */
export function mergedTable(old, { key, description, date }, results) {
  /** @type {TuningTable} */
  const table = old ? structuredClone(old) : { format: tuningFormat, adapters: {} };
  /** @type {TunedAdapter["kernels"]} */
  const kernels = table.adapters[key]?.kernels ?? {};
  for (const { tunable, shape, values, verdict } of results) {
    const { name } = tunable.spec;
    const source = sourceHash(tunable.source);
    const before = kernels[name];
    const { shapes } = before?.source === source ? before : { shapes: {} };
    kernels[name] = { source, shapes };
    delete shapes[shape];
    if (values && verdict) {
      const { ratio, noise } = verdict.steadier;
      shapes[shape] = { values, speedup: rounded(1 / ratio), noise: rounded(noise) };
    }
    if (Object.keys(shapes).length === 0) delete kernels[name];
  }
  table.adapters[key] = { measured: `${description}, ${date}`, kernels: sorted(kernels) };
  return table;
}

const rounded = (/** @type {number} */ value) => Math.round(value * 100) / 100;

/** @template T @param {Record<string, T>} record */
const sorted = (record) =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));

/** What became of a knob, in a line. @param {Tuned} tuned */
export function describeTuned({ tunable, shape, values, verdict, trials }) {
  const title = `${tunable.spec.name} at ${shape}`;
  const counts = new Map();
  for (const { outcome } of trials) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const rest = [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(", ") || "nothing to try";
  if (!values || !verdict) {
    const lost = verdict ? ", whose lead did not last" : "";
    return `${title}: the defaults stay (${rest}${lost})`;
  }
  const speed = (/** @type {import("./contest.js").Ratio} */ { ratio, noise }) =>
    `${(1 / ratio).toFixed(2)}× ±${(100 * noise).toFixed(0)}%`;
  const cpu = verdict.cpu ? `, ${speed(verdict.cpu)} by processor time` : "";
  return `${title}: ${textOf(values)} wins, ${speed(verdict.wall)} as fast${cpu} (${verdict.pairs} pairs; ${rest})`;
}
