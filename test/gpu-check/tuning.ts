/** Phase `tuning`: the tuner on the shapes of the presets, as long as there is time. Its table can be shipped. */

import { chosen } from "#bench/cases.js";
import { mergedTable, textOf, tune } from "#bench/tune.js";
import type { TuningData } from "./data.js";
import type { RunPhase } from "./phase.js";

export const tuning: RunPhase = async (context) => {
  const gpu = await context.gpu({ untuned: true });
  const began = performance.now();
  const cases = chosen(undefined, "presets").filter(({ needs }) => needs === undefined || gpu.has(needs));
  let last = "";
  const results = await tune(gpu, cases, {
    // A candidate that is being tried when the time ends is tried to its end.
    until: began + 0.9 * (context.until - began),
    progress(text) {
      if (text.startsWith("case ")) last = text;
      const share = (performance.now() - began) / (context.until - began);
      context.progress(Math.min(1, share), text);
    },
  });
  const table = mergedTable(
    null,
    { key: gpu.tuning.adapter, description: gpu.description, date: new Date().toISOString().slice(0, 10) },
    results,
  );
  const won = results.filter(({ values }) => values !== null);
  const wrong = results.flatMap(({ tunable, shape, trials }) =>
    trials
      .filter(({ outcome }) => outcome === "wrong")
      .map(
        ({ values, detail }) =>
          `${tunable.spec.name} at ${shape} with ${textOf(values)} is wrong: ${detail}.`,
      ),
  );
  const reached = Number(/^case (\d+)/.exec(last)?.[1] ?? 0);
  return {
    problems: wrong,
    cut:
      context.over() || reached < cases.length
        ? [`The time ended at case ${reached} of ${cases.length}.`]
        : [],
    facts: {
      "Kernels and choices at their shapes": `${results.length} tuned, ${won.length} better than by default`,
    },
    tables:
      won.length > 0
        ? [
            {
              title: "What won",
              columns: ["kernel or choice", "shape", "values", "times as fast"],
              rows: won.map(({ tunable, shape, values, verdict }) => [
                tunable.spec.name,
                shape,
                textOf(values!),
                verdict ? (1 / verdict.steadier.ratio).toFixed(2) : "",
              ]),
            },
          ]
        : [],
    data: { table, tried: results.length } satisfies TuningData,
  };
};
