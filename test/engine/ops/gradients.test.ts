/** Hooks on gradients, gradients of results, and the check by finite differences. */

import { scale, square } from "../../../dist/engine/ops/elementwise.js";
import { sum } from "../../../dist/engine/ops/reduce.js";
import { backward, checkpoint } from "../../../dist/engine/tensor/autograd.js";
import { noGrad, record } from "../../../dist/engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { randomArray, test } from "../../harness.js";

test("a hook sees the whole gradient, once, and may replace it", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2, 3], [3]).requireGrad();
  const seen: Tensor[] = [];
  gpu.scope(() => {
    const y = square(x);
    const order: string[] = [];
    ops.onGradient(y, (gradient) => {
      order.push("first");
      seen.push(scale(gradient, 1).keep());
      return ops.mul(gradient, 10);
    });
    const remove = ops.onGradient(y, () => void order.push("never"));
    ops.onGradient(y, () => void order.push("second"));
    remove();
    // Used twice: the gradient is 2 + 3.
    backward(sum(ops.add(ops.mul(y, 2), ops.mul(y, 3))));
    t.same(order, ["first", "second"], "in the order in which they were added");
  });
  t.near(await seen[0]!.read(), [5, 5, 5], {}, "of both uses");
  t.near(await x.grad!.read(), [100, 200, 300], {}, "ten times 5·2x");
  for (const tensor of seen) tensor.dispose();
});

test("hooks on views, which write no gradient of their own otherwise", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(1, 512), [512]).requireGrad();
  const gradients: (readonly number[])[] = [];
  gpu.scope(() => {
    const y = square(x);
    const parts = ops.split(y, 2);
    for (const part of parts) ops.onGradient(part, (gradient) => void gradients.push(gradient.shape));
    const view = ops.permute(parts[1]!.reshape([16, 16]), [1, 0]);
    ops.onGradient(view, (gradient) => ops.mul(gradient, 3));
    backward(ops.add(sum(parts[0]!), sum(view)));
  });
  t.same(gradients, [[256], [256]], "each part has its gradient");
  const expected = randomArray(1, 512).map((v, i) => (i < 256 ? 2 : 6) * v);
  t.near(await x.grad!.read(), expected, { rel: 1e-6, abs: 1e-6 }, "and passes it on");
});

test("gradients of results", async (t, gpu) => {
  const x = fromArray(gpu, [1, -2, 3], [3]).requireGrad();
  const held = gpu.scope(() => {
    const y = ops.retainGrad(ops.mul(x, 2));
    const z = ops.retainGrad(square(y));
    const loss = ops.retainGrad(sum(z));
    backward(loss);
    return [y, z, loss, x].map((each) => each.grad!);
  });
  const [y, z, loss, leaf] = await Promise.all(held.map((gradient) => gradient.read()));
  t.near(y!, [4, -8, 12], {}, "2·2x");
  t.near(z!, [1, 1, 1], {}, "of what is summed");
  t.near(loss!, [1], {}, "of the loss");
  t.near(leaf!, [8, -16, 24], {}, "of the leaf, as always");
  t.equal(ops.retainGrad(x), x, "a leaf is left as it is");
  for (const gradient of held) gradient.dispose();
});

test("a gradient that is kept does not change when others are added to what it went to", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2], [2]).requireGrad();
  const y = gpu.scope(() => {
    const inner = ops.mul(x, 1);
    // An op that hands its gradient on as it is, and another use of the same input.
    const kept = ops.retainGrad(ops.add(inner, fromArray(gpu, [0, 0], [2])));
    backward(sum(ops.add(kept, ops.mul(inner, 7))));
    return kept.grad!;
  });
  t.near(await y.read(), [1, 1], {}, "its own alone");
  t.near(await x.grad!.read(), [8, 8], {}, "both");
  y.dispose();
});

