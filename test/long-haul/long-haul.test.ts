/** The short form of `npm run long-haul`. */

import t from "tap";
import { captions, devices, engines, trainingSteps } from "./parts.js";
import { growth } from "./samples.js";

t.setTimeout(900_000);

for (const [work, count] of [
  [engines, 40],
  [devices, 10],
  [captions, 100],
  [trainingSteps, 300],
] as const) {
  t.test(`${work.name}: ${count} leave nothing behind`, async (t) => {
    const part = await work(count);
    t.equal(part.samples.length, 5, "samples");
    for (const { done, counts, heap } of part.samples)
      t.comment(`${done}: ${JSON.stringify(counts)}, heap ${(heap / 1e6).toFixed(2)} MB`);
    t.same(growth(part), []);
  });
}
