import { averageWeight } from "../../dist/training/model-optimizer.js";
import { test } from "../harness.js";
import { decoderTraining, sameBits, tinyConfig, weightsOf } from "./setup.js";

test("averaged weights are the bias-corrected moving average: nothing of the initial weights is left", (t) => {
  const averaging = { decay: 0.9, every: 3 };
  // Σ dⁿ⁻ⁱ wᵢ / Σ dⁿ⁻ⁱ over the weights at steps 3, 6, 9 …; the start is far away from them all.
  let average = 1e6;
  let [sum, mass] = [0, 0];
  for (let step = 1; step <= 60; step++) {
    const weights = Math.sin(step);
    const share = averageWeight(step, averaging);
    average += share * (weights - average);
    if (step < 3) t.equal(share, 1, `step ${step}: before the first update the average follows the weights`);
    else if (step % 3 !== 0) t.equal(share, 0, `step ${step}: no update`);
    else {
      sum = 0.9 * sum + weights;
      mass = 0.9 * mass + 1;
      t.near([average], [sum / mass], { abs: 1e-12 }, `step ${step}`);
    }
  }
  t.equal(averageWeight(60, { decay: 0, every: 3 }), 0, "decay 0: no averaging");
  t.near([averageWeight(3000, averaging)], [0.1], { abs: 1e-12 }, "in the end 1 - decay");
});

test("after few steps a trained decoder's averages are averages of its weights", async (t, gpu) => {
  const config = tinyConfig("decoder.emaDecay=0.99", "decoder.emaEvery=2", "decoder.steps=4");
  const { training, model, dispose } = decoderTraining(gpu, config);
  const averages = () => training.optimizer.withAverages(() => weightsOf(model));
  const trained: Float32Array[] = [];
  for (let step = 1; step <= 4; step++) {
    await training.step(step);
    trained.push(await weightsOf(model));
    if (step <= 2) t.ok(sameBits(await averages(), trained.at(-1)!), `step ${step}: the weights themselves`);
  }
  const [, second, , fourth] = trained as [Float32Array, Float32Array, Float32Array, Float32Array];
  t.ok(!sameBits(second, fourth), "the weights move");
  const expected = Float64Array.from(second, (value, i) => (0.99 * value + fourth[i]!) / 1.99);
  t.near(await averages(), expected, { abs: 1e-6 }, "step 4: the mean of steps 2 and 4");
  dispose();
});
