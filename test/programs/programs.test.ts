/** Random programs over the engine's ops, against a float64 tape. More of them: `npm run programs -- --help`. */

import { poison } from "../../dist/engine/gpu/poison.js";
import { test } from "../harness.js";
import { seedOfTheDay, whole } from "../whole.js";
import { compare } from "./compare.js";
import { generate } from "./generate.js";
import { scriptOf } from "./program.js";
import { shrink } from "./shrink.js";

/** A page on a software adapter takes several times as long as Node: it runs the first of them. */
const inPage = "document" in globalThis;
const perTest = whole ? 50 : inPage ? 10 : 50;
const count = whole && !inPage ? 500 : perTest;
const firsts = Array.from({ length: count / perTest }, (_, i) => i * perTest);
// Beside those that are the same every day, others each day.
if (!whole && !inPage) firsts.push(1000 + perTest * (seedOfTheDay % 1_000_000));

for (const first of firsts) {
  test(`programs ${first} to ${first + perTest - 1} give what float64 gives`, async (t, gpu) => {
    // The host in Node does so itself.
    if (inPage && first === 0) poison(gpu);
    for (let seed = first; seed < first + perTest; seed++) {
      const program = generate(seed);
      const failure = await compare(gpu, program);
      if (!failure) continue;
      const small = await shrink(
        program,
        async (other) => (await compare(gpu, other))?.kind === failure.kind,
      );
      const last = (await compare(gpu, small)) ?? failure;
      t.ok(false, `program ${seed}: ${last.message}`);
      t.comment(scriptOf(small));
      return;
    }
    t.ok(true, `${perTest} programs`);
  });
}
