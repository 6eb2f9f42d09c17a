import { backward, backwardFrom, checkpoint, noGrad, record, zeroGrad } from "../../dist/tensor/autograd.js";
import { AutogradError, ShapeError, UseAfterFreeError } from "../../dist/tensor/errors.js";
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

test("views that are dense get their gradients in place, others by a copy, with the same sum", async (t, gpu) => {
  const [rows, width] = [5, 64];
  const x = fromArray(gpu, randomArray(6, rows * width), [rows, width]).requireGrad();
  const weights = Array.from({ length: 7 }, (_, i) => randomArray(10 + i, rows * width));
  const run = (views: (x: Tensor) => readonly (readonly [Tensor, number])[]) => {
    return gpu.scope(() => {
      const results = views(identity(x)).map(([view, i]) => {
        const y = identity(view);
        return { y, dy: fromArray(gpu, weights[i]!.slice(0, view.size), view.shape) };
      });
      // One root for all: each result contributes its dy.
      const root = empty(gpu, [1], "f32", "root");
      record(
        "join",
        results.map(({ y }) => y),
        root,
        () => (_, grads) => {
          results.forEach(({ dy }, i) => {
            const { tensor, accumulate } = grads.sink(i);
            copyStrided(dy, tensor, { accumulate });
          });
        },
      );
      let count = 0;
      gpu.observer = { dispatch: () => count++ };
      backwardFrom(root, fromArray(gpu, [1], [1]));
      gpu.observer = null;
      return count;
    });
  };
  const expected = (parts: readonly (readonly [weights: number, start: number, length: number])[]) => {
    const sum = new Float64Array(rows * width);
    for (const [i, start, length] of parts)
      for (let at = 0; at < length; at++) sum[start + at]! += weights[i]![at]!;
    return sum;
  };
  const row = (y: Tensor, i: number, count = 1) => y.slice(0, i, count);
  const cases = [
    {
      name: "rows that cover all of it",
      views: (y: Tensor) =>
        [
          [row(y, 0, 2), 0],
          [row(y, 2, 3).reshape([3, 8, 8]), 1],
        ] as const,
      parts: [
        [0, 0, 128],
        [1, 128, 192],
      ],
      // join writes two sinks, two identities pass on, one more for x itself
      dispatches: 5,
    },
    {
      name: "rows with gaps",
      views: (y: Tensor) =>
        [
          [row(y, 3), 0],
          [row(y, 1), 1],
        ] as const,
      parts: [
        [0, 192, 64],
        [1, 64, 64],
      ],
      dispatches: 5,
    },
    {
      name: "rows that overlap, and all of it",
      views: (y: Tensor) =>
        [
          [row(y, 0, 3), 0],
          [row(y, 2, 3), 1],
          [y, 2],
        ] as const,
      parts: [
        [0, 0, 192],
        [1, 128, 192],
        [2, 0, 320],
      ],
    },
    {
      name: "a row twice, one of them within a view",
      views: (y: Tensor) => {
        const view = row(y, 1, 2);
        return [
          [view, 0],
          [row(view, 1), 1],
          [row(y, 2), 2],
          [row(view, 0), 3],
        ] as const;
      },
      parts: [
        [0, 64, 128],
        [1, 128, 64],
        [2, 128, 64],
        [3, 64, 64],
      ],
    },
    {
      name: "rows, and the whole after them",
      views: (y: Tensor) =>
        [
          [y, 0],
          [row(y, 4), 1],
        ] as const,
      parts: [
        [0, 0, 320],
        [1, 256, 64],
      ],
    },
  ] as const;
  for (const { name, views, parts, ...more } of cases) {
    const dispatches = run(views);
    if ("dispatches" in more) t.equal(dispatches, more.dispatches, `${name}: dispatches`);
    t.near(await x.grad!.read(), expected(parts), { abs: 1e-6 }, `${name}: gradient`);
    x.grad!.dispose();
    x.grad = null;
    zeroGrad(x);
  }
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
  await t.throwsMessage(
    () => gpu.scope(() => backward(identity(x))),
    /\[2\] has 2 elements; a loss has one/,
    "not a scalar",
  );
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
  t.ok(
    (() => {
      try {
        void escaped!.storage;
        return false;
      } catch (error) {
        return error instanceof UseAfterFreeError;
      }
    })(),
    "use after free has a type",
  );
  await t.throwsMessage(() => escaped!.read(), /tensor same \[2\] was freed/, "and names the tensor");
  t.ok(
    new AutogradError("a", "b") instanceof Error && new ShapeError("a", "b") instanceof Error,
    "typed errors",
  );
  await t.throwsMessage(() => x.reshape([3]), /reshape: x \[2\] has 2 elements, \[3\] does not/, "reshape");
  await t.throwsMessage(() => x.slice(0, 1, 2), /outside axis 0 of x \[2\]/, "slice");
});

test("live bytes are the same after 100 steps", async (t, gpu) => {
  const x = fromArray(gpu, randomArray(5, 1000), [1000]).requireGrad();
  const step = () =>
    gpu.scope(() => {
      zeroGrad(x);
      const y = gpu.scope(() =>
        add(
          identity(x),
          checkpoint((input) => identity(identity(input)), [identity(x)]),
        ),
      );
      backwardFrom(y, y.detach());
    });
  step();
  step(); // only now does the gradient of x exist from the start
  const before = gpu.memory.liveBytes;
  const created = gpu.counters.buffers;
  for (let i = 0; i < 100; i++) step();
  await gpu.idle();
  t.equal(gpu.memory.liveBytes, before, "live bytes");
  t.equal(gpu.counters.buffers, created, "no buffer was created");
  x.grad!.dispose();
  x.dispose();
});
