/** Phase `races`: the project's tests once more, in which the first dispatches of each kernel run 50 times (`race-check.ts`). */

import { randomSource } from "#bench/random.js";
import { sharedGpu } from "#test-host";
import * as kernels from "../../dist/engine/gpu/kernels.generated.js";
import * as moreKernels from "../../dist/engine/gpu/more-kernels.generated.js";
import { ceilingCases } from "./ceilings.js";
import type { RunPhase } from "./phase.js";
import { RaceCheck } from "./race-check.js";
import { cutOf, runTests } from "./tests.js";

const runs = 50;

/** The names of all kernels of the package. */
const allKernels = (): string[] =>
  Object.values({ ...kernels, ...moreKernels }).flatMap((entries) =>
    Object.values(entries as Record<string, { spec: { name: string } }>).map(({ spec }) => spec.name),
  );

export const races: RunPhase = async (context) => {
  globalThis.mcdOpenDevice = () => context.device();
  const gpu = await sharedGpu();
  const [fma, copy] = await ceilingCases(context);
  // Enough to occupy the device for a moment; a software adapter is occupied by less.
  const loads = [
    fma.build(
      gpu,
      gpu.software ? { invocations: 256, rounds: 2 } : { invocations: 64 * 1024, rounds: 16 },
      randomSource(1),
    ),
    copy.build(gpu, { bytes: gpu.software ? 1 << 14 : 1 << 22 }, randomSource(1)),
  ];
  let turn = 0;
  const check = new RaceCheck(gpu, {
    runs,
    load: () => void loads[turn++ % 2]!.call(),
    over: context.over,
  });
  try {
    // Only what the check finds counts here: the phase `kernels` judges the tests.
    const run = await runTests(context, undefined, () => check.settle());
    await check.settle();
    const all = allKernels();
    const missed = all.filter((name) => !check.looked.has(name));
    return {
      problems: check.races.map(
        ({ kernel, variant, groups, differing }) =>
          `${kernel}${variant ? ` (${variant})` : ""} on ${groups.join(" × ")} workgroups gave another result in ${differing} of ${runs} runs.`,
      ),
      cut: cutOf(run),
      facts: {
        "Kernels that ran 50 times": `${all.length - missed.length} of ${all.length}`,
        Dispatches: `${[...check.looked.values()].reduce((sum, count) => sum + count, 0)}`,
      },
      tables:
        missed.length > 0
          ? [
              {
                title: "Kernels that did not run",
                columns: ["kernel", "why"],
                rows: missed.map((name) => [
                  name,
                  check.passedOver.get(name) ?? "no test that ran here takes it on this adapter",
                ]),
              },
            ]
          : [],
      data: { races: check.races, kernels: all.length, missed },
    };
  } finally {
    check.restore();
    for (const load of loads) load.dispose();
  }
};
