/** Own kernels: WGSL text as typed kernels, ops of them with a gradient, variants, tunables, profiles, errors. */

import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { profile } from "../../../dist/engine/gpu/profiler.js";
import { sourceHash, tuningFormat } from "../../../dist/engine/gpu/tuning/tuning-table.js";
import { record } from "../../../dist/engine/tensor/tape.js";
import { empty, fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { checkOp, randomArray, test } from "../../harness.js";

type Empty = Record<never, never>;

/** y = a·x^n + y, n chosen at compile time, laid out as people write WGSL. */
const saxpy = `/* A comment with a struct Params { inside: it } /* nested */
   and @compute @workgroup_size(1) fn nothing() {} */
struct Params { a : f32, count : u32,
  shift: vec4f }

const WORKGROUP: u32 = 64; // @tune 32 64 128
const POWER: u32 = 1u; // @variant linear=1 squared=2
const NEGATIVE: bool = false; // @variant
alias T = f32; // @variant f32=f32 u32=u32

@binding(0) @group(0) var<uniform> params: Params; // the scalars
@group(0) @binding(1) var<storage> x : array<T>;
@group(0) @binding(2)
var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;

fn f(z: f32) -> f32 { return select(z, z * z, POWER == 2u); }

@workgroup_size(WORKGROUP) @compute
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.count) { return; }
  let value = params.a * f(f32(x[id.x])) + params.shift.y;
  y[id.x] = select(value, -value, NEGATIVE);
}
@compute @workgroup_size(WORKGROUP, 1, 1) fn go_back(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < params.count) {
    y[id.x] = dy[id.x] * params.a * select(1.0, 2.0 * f32(x[id.x]), POWER == 2u);
  }
}
`;

interface Saxpy {
  main: ops.Kernel<
    { x: "f32" | "u32"; y: "f32" },
    { a: number; count: number; shift: ops.Vec4 },
    { POWER: "linear" | "squared"; NEGATIVE: boolean; T: "f32" | "u32" },
    { WORKGROUP: number }
  >;
  goBack: ops.Kernel<
    { x: "f32" | "u32"; y: "f32"; dy: "f32" },
    { a: number; count: number; shift: ops.Vec4 },
    { POWER: "linear" | "squared"; T: "f32" | "u32" },
    { WORKGROUP: number }
  >;
}

const kernels = ops.wgsl<Saxpy>(saxpy, "own/saxpy.wgsl");

/** a·x² + shift, an op with a gradient. */
function scaledSquare(x: Tensor, a: number, shift = 0): Tensor {
  const { gpu } = x;
  const y = empty(gpu, x.shape, "f32", "scaledSquare");
  const params = { a, count: x.size, shift: [0, shift, 0, 0] } as const;
  const { main, goBack } = kernels;
  gpu.run(main, { x, y }, params, {
    groups: gpu.groups1d(x.size, gpu.tunables(main).WORKGROUP),
    variant: { POWER: "squared" },
  });
  return record("scaledSquare", [x], y, (save) => {
    const saved = save(x);
    return (dy, grads) => {
      const dx = empty(gpu, saved.shape);
      gpu.run(goBack, { x: saved, y: dx, dy }, params, {
        groups: gpu.groups1d(x.size, gpu.tunables(goBack).WORKGROUP),
        variant: { POWER: "squared" },
      });
      grads.give(0, dx);
    };
  });
}

test("what is read from the text", (t) => {
  const { main, goBack } = kernels;
  t.same(
    main.spec.bindings,
    [
      {
        name: "x",
        binding: 1,
        access: "read",
        dtype: "f32",
        choice: { variant: "T", dtypes: { f32: "f32", u32: "u32" } },
      },
      { name: "y", binding: 2, access: "read_write", dtype: "f32" },
    ],
    "bindings that the entry point reaches",
  );
  t.same(
    goBack.spec.bindings.map(({ name }) => name),
    ["x", "y", "dy"],
    "of the other entry point",
  );
  t.same(
    main.spec.uniform,
    {
      size: 32,
      members: [
        { name: "a", offset: 0, type: "f32", width: 1 },
        { name: "count", offset: 4, type: "u32", width: 1 },
        { name: "shift", offset: 16, type: "f32", width: 4 },
      ],
    },
    "parameters at their offsets",
  );
  t.same([main.spec.name, main.spec.file], ["own/saxpy.main", "own/saxpy.wgsl"], "names");
  t.same(main.spec.workgroupSize, ["WORKGROUP", 1, 1], "workgroup");
  t.same(goBack.spec.workgroupSize, ["WORKGROUP", 1, 1], "workgroup with its attributes the other way round");
  t.same(
    [Object.keys(main.spec.variants), Object.keys(goBack.spec.variants)],
    [
      ["POWER", "NEGATIVE", "T"],
      ["POWER", "T"],
    ],
    "variants",
  );
  t.same(main.spec.tunables, { WORKGROUP: { fallback: 64, candidates: [32, 64, 128] } }, "tunables");
  t.equal(main.source, saxpy, "the text itself is what the device compiles");
  t.equal(ops.wgsl<Saxpy>(saxpy, "own/saxpy.wgsl").main, main, "the same text is the same kernel");
});

test("an op of an own kernel, with its gradient", async (t, gpu) => {
  for (const shape of [[1], [17], [3, 65]]) {
    const size = shape.reduce((p, q) => p * q, 1);
    await checkOp(t, gpu, `[${shape}]`, {
      inputs: [{ shape, data: randomArray(1, size) }],
      gpu: (x) => scaledSquare(x!, 1.5, 0.25),
      reference: (x) => x!.map((v) => 1.5 * v * v + 0.25),
      tolerance: { forward: { abs: 1e-6, rel: 1e-6 }, gradient: { abs: 1e-5, rel: 1e-5 } },
    });
  }
  await checkOp(t, gpu, "of a transposed slice", {
    inputs: [{ shape: [4, 5], data: randomArray(2, 20) }],
    gpu: (x) => scaledSquare(x!.transpose().slice(0, 1, 3), 2),
    reference: (x) =>
      Float64Array.from({ length: 12 }, (_, i) => 2 * x![(i % 4) * 5 + Math.floor(i / 4) + 1]! ** 2),
    tolerance: { forward: { abs: 1e-6, rel: 1e-6 }, gradient: { abs: 1e-5, rel: 1e-5 } },
  });
  const report = await ops.checkGradients(
    (x) => scaledSquare(x, 0.7),
    [fromArray(gpu, randomArray(3, 9), [9], "f32", "x")],
  );
  t.ok(report.passed, `${report}`);
});

test("variants, captured work, and names that are checked when it runs", async (t, gpu) => {
  const ids = fromArray(gpu, [1, 2, 3], [3], "u32");
  const y = empty(gpu, [3]);
  const params = { a: 2, count: 3, shift: [0, 1, 0, 0] } as const;
  const variant = { T: "u32", NEGATIVE: true } as const;
  gpu.run(kernels.main, { x: ids, y }, params, { groups: [1], variant });
  t.same([...(await y.read())], [-3, -5, -7], "elements of another type, a boolean");
  const x = fromArray(gpu, [1, 2], [2]);
  const { work, result } = gpu.capture(() => scaledSquare(x, 3).keep());
  work.run();
  t.same([...(await result.read())], [3, 12], "captured");
  work.dispose();
  const untyped = ops.wgsl(saxpy, "untyped.wgsl").main!;
  gpu.run(untyped, { x, y: empty(gpu, [2]) }, { ...params, count: 2 }, { groups: [1] });
  await t.throwsMessage(
    () => gpu.run(untyped, { z: x }, params, { groups: [1] }),
    /untyped.main: nothing is bound to x/,
    "a binding that is missing",
  );
  await t.throwsMessage(
    () => gpu.run(untyped, { x, y: ids }, params, { groups: [1] }),
    /untyped.main: y takes f32, but .* is u32/,
    "a wrong element type",
  );
});

test("tuned and profiled like the engine's kernels", async (t, { device, tuning }) => {
  const table = {
    format: tuningFormat,
    adapters: {
      [tuning.adapter]: {
        measured: "here, today",
        kernels: {
          "own/saxpy.main": { source: sourceHash(saxpy), shapes: { any: { values: { WORKGROUP: 128 } } } },
        },
      },
    },
  } as const;
  const gpu = Gpu.from(device, { tuning: table });
  t.equal(gpu.tunables(kernels.main).WORKGROUP, 128, "the tuning table has a say");
  t.equal(gpu.tunables(kernels.goBack).WORKGROUP, 64, "on this entry point alone");
  const x = fromArray(gpu, randomArray(4, 300), [300]);
  t.near(
    await scaledSquare(x, 1).read(),
    randomArray(4, 300).map((v) => v * v),
    { rel: 1e-6 },
    "with this tunable",
  );
  if (gpu.has("timestamp-query")) {
    const times = await profile(gpu, async () => {
      await scaledSquare(x, 1).read();
    });
    t.same(
      times.map(({ kernel }) => kernel),
      ["own/saxpy.main"],
      "its name in a profile",
    );
  } else t.comment("this device lacks timestamp-query");
});

test("texts that break the rules are refused with file and line", async (t) => {
  const entry = "@compute @workgroup_size(1) fn main() { x[0] = 1; }\n";
  const x = "@group(0) @binding(1) var<storage, read_write> x: array<f32>;\n";
  for (const [text, pattern, why] of [
    ["fn main() {}", /own.wgsl:1: it has no entry point/, "no entry point"],
    [
      `${x}\n@group(1) @binding(0) var<storage> y: array<f32>;\n${entry}`,
      /own.wgsl:3: y is in group 1/,
      "a group",
    ],
    [
      `@group(0) @binding(0) var<uniform> scale: f32;\n${x}${entry}`,
      /own.wgsl:1: a uniform must read/,
      "a uniform",
    ],
    [
      `struct Params { m: mat4x4f }\n${x}${entry}`,
      /own.wgsl:1: Params has the member "m: mat4x4f"/,
      "a matrix",
    ],
    [
      `\n\n@group(0) @binding(1) var<storage> y: array<f32, 4>;\n${x}${entry}`,
      /own.wgsl:3: y is array<f32,4>/,
      "a length",
    ],
    [
      `@group(0) @binding(1) var t: texture_3d<f32>;\n${x}${entry}`,
      /own.wgsl:1: t is texture_3d<f32>/,
      "a texture",
    ],
    [
      `const A: u32 = 3; // @tune 1 2\n${x}${entry}`,
      /own.wgsl:1: A: its value 3 is not among 1 2/,
      "a default",
    ],
    [
      `${x}  const A: u32 = 1; // @tune 1 2\n${entry}`,
      /own.wgsl:2: a line marked @tune must read/,
      "an indented mark",
    ],
    [
      `const A: f32 = 1; // @tune 1 2\n${x}${entry}`,
      /own.wgsl:1: A: a constant that is tuned is a u32/,
      "a tuned float",
    ],
    [
      `struct S { a: f32 }\n@group(0) @binding(1) var<storage> s: array<S>;\n@compute @workgroup_size(1) fn main() { _ = s[0].a; }`,
      /s has elements of S/,
      "a struct",
    ],
    [
      `${Array.from({ length: 9 }, (_, i) => `@group(0) @binding(${i}) var<storage, read_write> x${i}: array<f32>;\n`).join("")}@compute @workgroup_size(1) fn main() { x0[0] = x1[0] + x2[0] + x3[0] + x4[0] + x5[0] + x6[0] + x7[0] + x8[0]; }`,
      /binds 9 storage buffers/,
      "too many buffers",
    ],
  ] as const) {
    await t.throwsMessage(() => ops.wgsl(text, "own.wgsl"), pattern, why);
  }
});

test("WGSL that does not compile is reported with file and line", async (t, { device }) => {
  const gpu = Gpu.from(device);
  const text =
    "@group(0) @binding(1) var<storage, read_write> x: array<f32>;\n@compute @workgroup_size(1)\nfn main() {\n  x[0] = nothing;\n}\n";
  const { main } = ops.wgsl<{ main: ops.Kernel<{ x: "f32" }, Empty, Empty, Empty> }>(text, "broken.wgsl");
  const x = empty(gpu, [1]);
  gpu.run(main, { x }, {}, { groups: [1] });
  await t.throwsMessage(x.read(), /kernel broken.main: broken.wgsl:4: .*nothing/, "the line of the text");
});

test("types are written as they are used above", (t) => {
  const written = ops.kernelTypes(saxpy, "shaders/saxpy.wgsl");
  t.ok(written.includes('import type { Kernel, Vec4 } from "mc-diffusion/ops";'), "imports");
  t.ok(/export interface SaxpyKernels \{\n {2}main: Kernel</.test(written), written);
  t.ok(written.includes('{ x: "f32" | "u32"; y: "f32"; dy: "f32" }'), "bindings");
  t.ok(written.includes('{ POWER: "linear" | "squared"; NEGATIVE: boolean; T: "f32" | "u32" }'), "variants");
  t.ok(written.includes("{ a: number; count: number; shift: Vec4 }"), "parameters");
});
