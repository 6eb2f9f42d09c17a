import { crossEntropy } from "../../../dist/engine/ops/cross-entropy.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { softmax } from "../../reference/diffusion.js";

function reference(logits: Float64Array, targets: number[], width: number, ignore = -1): Float64Array {
  const losses = targets.map((goal, row) =>
    goal === ignore ? 0 : -Math.log(softmax(logits.subarray(row * width, (row + 1) * width))[goal]!),
  );
  return Float64Array.of(
    losses.reduce((a, b) => a + b, 0) / targets.filter((goal) => goal !== ignore).length,
  );
}

test("cross-entropy, odd sizes, with and without ignored rows", async (t, gpu) => {
  for (const [rows, width] of [
    [1, 1],
    [3, 5],
    [17, 3],
    [3, 65],
    [1, 200],
  ] as const) {
    for (const ignore of [undefined, 0]) {
      const targets = Array.from({ length: rows }, (_, row) => (row * 7 + width - 1) % width);
      if (targets.every((goal) => goal === ignore)) continue;
      const gpuTargets = fromArray(gpu, targets, [rows], "u32");
      await checkOp(t, gpu, `[${rows}, ${width}], ignore ${ignore}`, {
        inputs: [{ shape: [rows, width], data: randomArray(rows + width, rows * width, 3) }],
        gpu: (logits) => crossEntropy(logits, gpuTargets, ignore === undefined ? {} : { ignore }).loss,
        reference: (logits) => reference(logits, targets, width, ignore),
        tolerance: { forward: { abs: 1e-6, rel: 1e-5 }, gradient: { abs: 1e-6, rel: 1e-4 } },
      });
    }
  }
});

test("cross-entropy of large logits and a large vocabulary", async (t, gpu) => {
  const width = 5003;
  const logits = randomArray(4, 2 * width, 30);
  logits[7] = 1000;
  const { loss, rows } = crossEntropy(fromArray(gpu, logits, [2, width]), fromArray(gpu, [7, 9], [2], "u32"));
  t.near(await loss.read(), reference(logits.map(Math.fround), [7, 9], width), { rel: 1e-5 }, "loss");
  t.near((await rows.read()).slice(0, 1), [0], { abs: 1e-6 }, "a certain row");
  const none = crossEntropy(fromArray(gpu, logits, [2, width]), fromArray(gpu, [7, 7], [2], "u32"), {
    ignore: 7,
  });
  t.equal(await none.loss.item(), 0, "nothing counts: 0, not 0/0");
});
