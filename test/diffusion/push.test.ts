import { mixBranches } from "../../dist/diffusion/guidance.js";
import { addPush, PushMeter } from "../../dist/diffusion/push.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../harness.js";
import { softmax } from "../reference/diffusion.js";

/** Σ_k p_k log(p_k / q_k) in float64. */
function divergence(p: Float64Array, q: Float64Array): number {
  return p.reduce((sum, value, k) => sum + value * Math.log(value / q[k]!), 0);
}

test("the push is KL(p_guided ‖ p_full) of each row, added up", async (t, gpu) => {
  for (const [rows, tokens] of [
    [6, 17],
    [1, 1],
    [3, 65],
    [2, 301],
  ] as const) {
    const logits = randomArray(4, 2 * rows * tokens, 2);
    const both = fromArray(gpu, logits, [2 * rows, tokens]);
    for (const [weight, temperature] of [
      [1, 1],
      [2.5, 1],
      [-2, 1],
      [1.5, 0.5],
      [1, 1e-3],
    ] as const) {
      const expected = Array.from({ length: rows }, (_, row) => {
        const at = (n: number) => logits.subarray(n * tokens, (n + 1) * tokens);
        const [full, partial] = [softmax(at(row)), softmax(at(rows + row))];
        const guided = softmax(
          full.map((p, k) => {
            const less = Math.log(partial[k]!);
            return (less + weight * (Math.log(p) - less)) / temperature;
          }),
        );
        return divergence(
          guided.map((p) => Math.max(p, 1e-300)),
          full,
        );
      });
      const sums = fromArray(gpu, new Float32Array(rows).fill(3), [rows]);
      addPush(sums, both, mixBranches(both, weight), temperature);
      t.near(
        await sums.read(),
        expected.map((value) => 3 + value),
        { abs: 2e-5, rel: 2e-5 },
        `${rows} rows of ${tokens}, weight ${weight}, temperature ${temperature}`,
      );
    }
  }
});

test("a meter averages over all rows of all batches", async (t, gpu) => {
  const of = (rows: number, seed: number) => fromArray(gpu, randomArray(seed, rows * 9, 2), [rows, 9]);
  const meter = new PushMeter(0.7);
  t.equal(await meter.mean(), 0, "nothing yet");
  let [sum, count] = [0, 0];
  for (const [rows, seed] of [
    [4, 1],
    [4, 2],
    [3, 3],
  ] as const) {
    const full = of(2 * rows, seed);
    const scores = of(rows, seed + 10);
    meter.add(full, scores);
    const [f, s] = [await full.read(), await scores.read()];
    for (let row = 0; row < rows; row++) {
      const at = (values: Float32Array) => values.subarray(row * 9, (row + 1) * 9);
      sum += divergence(softmax(Array.from(at(s), (x) => x / 0.7)), softmax(at(f)));
      count++;
    }
  }
  t.near([await meter.mean()], [sum / count], { rel: 1e-5 }, "eleven rows");
  meter.dispose();
  const two = of(2, 5);
  await t.throwsMessage(
    () => addPush(of(3, 6).reshape([27]), two, two),
    /sums \[27\], full \[2, 9\] and scores \[2, 9\] do not fit/,
    "shapes that do not fit",
  );
  await t.throwsMessage(() => addPush(two, two, two, 0), /temperature is 0/, "no temperature");
});
