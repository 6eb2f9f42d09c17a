import t from "tap";
import { tProbability, tQuantile } from "../../dist/metrics/student-t.js";

t.test("quantiles and p-values as in printed tables", async (t) => {
  // Degrees of freedom, then t of 97.5 % and of 95 %.
  for (const [degrees, q975, q95] of [
    [1, 12.7062047362, 6.3137515147],
    [2, 4.3026527297, 2.9199855804],
    [3, 3.1824463053, 2.3533634348],
    [4, 2.7764451052, 2.1318467863],
    [9, 2.2621571628, 1.8331129327],
    [30, 2.0422724563, 1.6972608866],
  ] as const) {
    t.ok(Math.abs(tQuantile(0.975, degrees) - q975) < 1e-8, `97.5 % of ${degrees} degrees`);
    t.ok(Math.abs(tQuantile(0.95, degrees) - q95) < 1e-8, `95 % of ${degrees} degrees`);
    t.ok(Math.abs(tProbability(-q975, degrees) - 0.05) < 1e-9, "two-sided");
  }
  t.equal(tProbability(0, 4), 1);
  t.ok(tProbability(Number.POSITIVE_INFINITY, 3) < 1e-12);
});
