/** The short form of `npm run torture`. */

import t from "tap";
import { faults } from "./faults.js";
import { torture } from "./torture.js";

t.setTimeout(900_000);

t.test("some faults: no corrupt run, and the same numbers to the bit", async (t) => {
  const kinds = faults.filter(({ survives }) => !survives);
  const report = await torture({ faults: 4, seed: 7, perRun: 4, kinds });
  for (const { fault, at } of report.struck) t.comment(`${fault} at ${at}`);
  t.equal(report.struck.length, 4);
  t.same(report.problems, []);
});
