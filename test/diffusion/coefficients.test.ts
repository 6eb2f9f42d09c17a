/** Coefficients and thresholds of each jump against exact probabilities: a few hundred draws do not show a small mistake. */

import t from "tap";
import { stepCoefficients, stepThresholds } from "../../dist/diffusion/coefficients.js";
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
        const limits = stepThresholds(process.schedule, u, time);
        /** Below the first threshold `first`, below the second `second`, else a uniform token. */
        const states = (stay: number, start: number, first: number, second: number) => {
          const [below, next] = [stay / 2 ** 31, start / 2 ** 31];
          const probabilities = new Array<number>(tokens + 1).fill((1 - next) / tokens);
          probabilities[tokens] = 0;
          probabilities[first]! += below;
          probabilities[second]! += next - below;
          return probabilities;
        };
        const noised = process.forward(x0, time);
        const [mask, changed] = [limits.noise_mask / 2 ** 31, limits.noise_uniform / 2 ** 31];
        const redrawn = (changed - mask) / tokens;
        compare(
          Array.from({ length: tokens + 1 }, (_, j) =>
            j === tokens ? mask : redrawn + (j === x0 ? 1 - changed : 0),
          ),
          noised,
          `q(x_${time} | x_0)`,
        );
        for (const [stay, start, xt] of [
          [limits.masked_stay, limits.masked_x0, tokens],
          [limits.other_stay, limits.other_x0, 1],
          [limits.same_stay, limits.same_x0, x0],
        ] as const) {
          if (noised[xt]! < impossible) continue;
          compare(
            states(stay, start, xt, x0),
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

for (const ends of schedulePresets) {
  t.test(`${ends}: coefficients of every jump are q(x_u | x_t, x_0) and its logarithms`, async (t) => {
    const [tokens, steps] = [5, 12];
    const process = new Process(new Schedule({ tokens, steps, ends }));
    const { alphaBar, betaBar, gammaBar } = process.schedule;
    const x0 = 3;
    const onehot = Float64Array.from({ length: tokens }, (_, k) => (k === x0 ? 1 : 0));
    let [worst, where] = [0, ""];
    const compare = (name: string, got: number, exact: number) => {
      const error = Math.abs(got - exact);
      if (!(error <= worst)) [worst, where] = [error, `${name}: ${got} for ${exact}`];
    };
    for (let time = 1; time <= steps; time++) {
      for (let u = 0; u < time; u++) {
        const c = stepCoefficients(process.schedule, u, time);
        const step = `${time} → ${u}`;
        const noised = process.forward(x0, time);
        const truth = (xt: number) => process.posterior(onehot, xt, u, time);
        const { alpha, beta, gamma } = process.schedule.jump(u, time);
        compare(`${step}, log_alpha`, Math.exp(c.log_alpha), alphaBar[u]!);
        compare(`${step}, log_beta`, Math.exp(c.log_beta), betaBar[u]!);
        compare(`${step}, log_alpha_beta`, Math.exp(c.log_alpha_beta), alphaBar[u]! + betaBar[u]!);
        compare(
          `${step}, alpha_over_beta`,
          c.alpha_over_beta * betaBar[u]!,
          betaBar[u]! > 0 ? alphaBar[u]! : 0,
        );
        compare(`${step}, kappa`, c.kappa * (betaBar[time]! + alphaBar[time]!), betaBar[time]!);
        compare(`${step}, log_kappa`, Math.exp(c.log_kappa), c.kappa);
        compare(`${step}, adaptive`, c.adaptive, 2 - (time - 1) / steps);
        compare(`${step}, frozen`, c.frozen, betaBar[time] === 0 ? 1 : 0);
        if (noised[tokens]! > impossible) {
          const q = truth(tokens);
          compare(`${step}, masked_x0`, c.masked_x0, q[x0]!);
          compare(`${step}, masked_other`, c.masked_other, q[1]!);
          compare(`${step}, masked_total`, c.masked_total, 1 - q[tokens]!);
          compare(`${step}, log_mask_stays`, Math.exp(c.log_mask_stays), q[tokens]!);
          compare(`${step}, log_masking`, Math.exp(c.log_masking) * gammaBar[time]!, gamma);
        }
        if (noised[1]! > impossible) {
          const q = truth(1);
          compare(`${step}, other_x0`, c.other_x0, q[x0]!);
          compare(`${step}, other_other`, c.other_other, q[2]!);
          compare(`${step}, other_xt`, c.other_xt, q[1]!);
          compare(`${step}, log_changing`, Math.exp(c.log_changing) * betaBar[time]!, beta);
          compare(`${step}, log_staying`, Math.exp(c.log_staying) * betaBar[time]!, alpha + beta);
        }
        const q = truth(x0);
        compare(`${step}, same_x0`, c.same_x0, q[x0]!);
        compare(`${step}, same_other`, c.same_other, q[1]!);
      }
    }
    t.ok(worst < 1e-10, `to rounding (${worst.toExponential(1)}) ${worst < 1e-10 ? "" : where}`);
  });
}
