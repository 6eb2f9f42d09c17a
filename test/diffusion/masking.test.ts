import { maskCondition } from "../../dist/diffusion/masking.js";
import { happens, philox, probabilityThreshold, seedWords } from "../../dist/engine/ops/philox.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { test } from "../harness.js";

const words = (rng: Rng, index: number, stream: number, kind = 0) =>
  philox([index, stream, rng.step, kind], seedWords(rng.seed));

test("condition masks have the same bits in TypeScript", async (t, gpu) => {
  const rng = new Rng(gpu, 99);
  rng.setStep(12);
  const y = Uint32Array.from({ length: 50 * 64 }, (_, i) => i % 512);
  const masked = await maskCondition(rng, fromArray(gpu, y, [50, 64], "u32"), {
    conditionRate: 0.4,
    maskRate: 0.3,
    maskId: 512,
  }).read();
  const wanted = Array.from(y, (code, i) => {
    const chosen = happens(words(rng, Math.floor(i / 64), 0, 1)[0], probabilityThreshold(0.4));
    return chosen && happens(words(rng, i, 0)[0], probabilityThreshold(0.3)) ? 512 : code;
  });
  t.same([...masked], wanted, "some of the positions of some of the samples");
  rng.dispose();
});

test("condition masking is Algorithm 1: some samples, some of their positions", async (t, gpu) => {
  const [samples, positions] = [2000, 64];
  const y = fromArray(gpu, new Uint32Array(samples * positions).fill(7), [samples, positions], "u32");
  const rng = new Rng(gpu, 8);
  const lost = (values: Uint32Array) =>
    Array.from(
      { length: samples },
      (_, b) => values.subarray(b * positions, (b + 1) * positions).filter((code) => code === 9).length,
    );
  const some = lost(await maskCondition(rng, y, { conditionRate: 0.1, maskRate: 0.25, maskId: 9 }).read());
  const touched = some.filter((count) => count > 0);
  t.near([touched.length / samples], [0.1], { abs: 0.027 }, "a tenth of the samples (4 standard deviations)");
  t.near(
    [touched.reduce((a, b) => a + b, 0) / touched.length / positions],
    [0.25],
    { abs: 0.02 },
    "a quarter of their positions",
  );
  const whole = lost(await maskCondition(rng, y, { conditionRate: 0.5, maskRate: 1, maskId: 9 }).read());
  t.ok(
    whole.every((count) => count === 0 || count === positions),
    "P_mask = 1 drops whole conditions",
  );
  const dropped = lost(
    await maskCondition(rng, y, { conditionRate: 0.5, maskRate: 0.25, dropRate: 0.2, maskId: 9 }).read(),
  );
  t.near(
    [dropped.filter((count) => count === positions).length / samples],
    [0.2],
    { abs: 0.036 },
    "P_drop drops a fifth of the whole conditions (4 standard deviations)",
  );
  t.near(
    [dropped.filter((count) => count > 0 && count < positions).length / samples],
    [0.4],
    { abs: 0.044 },
    "and leaves P_cond of the others to P_mask",
  );
  const never = lost(await maskCondition(rng, y, { conditionRate: 0, maskRate: 1, maskId: 9 }).read());
  t.ok(
    never.every((count) => count === 0),
    "P_cond = 0 drops nothing",
  );
  const pair = await maskCondition(rng, y, { conditionRate: 1, maskRate: 1, maskId: 9 }, true).read();
  t.ok(
    pair.every((code, i) => code === (i < y.size ? 7 : 9)),
    "a pair: full, then masked",
  );
  await t.throwsMessage(
    () => maskCondition(rng, y, { conditionRate: 2, maskRate: 0, maskId: 9 }),
    /P_cond is 2/,
    "a bad rate",
  );
  rng.dispose();
});
