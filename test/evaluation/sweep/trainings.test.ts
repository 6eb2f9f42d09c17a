/** Sweeps of several trainings, joined. */

import t from "tap";
import {
  joinSweeps,
  type KeptPoint,
  type KeptSweep,
  overTrainings,
  sameKind,
} from "../../../dist/evaluation/sweep/trainings.js";
import { trainingsMarkdown } from "../../../dist/evaluation/sweep/trainings-tables.js";

const point = (curve: string, value: number, push: number, score: number, steps = 4): KeptPoint => ({
  ...{ curve, method: curve.split(",")[0]!, along: curve.startsWith("none") ? "temperature" : "scale" },
  ...{ value, settings: { steps }, passes: 2 * steps, push, scores: { ciderD: { mean: score } } },
});

/** A sweep whose mcs scores `more` above cfg at the same push, but needs ten times the scale for it. */
function sweep(more: number, sha256: string): KeptSweep & Record<string, unknown> {
  return {
    format: "mc-diffusion-sweep-1",
    // A model samples with the seed of its training.
    ...{
      dataset: {},
      limit: 8,
      sampling: { steps: 4, seed: more },
      grid: {},
      choose: {},
      referenceFree: {},
      testSeeds: 1,
    },
    weights: { sha256 },
    validation: {
      ...{ split: "validation", pictures: 8 },
      points: [
        ...[1, 2, 3].map((scale) => point("cfg", scale, scale / 10, scale)),
        ...[10, 20, 30].map((scale) => point("mcs, 0.5 masked", scale, scale / 100, scale / 10 + more)),
        ...[0.5, 1].map((value) => point("none, temperature", value, (1 - value) / 2 + 0.1, 1)),
        ...[0.5, 1].map((value) => point("none, temperature", value, 9, 99, 8)),
      ],
    },
    tests: [],
    curves: [
      {
        ...{ split: "validation", terms: "equal passes" },
        comparisons: [
          {
            ...{ metric: "ciderD", of: "mcs, 0.5 masked", minus: "cfg" },
            ...{ area: { mean: 2 * more }, gap: { mean: null } },
          },
        ],
      },
    ],
    differences: [
      { split: "test", metric: "ciderD", of: "mcs", minus: "cfg", score: { mean: more } },
      ...(more > 1
        ? []
        : [{ split: "test", metric: "ciderD", of: "cfg", minus: "none ×2", score: { mean: 1 } }]),
    ],
  };
}

const close = (a: number, b: number) => Math.abs(a - b) < 1e-9;

t.test("mean and interval over trainings, as worked by hand", async (t) => {
  // 1, 2, 4: s = 1.527525, s/√3 = 0.881917, t of 97.5 % and 2 degrees 4.302653, so 7/3 ± 3.794585; 7/3 / 0.881917 = 2.6458, p = 0.1181.
  const { mean, low, high, p } = overTrainings([1, 2, 4]);
  t.ok(close(mean, 7 / 3) && Math.abs(low + 1.461251) < 1e-5 && Math.abs(high - 6.127918) < 1e-5);
  t.ok(Math.abs(p - 0.1181) < 1e-4, String(p));
  const joined = joinSweeps([sweep(1, "a"), sweep(0.5, "b"), sweep(0.25, "c")]);
  const area = joined.find(({ kind }) => kind === "area at equal passes")!;
  t.same(area.over.each, [2, 1, 0.5], "a number for each training");
  t.notOk(
    joined.some(({ kind }) => kind === "gap at equal passes"),
    "what no training has is left out",
  );
});

t.test("equal push: curves meet where they push as much, not at equal scale", async (t) => {
  const joined = joinSweeps([sweep(1, "a"), sweep(0.5, "b")]);
  const gap = (of: string, minus: string) =>
    joined.find((entry) => entry.kind === "gap at equal push" && entry.of === of && entry.minus === minus)!
      .over;
  t.ok(close(gap("mcs, 0.5 masked", "cfg").mean, 0.75), "mcs is above cfg by what was made up");
  // cfg from push .1 to .3 has 1 to 3, unguided sampling 1 from .1 to .35.
  t.ok(close(gap("cfg", "none, temperature").mean, 1), "unguided points with twice the steps are left out");
});

t.test("chosen settings, and Holm's adjustment over one kind and metric", async (t) => {
  const joined = joinSweeps([sweep(1, "a"), sweep(0.5, "b"), sweep(0.75, "c")]);
  const chosen = joined.filter(({ kind }) => kind === "chosen settings");
  t.equal(chosen.length, 2);
  const [first] = chosen;
  t.ok(close(first!.over.mean, 0.75));
  t.ok(first!.holm >= first!.over.p && first!.holm <= 2 * first!.over.p + 1e-12);
  t.equal(
    joinSweeps([sweep(2, "a"), sweep(0.5, "b")]).filter(({ kind }) => kind === "chosen settings").length,
    1,
    "a pair that one training does not have is left out",
  );
  t.match(
    trainingsMarkdown(chosen),
    /\*\*chosen settings\*\*\n\n.*\n.*\n\| test \| ciderD \| mcs − cfg \| \+0\.75 \[\+0\.129, \+1\.37\] \| \+1; \+0\.5; \+0\.75 \| 0\.035\* \|/,
  );
});

t.test("trainings that cannot be joined are refused", async (t) => {
  const where = ["one", "two"] as const;
  const pair = (a: unknown, b: unknown) => [a, b].map((record, i) => ({ where: where[i]!, record }));
  t.throws(() => sameKind(pair({}, {})), /^one is not the sweep\.json of a finished sweep/);
  t.throws(
    () => sameKind(pair(sweep(1, "a"), { ...sweep(1, "b"), limit: 9 })),
    /^one and two differ in their --limit/,
  );
  t.throws(() => sameKind(pair(sweep(1, "a"), sweep(1, "a"))), /of the same weights/);
  t.throws(
    () => sameKind(pair(sweep(1, "a"), { ...sweep(2, "b"), sampling: { steps: 8, seed: 2 } })),
    /^one and two differ in their sampling settings/,
  );
  t.equal(sameKind(pair(sweep(1, "a"), sweep(2, "b"))).length, 2, "another seed is another training");
});
