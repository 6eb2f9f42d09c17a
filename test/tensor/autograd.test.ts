import { AutogradError, ShapeError, UseAfterFreeError } from "../../dist/tensor/errors.js";
import { backward, backwardFrom, checkpoint, noGrad, record, zeroGrad } from "../../dist/tensor/autograd.js";
import { copyStrided } from "../../dist/tensor/strided.js";
import { empty, fromArray, type Tensor } from "../../dist/tensor/tensor.js";
import { randomArray, test } from "../harness.js";

/** y = x + x through the strided copy: small ops of the test's own, so that the tape is tested alone. */
function add(a: Tensor, b: Tensor): Tensor {
  const y = empty(a.gpu, a.shape, "f32", "sum");
  copyStrided(a, y, { accumulate: false });
  copyStrided(b, y, { accumulate: true });
  return record("add", [a, b], y, () => (dy, grads) => {
    if (grads.needs(0)) grads.give(0, dy);
    if (grads.needs(1)) grads.give(1, dy);
  });
}

/** The identity, with a gradient that goes through a sink and reads a saved tensor. */
function identity(x: Tensor): Tensor {
  const y = empty(x.gpu, x.shape, "f32", "same");
  copyStrided(x, y, { accumulate: false });
  return record("identity", [x], y, (save) => {
    save(x);
    return (dy, grads) => {
      const { tensor, accumulate } = grads.sink(0);
      copyStrided(dy, tensor, { accumulate });
    };
  });
}

test("gradients add up over every way to a leaf", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2, 3], [3]).requireGrad();
  gpu.scope(() => {
    const dy = fromArray(gpu, [1, 10, 100], [3]);
    const a = add(x, identity(x));
    const b = add(a, identity(a));
    backwardFrom(add(b, a), dy);
  });
  // b + a = 2a + a = 3a, a = 2x.
  t.near(await x.grad!.read(), [6, 60, 600], {}, "six times dy");
  x.grad!.dispose();
});

test("a second backward pass adds to the gradient, and overwrites it after zeroGrad", async (t, gpu) => {
  const x = fromArray(gpu, [5], [1]).requireGrad();
  const step = () => gpu.scope(() => backward(identity(x)));
  step();
  step();
  t.near(await x.grad!.read(), [2], {}, "accumulated");
  zeroGrad(x);
  step();
  t.near(await x.grad!.read(), [1], {}, "started anew");
  x.grad!.dispose();
});

test("views pass gradients back: reshape, transpose, slice", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(3, 24), [2, 3, 4]).requireGrad();
  const weights = randomArray(4, 8);
  gpu.scope(() => {
    const part = x.slice(1, 1, 2).transpose(0, 1).slice(2, 2, 2);
    backwardFrom(identity(part), fromArray(gpu, weights, [8]).reshape([2, 2, 2]));
  });
  const expected = new Float64Array(24);
  for (let i = 0; i < 2; i++) {
    for (let j = 0; j < 2; j++) {
      for (let k = 0; k < 2; k++) expected[j * 12 + (i + 1) * 4 + 2 + k] = weights[i * 4 + j * 2 + k]!;
    }
  }
  t.near(await x.grad!.read(), expected, {}, "each element got its own weight");
  x.grad!.dispose();
});

test("checkpoint gives the same gradient", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2], [2]).requireGrad();
  const parameter = fromArray(gpu, [3, 4], [2]).requireGrad();
  gpu.scope(() => {
    const y = checkpoint((input) => add(add(input, parameter), identity(input)), [identity(x)]);
    backwardFrom(y, fromArray(gpu, [1, 10], [2]));
  });
  t.near(await x.grad!.read(), [2, 20], {}, "of the input");
  t.near(await parameter.grad!.read(), [1, 10], {}, "of a parameter inside");
  x.grad!.dispose();
  parameter.grad!.dispose();
});

test("mistakes are named", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2], [2], "f32", "x").requireGrad();
  await t.throwsMessage(() => gpu.scope(() => backward(identity(x))), /\[2\] has 2 elements; a loss has one/, "not a scalar");
  await t.throwsMessage(
    () => gpu.scope(() => backward(noGrad(() => identity(x)))),
    /2 elements|depends on nothing/,
    "nothing on the tape",
  );
  await t.throwsMessage(
    () =>
      gpu.scope(() => {
        const y = identity(x);
        x.write([7, 8]);
        backwardFrom(y, y.detach());
      }),
    /x \[2\] was changed in place/,
    "changed after it was saved",
  );
  let escaped: Tensor | null = null;
  gpu.scope(() => {
    escaped = identity(x);
  });
  t.ok((() => { try { void escaped!.storage; return false; } catch (error) { return error instanceof UseAfterFreeError; } })(), "use after free has a type");
  await t.throwsMessage(() => escaped!.read(), /tensor same \[2\] was freed/, "and names the tensor");
  t.ok(new AutogradError("a", "b") instanceof Error && new ShapeError("a", "b") instanceof Error, "typed errors");
  await t.throwsMessage(() => x.reshape([3]), /reshape: x \[2\] has 2 elements, \[3\] does not/, "reshape");
  await t.throwsMessage(() => x.slice(0, 1, 2), /outside axis 0 of x \[2\]/, "slice");
});

test("live bytes are the same after 100 steps", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(5, 1000), [1000]).requireGrad();
  const step = () =>
    gpu.scope(() => {
      zeroGrad(x);
      const y = gpu.scope(() => add(identity(x), checkpoint((input) => identity(identity(input)), [identity(x)])));
      backwardFrom(y, y.detach());
    });
  step();
  const before = gpu.memory.liveBytes;
  const created = gpu.counters.buffers;
  for (let i = 0; i < 100; i++) step();
  await gpu.idle();
  t.equal(gpu.memory.liveBytes, before, "live bytes");
  t.equal(gpu.counters.buffers, created, "no buffer was created");
  x.grad!.dispose();
  x.dispose();
});
