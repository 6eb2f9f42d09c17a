/** What every op says of arguments that it cannot take. */

import { GpuError } from "../../../dist/engine/gpu/errors.js";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import * as kernels from "../../../dist/engine/gpu/kernels.generated.js";
import * as ops from "../../../dist/engine/ops/index.js";
import { backward } from "../../../dist/engine/tensor/autograd.js";
import { ArgumentError, ShapeError, UseAfterFreeError } from "../../../dist/engine/tensor/errors.js";
import { empty, fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { test } from "../../harness.js";
import * as models from "../ops/every-op.js";

type Op = (...given: unknown[]) => unknown;

/** The error of a call, or null. */
function errorOf(call: () => unknown): unknown {
  try {
    call();
    return null;
  } catch (error) {
    return error;
  }
}

test("every op refuses what is no tensor, was freed, is of another type or another Gpu", async (t, gpu) => {
  const other = Gpu.from(gpu.device, { software: true });
  const f = (shape: number[]) => empty(gpu, shape, "f32", "x");
  const u = (shape: number[]) => empty(gpu, shape, "u32", "ids");
  const rng = new ops.Rng(gpu, 1);
  const named: Readonly<Record<string, unknown>> = { ...ops };
  // Each op with arguments that it takes, and which of them are tensors.
  const calls: [string, Op, unknown[]][] = [
    ...(
      ["neg", "exp", "log", "sqrt", "square", "abs", "relu", "silu", "gelu2", "sigmoid", "tanh"] as const
    ).map((name): [string, Op, unknown[]] => [name, named[name] as Op, [f([2])]]),
    ...(["add", "sub", "mul", "div", "maximum", "minimum", "straightThrough", "mse", "l1"] as const).map(
      (name): [string, Op, unknown[]] => [name, named[name] as Op, [f([2]), f([2])]],
    ),
    ...(
      ["sum", "mean", "max", "sumSquares", "sumAbsolute", "softmax", "logSoftmax", "logSumExp"] as const
    ).map((name): [string, Op, unknown[]] => [name, named[name] as Op, [f([2, 3])]]),
    ["scale", ops.scale as Op, [f([2]), 2]],
    ["clamp", ops.clamp as Op, [f([2]), 0, 1]],
    ["countNonFinite", ops.countNonFinite as Op, [f([2])]],
    ["cast", ops.cast as Op, [f([2]), "f32"]],
    ["concat", ((...all: Tensor[]) => ops.concat(all, 0)) as Op, [f([2]), f([3])]],
    ["fill", ops.fill as Op, [f([2]), 1]],
    ["matmul", ops.matmul as Op, [f([2, 3]), f([3, 2])]],
    ["linear", ops.linear as Op, [f([2, 3]), f([3, 2]), f([2])]],
    ["conv2d", ops.conv2d as Op, [f([1, 4, 4, 3]), f([3, 3, 3, 4])]],
    [
      "convTranspose2d",
      ops.convTranspose2d as Op,
      [f([1, 4, 4, 3]), f([4, 4, 8, 3]), { stride: 2, padding: 1 }],
    ],
    ["layerNorm", ops.layerNorm as Op, [f([2, 8]), f([8]), f([8])]],
    ["adaLayerNorm", ops.adaLayerNorm as Op, [f([2, 3, 8]), f([2, 16])]],
    ["groupNorm", ops.groupNorm as Op, [f([1, 4, 8]), 2, f([8]), f([8])]],
    ["selfAttention", ops.selfAttention as Op, [f([1, 3, 24]), 2]],
    ["crossAttention", ops.crossAttention as Op, [f([1, 3, 8]), f([1, 2, 16]), 2]],
    ["attention", ops.attention as Op, [f([1, 3, 8]), f([1, 2, 8]), f([1, 2, 8]), 2]],
    ["upsample", ops.upsample as Op, [f([1, 2, 2, 4])]],
    ["dropout", ops.dropout as Op, [f([4]), 0.5, rng]],
    ["embedding", ops.embedding as Op, [f([5, 4]), u([3])]],
    ["crossEntropy", ops.crossEntropy as Op, [f([3, 5]), u([3])]],
    ["categorical", ((x: Tensor) => rng.categorical(x)) as Op, [f([3, 5])]],
    ["modulation", models.modulation as Op, [f([2, 6]), f([2, 3, 8]), f([2, 1, 8])]],
    ["nearestCodes", models.nearestCodes as Op, [f([3, 4]), f([5, 4])]],
    ["mixBranches", models.mixBranches as Op, [f([4, 5]), 2]],
    ["reportRows", models.reportRows as Op, [f([3, 5]), u([3]), 2]],
  ];
  for (const [name, op, given] of calls) {
    gpu.scope(() =>
      t.equal(
        errorOf(() => op(...given)),
        null,
        `${name} takes its arguments`,
      ),
    );
    given.forEach((argument, at) => {
      if (typeof argument !== "object" || !("dtype" in argument!)) return;
      const tensor = argument as Tensor<"f32" | "u32">;
      const swapped = (value: unknown) =>
        gpu.scope(() => errorOf(() => op(...given.map((own, i) => (i === at ? value : own)))));
      const isOptional = name === "linear" && at === 2;
      for (const value of isOptional ? [2, "x", {}] : [undefined, null, 2, "x", {}]) {
        const error = swapped(value);
        t.ok(error instanceof ArgumentError, `${name}, argument ${at} is ${value}: ${error}`);
      }
      const ofAnotherType = empty(gpu, tensor.shape, tensor.dtype === "u32" ? "i32" : "u32", "wrong");
      const typeError = swapped(ofAnotherType);
      t.ok(
        typeError instanceof ArgumentError && /wrong \[.*\] is [ui]32, the op takes/.test(typeError.message),
        `${name}, argument ${at} of another type: ${typeError}`,
      );
      const freed = empty(gpu, tensor.shape, tensor.dtype, "gone");
      freed.dispose();
      const freedError = swapped(freed);
      t.ok(freedError instanceof UseAfterFreeError, `${name}, argument ${at} was freed: ${freedError}`);
      const sameKind = given.filter((one) => (one as Tensor<"f32" | "u32"> | null)?.dtype === tensor.dtype);
      if (sameKind.length > 1) {
        const foreign = empty(other, tensor.shape, tensor.dtype, "foreign");
        const error = swapped(foreign);
        t.ok(
          error instanceof ArgumentError && /is not on the Gpu of/.test(error.message),
          `${name}, argument ${at} of another Gpu: ${error}`,
        );
      }
    });
  }
  rng.dispose();
  other.dispose();
});

test("axes, stretches and shapes are whole numbers within bounds", async (t, gpu) => {
  const x = fromArray(gpu, new Float32Array(12), [3, 4], "f32", "x");
  for (const bad of [Number.NaN, 0.5, 2, -3, Number.POSITIVE_INFINITY]) {
    for (const [name, call] of [
      ["slice", () => x.slice(bad, 0, 1)],
      ["transpose", () => x.transpose(0, bad)],
      ["sum", () => ops.sum(x, [bad])],
      ["max", () => ops.max(x, [bad])],
      ["concat", () => ops.concat([x, x], bad)],
    ] as const) {
      const error = errorOf(call);
      t.ok(
        error instanceof ShapeError && /has no axis/.test(error.message),
        `${name} of axis ${bad}: ${error}`,
      );
    }
  }
  for (const [start, length] of [
    [Number.NaN, 2],
    [0, Number.NaN],
    [0.5, 1],
    [0, 1.5],
    [-1, 2],
    [0, 0],
    [2, 2],
    [0, Number.POSITIVE_INFINITY],
  ] as const) {
    const error = errorOf(() => x.slice(0, start, length));
    t.ok(
      error instanceof ShapeError && /slice/.test(error.message),
      `slice(0, ${start}, ${length}): ${error}`,
    );
  }
  for (const shape of [[-2, -6], [0, 12], [12.5], [Number.NaN], [-1, -1], [5, -1]]) {
    t.ok(errorOf(() => x.reshape(shape)) instanceof ShapeError, `reshape([${shape}])`);
    if (!shape.includes(5)) t.ok(errorOf(() => empty(gpu, shape)) instanceof ShapeError, `empty([${shape}])`);
  }
});

test("only real numbers have gradients", async (t, gpu) => {
  for (const dtype of ["u32", "i32"] as const) {
    const error = errorOf(() => empty(gpu, [2], dtype, "ids").requireGrad());
    t.ok(error instanceof ArgumentError && /ids is .32/.test(error.message), `${error}`);
  }
  const gone = fromArray(gpu, [1], [1], "f32", "gone").requireGrad();
  gone.dispose();
  t.ok(errorOf(() => backward(gone)) instanceof UseAfterFreeError, "backward from a freed tensor");
});

test("a kernel's whole numbers are whole", async (t, gpu) => {
  const x = empty(gpu, [4], "f32", "x");
  for (const count of [Number.NaN, 2.5, Number.POSITIVE_INFINITY]) {
    const error = errorOf(() => gpu.run(kernels.fill.fill, { x }, { count, value: 1 }, { groups: [1] }));
    t.ok(error instanceof GpuError && /the uniform count is/.test(error.message), `${error}`);
  }
});
