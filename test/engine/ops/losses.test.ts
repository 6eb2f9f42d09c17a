import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { binaryCrossEntropy } from "../../../dist/engine/ops/binary-cross-entropy.js";
import { crossEntropy } from "../../../dist/engine/ops/cross-entropy.js";
import { add } from "../../../dist/engine/ops/elementwise.js";
import { smoothedCrossEntropy } from "../../../dist/engine/ops/smoothed-cross-entropy.js";
import { backward, backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, zeros } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";

const tolerance = { forward: { abs: 2e-6, rel: 2e-6 }, gradient: { abs: 2e-6, rel: 1e-4 } };

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

for (const [shape, positiveWeight] of [
  [[1], 1],
  [[3, 17], 1],
  [[2, 3, 5], 3.5],
  [[65], 0.25],
] as const) {
  test(`binary cross-entropy [${shape}], positives × ${positiveWeight}`, async (t, gpu) => {
    const count = size(shape);
    const targets = randomArray(2, count).map((x, i) =>
      i % 3 === 0 ? 1 : i % 3 === 1 ? 0 : 1 / (1 + x * x),
    );
    const given = fromArray(gpu, targets, shape);
    const loss = (x: Float64Array) =>
      x.reduce((sum, logit, i) => {
        const p = 1 / (1 + Math.exp(-logit));
        const [hit, miss] = [Math.log(p), Math.log(1 - p)];
        return (
          sum - (positiveWeight * Math.fround(targets[i]!) * hit + (1 - Math.fround(targets[i]!)) * miss)
        );
      }, 0) / count;
    await checkOp(t, gpu, "used twice", {
      inputs: [{ shape: [...shape], data: randomArray(1, count, 3) }],
      gpu: (x) => {
        const one = () => binaryCrossEntropy(x!, given, { positiveWeight });
        return add(one(), one());
      },
      reference: (x) => Float64Array.of(2 * loss(x!)),
      tolerance,
    });
    given.dispose();
  });
}

test("binary cross-entropy of logits far out", async (t, gpu) => {
  const logits = fromArray(gpu, [500, -500, 500, -500], [4]).requireGrad();
  const targets = fromArray(gpu, [1, 0, 0, 1], [4]);
  const loss = gpu.scope(() => {
    const result = binaryCrossEntropy(logits, targets);
    backward(result);
    return result.detach().keep();
  });
  t.near(await loss.read(), [250], { rel: 1e-6 }, "loss");
  t.near(await logits.grad!.read(), [0, 0, 0.25, -0.25], { abs: 1e-7 }, "gradient");
  for (const tensor of [logits.grad!, logits, targets, loss]) tensor.dispose();
});

for (const software of [true, false]) {
  for (const [rows, width, smoothing] of [
    [1, 1, 0.3],
    [3, 5, 0.1],
    [7, 33, 0.5],
    [2, 70, 1],
    [4, 65, 0],
  ] as const) {
    const name = `cross-entropy with smoothing ${smoothing}, ${rows} × ${width}, ${software ? "a lane" : "lanes"} a row`;
    test(name, async (t, shared) => {
      const gpu = Gpu.from(shared.device, { software });
      const ids = Uint32Array.from({ length: rows }, (_, i) =>
        rows > 1 && i === 1 ? 1000 : (i * 7 + 3) % width,
      );
      const targets = fromArray(gpu, ids, [rows], "u32");
      const loss = (x: Float64Array) => {
        let sum = 0;
        let counted = 0;
        ids.forEach((goal, row) => {
          if (goal === 1000) return;
          const own = x.slice(row * width, (row + 1) * width);
          const lse = Math.log(own.reduce((total, logit) => total + Math.exp(logit), 0));
          counted++;
          own.forEach((logit, j) => {
            sum -= ((j === goal ? 1 - smoothing : 0) + smoothing / width) * (logit - lse);
          });
        });
        return sum / counted;
      };
      await checkOp(t, gpu, "used twice", {
        inputs: [{ shape: [rows, width], data: randomArray(1, rows * width, 2) }],
        gpu: (x) => {
          const one = () => smoothedCrossEntropy(x!, targets, smoothing, { ignore: 1000 }).loss;
          return add(one(), one());
        },
        reference: (x) => Float64Array.of(2 * loss(x!)),
        tolerance,
      });
      targets.dispose();
      await gpu.idle();
      gpu.dispose();
    });
  }
}

test("smoothing 0 is cross-entropy; rows that do not count; targets outside", async (t, gpu) => {
  const logits = fromArray(gpu, randomArray(1, 30), [2, 3, 5]);
  const targets = fromArray(gpu, [1, 2, 0, 4, 4, 3], [2, 3], "u32");
  const found = [
    smoothedCrossEntropy(logits, targets, 0, { ignore: 4 }),
    crossEntropy(logits, targets, { ignore: 4 }),
  ] as const;
  t.near(await found[0].loss.read(), await found[1].loss.read(), { rel: 1e-6 }, "loss");
  t.near(await found[0].rows.read(), await found[1].rows.read(), { abs: 1e-6 }, "rows");
  const none = fromArray(gpu, new Uint32Array(6).fill(9), [6], "u32");
  const empty = smoothedCrossEntropy(logits, none, 0.1, { ignore: 9 });
  t.near(await empty.loss.read(), [0], {}, "nothing counts: 0");
  const outside = smoothedCrossEntropy(logits, none, 0.1);
  t.ok(Number.isNaN(await outside.loss.item()), "a target that does not exist: NaN");
  const x = fromArray(gpu, randomArray(2, 10), [2, 5]).requireGrad();
  const mixed = fromArray(gpu, [3, 7], [2], "u32");
  const one = fromArray(gpu, [1], [1]);
  const wrong = gpu.scope(() => {
    const { loss } = smoothedCrossEntropy(x, mixed, 0.1);
    backwardFrom(loss, one);
    return loss.detach().keep();
  });
  const gradient = await x.grad!.read();
  t.ok(gradient.slice(5).every(Number.isNaN), "and its row's gradient");
  for (const { loss, rows } of [...found, empty, outside]) {
    loss.dispose();
    rows.dispose();
  }
  for (const tensor of [logits, targets, none, x.grad!, x, mixed, one, wrong]) tensor.dispose();
});

test("losses say what does not fit", async (t, gpu) => {
  const [logits, targets] = [zeros(gpu, [2, 3]), zeros(gpu, [3, 2])];
  const ids = zeros(gpu, [3], "u32");
  await t.throwsMessage(
    () => binaryCrossEntropy(logits, targets),
    /\[2, 3\] and targets \[3, 2\] differ/,
    "shapes",
  );
  await t.throwsMessage(
    () => binaryCrossEntropy(logits, logits, { positiveWeight: -1 }),
    /positiveWeight -1 is not/,
    "weight",
  );
  await t.throwsMessage(() => smoothedCrossEntropy(logits, ids, 0.1), /have 2 rows, targets \[3\]/, "rows");
  await t.throwsMessage(
    () => smoothedCrossEntropy(logits, ids, 1.5),
    /smoothing 1.5 is not between/,
    "smoothing",
  );
  for (const tensor of [logits, targets, ids]) tensor.dispose();
});
