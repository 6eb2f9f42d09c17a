/** The bench and the tuner end when the time is up that they are given. */
import t from "tap";
import { chosen } from "#bench/cases.js";
import { measure } from "#bench/measure.js";
import { tune } from "#bench/tune.js";
import { sharedGpu } from "../device.js";

t.setTimeout(300_000);

t.test("measuring: cases that there is no time to prepare have no result", async (t) => {
  const gpu = await sharedGpu();
  const cases = chosen("softmax", "small").concat(chosen("layer-norm", "small"));
  t.ok(cases.length > 3);
  const results = await measure(gpu, cases, { until: performance.now() });
  t.same(
    results.map(({ name, samples }) => [name, samples]),
    cases.slice(0, 2).map(({ name }) => [name, 1]),
    "the first two, which are the ceilings elsewhere, after one round",
  );
});

t.test(
  "tuning: no candidate is tried after the end, and without the last proof the defaults stay",
  async (t) => {
    const gpu = await sharedGpu();
    const cases = chosen("softmax 64×256", "small").filter(({ name }) => !name.includes("gradients"));
    t.equal(cases.length, 1);
    t.same(await tune(gpu, cases, { until: performance.now() }), [], "nothing is begun");
    // Every candidate is faster than the one before, and the time ends after some.
    let until = Number.POSITIVE_INFINITY;
    let ms = 1000;
    let wins = 0;
    const options = {
      pairs: 4,
      get until() {
        return until;
      },
      clock: async (run: () => Promise<void>, _: object, calls: number) => {
        await run();
        ms *= 0.9;
        if (++wins > 60) until = 0;
        return { wall: calls * ms, cpu: null };
      },
    };
    const [tuned] = await tune(gpu, cases, options);
    t.ok(tuned && tuned.trials.length > 0, "some were tried");
    t.equal(tuned!.values, null);
    t.equal(tuned!.verdict, undefined);
  },
);
