/** Arithmetic with numbers, and powers. */

import { backward } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { binary } from "../../reference/dense.js";
import { broadcast } from "../../reference/functions.js";

const tolerance = { forward: { abs: 1e-6, rel: 5e-6 }, gradient: { abs: 1e-5, rel: 2e-5 } };
const positive = (seed: number, length: number) => randomArray(seed, length).map((x) => Math.abs(x) + 0.2);

const pairs = {
  add: ops.add,
  sub: ops.sub,
  mul: ops.mul,
  div: ops.div,
  maximum: ops.maximum,
  minimum: ops.minimum,
};

test("a tensor and a number, both ways round", async (t, gpu) => {
  for (const [name, op] of Object.entries(pairs)) {
    const f = binary[name]!;
    for (const [shape, number] of [
      [[3, 5], 0.7],
      [[17], -2],
      [[], 1.5],
    ] as const) {
      const data = positive(
        3,
        shape.reduce((p, q) => p * q, 1),
      );
      const inputs = [{ shape: [...shape], data }];
      await checkOp(t, gpu, `${name}(x [${shape}], ${number})`, {
        inputs,
        gpu: (x) => op(x!, number),
        reference: (x) => x!.map((v) => f(v, number)),
        tolerance,
      });
      await checkOp(t, gpu, `${name}(${number}, x [${shape}])`, {
        inputs,
        gpu: (x) => op(number, x!),
        reference: (x) => x!.map((v) => f(number, v)),
        tolerance,
      });
    }
  }
});

test("a strided view and a number", async (t, gpu) => {
  await checkOp(t, gpu, "3 / (1 + x transposed)", {
    inputs: [{ shape: [3, 4], data: positive(4, 12) }],
    gpu: (x) => ops.div(3, ops.add(1, x!.transpose().slice(0, 1, 3))),
    reference: (x) =>
      Float64Array.from({ length: 9 }, (_, i) => 3 / (1 + x![(i % 3) * 4 + Math.floor(i / 3) + 1]!)),
    tolerance,
  });
});

test("a number costs one dispatch where it can", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2, 3], [3]);
  const dispatches = async (run: () => Tensor) => {
    await gpu.idle();
    const before = gpu.counters.dispatches;
    await run().read();
    return gpu.counters.dispatches - before;
  };
  for (const op of [ops.add, ops.sub, ops.mul, ops.div])
    t.equal(await dispatches(() => op(x, 2)), 1, `${op.name}(x, 2)`);
  t.equal(await dispatches(() => ops.div(2, x)), 2, "div(2, x): the number as a scalar, and the quotient");
});

test("numbers in captured work", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2, 3], [3]);
  const { work, result } = gpu.capture(() => ops.maximum(ops.div(6, x), 2.5).keep());
  work.run();
  t.near(await result.read(), [6, 3, 2.5], { rel: 1e-6 }, "6 / x, at least 2.5");
  x.write([6, 1, 2]);
  work.run();
  t.near(await result.read(), [2.5, 6, 3], { rel: 1e-6 }, "of new elements");
  work.dispose();
});

test("powers with a constant exponent", async (t, gpu) => {
  for (const p of [0, 1, 2, 3, 7, -1, -2, 0.5, -1.5, 2.75, 65]) {
    const whole = Number.isInteger(p);
    const data =
      whole && p < 65
        ? randomArray(5, 17).map((x) => x + 0.3 * Math.sign(x))
        : positive(5, 17).map((x) => Math.min(x, 1.2));
    await checkOp(t, gpu, `x^${p}`, {
      inputs: [{ shape: [17], data }],
      gpu: (x) => ops.pow(x!, p),
      reference: (x) => x!.map((v) => v ** p),
      tolerance: { forward: { abs: 1e-6, rel: 2e-5 }, gradient: { abs: 2e-5, rel: 5e-5 } },
    });
  }
  const special = fromArray(gpu, [0, -0, -2, 2, Number.NaN, Number.POSITIVE_INFINITY], [6]);
  const of = async (p: number) => [...(await ops.pow(special, p).read())];
  t.same(await of(2), [0, 0, 4, 4, Number.NaN, Number.POSITIVE_INFINITY], "squares");
  t.same(await of(0), [1, 1, 1, 1, 1, 1], "x^0 is 1, also of NaN");
  const [zero, , negative, two] = await of(0.5);
  t.same([zero, negative], [0, Number.NaN], "a root of a negative number is NaN");
  t.near([two!], [Math.SQRT2], { rel: 1e-6 }, "√2");
  t.same((await of(-1)).slice(2, 4), [-0.5, 0.5], "inverse");
});

test("powers of two tensors, with broadcasting", async (t, gpu) => {
  const shapes: [number[], number[]][] = [
    [
      [3, 5],
      [3, 5],
    ],
    [
      [3, 1, 5],
      [4, 1],
    ],
    [[1], [2, 3]],
  ];
  for (const [xShape, yShape] of shapes) {
    const size = (shape: number[]) => shape.reduce((p, q) => p * q, 1);
    await checkOp(t, gpu, `pow [${xShape}] [${yShape}]`, {
      inputs: [
        { shape: xShape, data: positive(6, size(xShape)) },
        { shape: yShape, data: randomArray(7, size(yShape)) },
      ],
      gpu: (x, y) => ops.pow(x!, y!),
      reference: (x, y) => broadcast([x!, y!], [xShape, yShape], (p, q) => p ** q),
      tolerance: { forward: { abs: 1e-6, rel: 2e-5 }, gradient: { abs: 5e-5, rel: 5e-5 } },
    });
  }
  await checkOp(t, gpu, "2^y", {
    inputs: [{ shape: [7], data: randomArray(8, 7) }],
    gpu: (y) => ops.pow(2, y!),
    reference: (y) => y!.map((v) => 2 ** v),
    tolerance,
  });
  const x = fromArray(gpu, [-2, -2, 0, 0, -3], [5]).requireGrad();
  const y = fromArray(gpu, [3, 0.5, 2, 0, 2], [5]).requireGrad();
  const z = ops.pow(x, y);
  t.near(
    [...(await z.read())].map((v) => (Number.isNaN(v) ? -1 : v)),
    [-8, -1, 0, 1, 9],
    { rel: 1e-5 },
    "signs, zero and NaN (as -1)",
  );
  backward(z.slice(0, 2, 1));
  t.same((await y.grad!.read())[2], 0, "by the exponent, 0 at 0^2");
});

test("two numbers are refused", async (t) => {
  await t.throwsMessage(() => ops.add(1, 2), /add.*both numbers.*tensor/, "add");
  await t.throwsMessage(() => ops.pow(1, 2), /pow.*both numbers/, "pow");
});
