/** Phase `bench`: the bench's cases under the ceilings of the same run. */

import { chosen } from "#bench/cases.js";
import { measure } from "#bench/measure.js";
import { reportOf, significant } from "#bench/report.js";
import { ceilingCases } from "./ceilings.js";
import type { BenchData } from "./data.js";
import type { RunPhase } from "./phase.js";

export const bench: RunPhase = async (context) => {
  const gpu = await context.gpu();
  const began = performance.now();
  const sizes = gpu.software ? "small" : "medium";
  const limits = await ceilingCases(context);
  const cases = chosen(undefined, sizes).filter(({ needs }) => needs === undefined || gpu.has(needs));
  const all = [...limits, ...cases];
  const { cpuTime } = context.host;
  let share = 0;
  const results = await measure(gpu, all, {
    until: context.until,
    ...(cpuTime ? { cpuTime } : {}),
    progress(text) {
      // Of preparing and measuring, whichever comes to its end.
      share = Math.max(share, Math.min(1, 1 - (context.until - performance.now()) / (context.until - began)));
      if (text !== "") context.progress(share, text);
    },
  });
  const report = reportOf(results, {
    date: new Date().toISOString(),
    adapter: gpu.description,
    software: gpu.software,
    platform: "gpu-check",
    sizes: sizes === "medium" ? "default" : sizes,
    seconds: (performance.now() - began) / 1000,
    cpuSeconds: cpuTime ? cpuTime() / 1000 : null,
  });
  const wrong = report.cases.filter(({ ms }) => !(ms > 0 && ms < Number.POSITIVE_INFINITY));
  const { peak } = report.ceilings;
  return {
    problems: wrong.map(({ name }) => `${name} has no time.`),
    cut: [
      ...(gpu.software ? ["Small sizes ran: this adapter computes on the CPU."] : []),
      ...(results.length < all.length
        ? [
            `${all.length - results.length} of ${cases.length} cases were not measured: there was no time for them.`,
          ]
        : []),
    ],
    facts: {
      "FMA peak": `${significant(peak.gflops)} GFLOP/s`,
      "Copy bandwidth": `${significant(peak.gbs)} GB/s`,
      Cases: String(report.cases.length),
    },
    tables: [],
    data: { report } satisfies BenchData,
  };
};