test("hooks where they cannot be, without gradients, in checkpoints", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2], [2], "f32", "x").requireGrad();
  const constant = fromArray(gpu, [1, 2], [2], "f32", "constant");
  await t.throwsMessage(() => ops.onGradient(x, () => {}), /onGradient: x is a leaf/, "a leaf");
  await t.throwsMessage(
    () => ops.onGradient(constant, () => {}),
    /constant depends on nothing/,
    "no gradient",
  );
  noGrad(() => ops.onGradient(square(x), () => t.ok(false, "called without a gradient")));
  let calls = 0;
  backward(
    gpu.scope(() =>
      sum(
        checkpoint(
          (input) => {
            const y = square(input);
            ops.onGradient(y, (gradient) => {
              calls++;
              return ops.mul(gradient, 3);
            });
            return y;
          },
          [x],
        ),
      ),
    ),
  );
  t.equal(calls, 1, "once in the second run of a checkpoint");
  t.near(await x.grad!.read(), [6, 12], {}, "with its effect");
  const y = square(x);
  ops.onGradient(y, () => constant.slice(0, 0, 1));
  await t.throwsMessage(() => backward(sum(y)), /returned \[1\] for a gradient of \[2\]/, "a wrong shape");
});

test("checkGradients: right formulas pass", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(2, 15), [3, 5], "f32", "x");
  const w = fromArray(gpu, randomArray(3, 20), [5, 4], "f32", "w");
  const ids = fromArray(gpu, [3, 0, 1], [3, 1], "u32", "ids");
  const report = await ops.checkGradients(
    (x, w, ids) =>
      ops.gather(ops.logSoftmax(ops.gelu(ops.add(sum(ops.mul(ops.unsqueeze(x, -1), w), [1]), 0.1))), 1, ids),
    [x, w, ids],
  );
  t.ok(report.passed, `${report}`);
  t.same(
    report.inputs.map(({ label, checked }) => [label, checked]),
    [
      ["x", 15],
      ["w", 20],
    ],
    "both float32 inputs, every element",
  );
  t.equal(x.grad, null, "the inputs are left alone");
  const cubic = await ops.checkGradients((x) => ops.pow(x, 3), [x], { abs: 2e-4, rel: 1e-4 });
  t.ok(cubic.passed, `differences of a cubic have no error of third order: ${cubic}`);
  const large = fromArray(gpu, randomArray(4, 1000, 1e3), [1000], "f32", "large");
  const many = await ops.checkGradients((x) => ops.sin(ops.mul(x, 1e-3)), [large], { abs: 2e-6 });
  t.ok(many.passed && many.inputs[0]!.checked <= 64, `${many}`);
});

test("checkGradients: wrong formulas are found, and named by their element", async (t, gpu) => {
  const x = fromArray(gpu, [0.5, -1, 2, 0.25], [2, 2], "f32", "x");
  const wrong = (x: Tensor) =>
    record(
      "wrong",
      [x],
      noGrad(() => square(x)),
      (save) => {
        const saved = save(x);
        // The last element's derivative is 2.1 x instead of 2 x.
        return (dy, grads) =>
          grads.give(0, ops.mul(dy, ops.mul(saved, fromArray(gpu, [2, 2, 2, 2.1], [2, 2]))));
      },
    );
  const report = await ops.checkGradients(wrong, [x]);
  t.equal(report.passed, false, "not passed");
  t.same(
    report.inputs[0]!.wrong.map(({ index }) => index),
    [[1, 1]],
    "the one element",
  );
  t.ok(
    /x \[2, 2\]: 1 of 4 elements wrong\n {2}\[1, 1\] gradient .*, difference /.test(`${report}`),
    `${report}`,
  );
  const none = await ops.checkGradients((x) => square(x.detach()), [x]);
  t.equal(none.passed, false, "a gradient that is missing is wrong");
  let calls = 0;
  await t.throwsMessage(
    ops.checkGradients((x) => ops.mul(x, ++calls), [x]),
    /other results for the same inputs/,
    "a function that is not repeatable",
  );
  await t.throwsMessage(
    ops.checkGradients((_: Tensor) => 3 as never, [x]),
    /did not return a tensor/,
    "no tensor",
  );
});
