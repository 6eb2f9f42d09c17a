/** A hundred damaged inputs of each kind. More of them, with bounds on time and memory: `npm run fuzz -- --help`. */

import t from "tap";
import { fuzzOnce, targets } from "./targets.js";

const count = 100;

for (const target of targets) {
  t.test(`${count} damaged inputs: ${target.name}`, async (t) => {
    const verdicts = { same: 0, other: 0, refused: 0, failed: 0 };
    for (let seed = 0; seed < count; seed++) {
      const { verdict, why } = await fuzzOnce(target, seed);
      verdicts[verdict]++;
      if (verdict === "failed") t.fail(`${target.name} ${seed}: ${why}`);
    }
    t.comment(JSON.stringify(verdicts));
    t.ok(verdicts.refused > 0, "some are refused");
    t.ok(verdicts.same + verdicts.other > 0, "some can still be read");
  });
}
