/** The thresholds from which tokens are drawn, against exact probabilities: a few hundred draws do not show a small mistake. */

import t from "tap";
import { stepThresholds } from "../../dist/diffusion/coefficients.js";
import { Schedule, schedulePresets } from "../../dist/diffusion/schedule.js";
import { Process } from "../reference/diffusion.js";

/** Probabilities below this are rounding errors of products of matrices: such an x_t does not occur. */
const impossible = 1e-12;

for (const ends of schedulePresets) {
  t.test(`${ends}: thresholds of every jump are q(x_t | x_0) and q(x_u | x_t, x_0)`, async (t) => {
    const [tokens, steps] = [5, 12];
    const process = new Process(new Schedule({ tokens, steps, ends }));
    const x0 = 3;
    const onehot = Float64Array.from({ length: tokens }, (_, k) => (k === x0 ? 1 : 0));
    let [worst, where] = [0, ""];
    const compare = (drawn: readonly number[], exact: ArrayLike<number>, name: string) => {
      drawn.forEach((probability, j) => {
        const error = Math.abs(probability - exact[j]!);
        if (!(error <= worst)) [worst, where] = [error, `${name}: ${drawn} for ${Array.from(exact)}`];
      });
    };
    for (let time = 1; time <= steps; time++) {
      for (let u = 0; u < time; u++) {
        const limits = stepThresholds(process.schedule, u, time).map((limit) => limit / 2 ** 31);
        /** Below the first threshold `first`, below the second `second`, else a uniform token. */
        const states = (below: number, next: number, first: number, second: number) => {
          const probabilities = new Array<number>(tokens + 1).fill((1 - next) / tokens);
          probabilities[tokens] = 0;
          probabilities[first]! += below;
          probabilities[second]! += next - below;
          return probabilities;
        };
        const noised = process.forward(x0, time);
        const [mask, changed] = limits as [number, number];
        const redrawn = (changed - mask) / tokens;
        compare(
          Array.from({ length: tokens + 1 }, (_, j) =>
            j === tokens ? mask : redrawn + (j === x0 ? 1 - changed : 0),
          ),
          noised,
          `q(x_${time} | x_0)`,
        );
        for (const [kind, xt] of [
          [2, tokens],
          [4, 1],
          [6, x0],
        ] as const) {
          if (noised[xt]! < impossible) continue;
          compare(
            states(limits[kind]!, limits[kind + 1]!, xt, x0),
            process.posterior(onehot, xt, u, time),
            `q(x_${u} | x_${time} = ${xt === tokens ? "[MASK]" : xt}, x_0 = ${x0})`,
          );
        }
      }
    }
    t.ok(
      worst < 2e-9,
      `to the 31 bits of a threshold (${worst.toExponential(1)}) ${worst < 2e-9 ? "" : where}`,
    );
  });
}
