import * as elementwise from "../../../dist/engine/ops/elementwise.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { checkOp, randomArray, test } from "../../harness.js";
import * as reference from "../../reference/dense.js";

const tolerance = { forward: { abs: 1e-6, rel: 2e-6 }, gradient: { abs: 3e-6, rel: 5e-6 } };
const unary: Record<string, (x: Tensor) => Tensor> = {
  neg: elementwise.neg,
  exp: elementwise.exp,
  log: elementwise.log,
  sqrt: elementwise.sqrt,
  square: elementwise.square,
  abs: elementwise.abs,
  relu: elementwise.relu,
  silu: elementwise.silu,
  gelu2: elementwise.gelu2,
  sigmoid: elementwise.sigmoid,
  tanh: elementwise.tanh,
};
const binary: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
  add: elementwise.add,
  sub: elementwise.sub,
  mul: elementwise.mul,
  div: elementwise.div,
  maximum: elementwise.maximum,
  minimum: elementwise.minimum,
};

/** Random numbers away from 0, where abs and relu have no derivative; positive for log and sqrt. */
function awayFromZero(seed: number, length: number, positive: boolean): Float64Array {
  return randomArray(seed, length).map((x) => (positive ? Math.abs(x) + 0.1 : x + 0.1 * Math.sign(x)));
}

test("functions of one tensor", async (t, gpu) => {
  for (const [name, op] of Object.entries(unary)) {
    const f = reference.unary[name]!;
    const data = awayFromZero(1, 17, name === "log" || name === "sqrt");
    await checkOp(t, gpu, name, {
      inputs: [{ shape: [17], data }],
      gpu: (x) => op(x!),
      reference: (x) => x!.map(f),
      tolerance,
    });
  }
  await checkOp(t, gpu, "scale", {
    inputs: [{ shape: [3, 5], data: randomArray(2, 15) }],
    gpu: (x) => elementwise.scale(x!, -2.5, 0.75),
    reference: (x) => x!.map((v) => -2.5 * v + 0.75),
    tolerance,
  });
  await checkOp(t, gpu, "clamp", {
    inputs: [{ shape: [65], data: randomArray(3, 65) }],
    gpu: (x) => elementwise.clamp(x!, -0.5, 1),
    reference: (x) => x!.map((v) => Math.min(Math.max(v, -0.5), 1)),
    tolerance,
  });
});

test("functions of a strided view, used twice", async (t, gpu) => {
  await checkOp(t, gpu, "silu of a transposed slice times itself", {
    inputs: [{ shape: [2, 5, 3, 4], data: randomArray(4, 120) }],
    gpu: (x) => {
      const view = x!.transpose(1, 3).slice(1, 1, 3);
      return elementwise.mul(elementwise.silu(view), view);
    },
    reference: (x) =>
      Float64Array.from(reference.indices([2, 3, 3, 5]), ([a, b, c, d]) => {
        const v = x![((a! * 5 + d!) * 3 + c!) * 4 + b! + 1]!;
        return reference.unary.silu!(v) * v;
      }),
    tolerance,
  });
});

test("large arguments stay finite", async (t, gpu) => {
  const x = fromArray(gpu, [-1000, -90, 90, 1000], [4]);
  t.near(await elementwise.tanh(x).read(), [-1, -1, 1, 1], {}, "tanh");
  t.near(await elementwise.sigmoid(x).read(), [0, 0, 1, 1], { abs: 1e-30 }, "sigmoid");
  t.near(await elementwise.gelu2(x).read(), [0, 0, 90, 1000], { abs: 1e-30 }, "gelu2");
});

test("functions of two tensors, with broadcasting", async (t, gpu) => {
  const shapes: [number[], number[]][] = [
    [
      [3, 5],
      [3, 5],
    ],
    [[3, 5], [5]],
    [
      [3, 1, 5],
      [4, 1],
    ],
    [[1], [2, 3]],
    [
      [2, 1, 3, 1, 2],
      [3, 1, 2, 1],
    ],
  ];
  for (const [name, op] of Object.entries(binary)) {
    const f = reference.binary[name]!;
    for (const [xShape, yShape] of shapes) {
      const rank = Math.max(xShape.length, yShape.length);
      const shape = Array.from({ length: rank }, (_, axis) =>
        Math.max(xShape[axis - rank + xShape.length] ?? 1, yShape[axis - rank + yShape.length] ?? 1),
      );
      const size = (of: number[]) => of.reduce((p, q) => p * q, 1);
      await checkOp(t, gpu, `${name} [${xShape}] [${yShape}]`, {
        inputs: [
          { shape: xShape, data: randomArray(5, size(xShape)) },
          { shape: yShape, data: awayFromZero(6, size(yShape), name === "div") },
        ],
        gpu: (x, y) => op(x!, y!),
        reference: (x, y) =>
          Float64Array.from(reference.indices(shape), (index) =>
            f(x![reference.broadcastIndex(index, xShape)]!, y![reference.broadcastIndex(index, yShape)]!),
          ),
        tolerance: { forward: tolerance.forward, gradient: { abs: 2e-5, rel: 2e-5 } },
      });
    }
  }
});

test("one tensor as both operands", async (t, gpu) => {
  for (const [name, expected] of [
    ["mul", (v: number) => v * v],
    ["sub", () => 0],
    ["div", () => 1],
  ] as const) {
    await checkOp(t, gpu, `${name} of a tensor and itself`, {
      inputs: [{ shape: [7], data: awayFromZero(7, 7, true) }],
      gpu: (x) => binary[name]!(x!, x!),
      reference: (x) => x!.map(expected),
      tolerance,
    });
  }
});

test("straight-through: the value of one, the gradient to the other", async (t, gpu) => {
  const z = fromArray(gpu, randomArray(8, 5), [5]).requireGrad();
  const quantised = fromArray(gpu, [1, 2, 3, 4, 5], [5]).requireGrad();
  const y = elementwise.straightThrough(z, quantised);
  t.near(await y.read(), [1, 2, 3, 4, 5], {}, "value");
  backwardFrom(elementwise.square(y), fromArray(gpu, [1, 1, 1, 1, 1], [5]));
  t.near(await z.grad!.read(), [2, 4, 6, 8, 10], {}, "gradient");
  t.equal(quantised.grad, null, "none to the quantised values");
});

test("shapes that do not broadcast are named", async (t, gpu) => {
  const x = fromArray(gpu, new Float32Array(6), [2, 3], "f32", "x");
  const y = fromArray(gpu, new Float32Array(4), [4], "f32", "y");
  await t.throwsMessage(() => elementwise.add(x, y), /add.*x \[2, 3\] and y \[4\] do not broadcast/, "add");
});
