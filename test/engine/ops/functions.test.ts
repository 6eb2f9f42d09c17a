/** More functions of one tensor. */

import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { checkOp, randomArray, test } from "../../harness.js";
import { functions } from "../../reference/functions.js";

const tolerance = { forward: { abs: 1e-6, rel: 2e-6 }, gradient: { abs: 3e-6, rel: 1e-5 } };
const named: Record<string, (x: Tensor) => Tensor> = {
  rsqrt: ops.rsqrt,
  sin: ops.sin,
  cos: ops.cos,
  sign: ops.sign,
  softplus: ops.softplus,
  gelu: ops.gelu,
  geluTanh: ops.geluTanh,
  quickGelu: ops.quickGelu,
};

test("values and derivatives", async (t, gpu) => {
  for (const [name, op] of Object.entries(named)) {
    const f = functions[name]!;
    for (const shape of [[], [1], [17], [3, 65]]) {
      const size = shape.reduce((p, q) => p * q, 1);
      const numbers = randomArray(1, size, 2).map((x) => x + 0.1 * Math.sign(x));
      const data = name === "rsqrt" ? numbers.map((x) => Math.abs(x) + 0.1) : numbers;
      await checkOp(t, gpu, `${name} [${shape}]`, {
        inputs: [{ shape, data }],
        gpu: (x) => op(x!),
        reference: (x) => x!.map(f),
        tolerance,
      });
    }
    await checkOp(t, gpu, `${name} of a transposed slice, used twice`, {
      inputs: [{ shape: [4, 5], data: randomArray(2, 20).map((x) => Math.abs(x) + 0.2) }],
      gpu: (x) => {
        const view = x!.transpose().slice(0, 1, 3);
        return ops.mul(op(view), view);
      },
      reference: (x) =>
        Float64Array.from({ length: 12 }, (_, i) => {
          const v = x![(i % 4) * 5 + Math.floor(i / 4) + 1]!;
          return f(v) * v;
        }),
      tolerance: { forward: { abs: 2e-6, rel: 4e-6 }, gradient: { abs: 1e-5, rel: 2e-5 } },
    });
  }
});

test("sine and cosine of large angles", async (t, gpu) => {
  const angles = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) * 5.000123);
  const x = fromArray(gpu, angles, [angles.length]);
  t.near(await ops.sin(x).read(), Array.from(angles, Math.sin), { abs: 1e-6 }, "sine to ±10⁴");
  t.near(await ops.cos(x).read(), Array.from(angles, Math.cos), { abs: 1e-6 }, "cosine to ±10⁴");
  const endless = fromArray(gpu, [Number.POSITIVE_INFINITY, Number.NaN], [2]);
  t.ok((await ops.sin(endless).read()).every(Number.isNaN), "of infinity and NaN it is NaN");
});

test("exact GELU keeps its digits in the tails", async (t, gpu) => {
  const points = Float32Array.from({ length: 121 }, (_, i) => (i - 60) / 12);
  const x = fromArray(gpu, points, [points.length]).requireGrad();
  const y = ops.gelu(x);
  t.near(await y.read(), Array.from(points, functions.gelu!), { abs: 1e-9, rel: 5e-6 }, "from -5 to 5");
  backwardFrom(y, fromArray(gpu, new Float32Array(121).fill(1), [121]));
  const density = (v: number) => Math.exp(-0.5 * v * v) / Math.sqrt(2 * Math.PI);
  const slope = (v: number) => (v === 0 ? 0.5 : functions.gelu!(v) / v) + v * density(v);
  t.near(await x.grad!.read(), Array.from(points, slope), { abs: 5e-7, rel: 2e-6 }, "and its derivative");
});

test("large arguments stay finite", async (t, gpu) => {
  const x = fromArray(gpu, [-1e30, -1000, -90, 90, 1000, 1e30], [6]).requireGrad();
  for (const [name, low] of [
    ["gelu", 0],
    ["geluTanh", 0],
    ["softplus", 0],
  ] as const) {
    const y = named[name]!(x);
    t.near(await y.read(), [low, low, low, 90, 1000, 1e30], { abs: 1e-6, rel: 1e-6 }, name);
    backwardFrom(y, fromArray(gpu, [1, 1, 1, 1, 1, 1], [6]));
    t.near(await x.grad!.read(), [0, 0, 0, 1, 1, 1], { abs: 1e-6 }, `${name}: derivative`);
    x.grad!.dispose();
    x.grad = null;
    x.gradIsCurrent = false;
  }
  const odd = fromArray(gpu, [Number.NaN, 0, -0], [3]);
  t.same(
    [...(await ops.sign(odd).read())].map((v) => v + 0),
    [Number.NaN, 0, 0],
    "sign of NaN and zeros",
  );
  t.ok(Number.isNaN((await ops.softplus(odd).read())[0]), "softplus of NaN");
});
