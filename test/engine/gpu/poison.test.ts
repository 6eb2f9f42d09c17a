import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { type Float, kernel } from "../../../dist/engine/gpu/kernel.js";
import { poison } from "../../../dist/engine/gpu/poison.js";
import { copyStrided } from "../../../dist/engine/tensor/strided.js";
import { empty, fromArray, type Tensor, zeros } from "../../../dist/engine/tensor/tensor.js";
import { freshDevice } from "../../device.js";
import { float16Test, test } from "../../harness.js";

/** Writes 7 to the first `count` elements of what is bound, which a correct kernel would do with its tensor only. */
function writeSevens(gpu: Gpu, target: Tensor<Float>, count: number): void {
  const source = `
${target.dtype === "f16" ? "enable f16;" : ""}
@group(0) @binding(1) var<storage, read_write> x: array<${target.dtype}>;
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@compute @workgroup_size(1)
fn main() { for (var i = 0u; i < params.count; i++) { x[i] = 7.0; } }
`;
  const careless = kernel<{ x: "f32" }, { count: number }, Record<never, never>, Record<never, never>>(
    source,
    {
      name: "careless.main",
      file: "test/engine/gpu/poison.test.ts",
      entryPoint: "main",
      bindings: [{ name: "x", binding: 1, access: "read_write", dtype: target.dtype }],
      uniform: { size: 16, members: [{ name: "count", offset: 0, type: "u32", width: 1 }] },
      workgroupSize: [1, 1, 1],
      tunables: {},
      variants: {},
    },
  );
  gpu.run(careless, { x: target as Tensor }, { count }, { groups: [1] });
}

async function poisoned(): Promise<Gpu> {
  const gpu = Gpu.from(await freshDevice());
  poison(gpu);
  return gpu;
}

test("poisoned memory is NaN, fresh or used before, in captured work too", async (t) => {
  const gpu = await poisoned();
  fromArray(gpu, [1, 2, 3], [3]).dispose();
  const used = empty(gpu, [3]);
  t.same([...(await used.read())], [Number.NaN, Number.NaN, Number.NaN], "memory of the pool");
  const large = empty(gpu, [100_000], "u32");
  t.ok(
    (await large.read()).every((word) => word === 0x7fff7fff),
    "more than one copy fills",
  );
  t.ok(
    (await zeros(gpu, [3]).read()).every((value) => value === 0),
    "what is cleared is cleared",
  );
  const target = empty(gpu, [3]);
  const { work } = gpu.capture(() => copyStrided(empty(gpu, [3]), target, { accumulate: false }));
  for (let run = 0; run < 2; run++) {
    target.write([1, 2, 3]);
    work.run();
    t.ok((await target.read()).every(Number.isNaN), `run ${run} of captured work`);
  }
  gpu.device.destroy();
});

test("a kernel that writes behind its tensor is named", async (t) => {
  const gpu = await poisoned();
  const whole = zeros(gpu, [192], "f32", "whole");
  for (const size of [1, 3, 64]) {
    const part = whole.slice(0, 64, size);
    part.label = "part";
    writeSevens(gpu, part, size);
    t.equal((await whole.read())[64 + size - 1], 7, `its own ${size} elements it may write`);
    writeSevens(gpu, part, size + 1);
    // A binding ends with the tensor's last vector of four: beyond it not even this kernel can write.
    if (size % 4 === 0) await gpu.idle();
    else await t.throwsMessage(gpu.idle(), /careless\.main wrote behind part/, `one more than ${size}`);
    await gpu.idle();
  }
  gpu.device.destroy();
});

float16Test("a half behind the last one is seen, in the same word or not", async (t) => {
  const gpu = await poisoned();
  const whole = zeros(gpu, [192], "f16", "whole");
  for (const size of [1, 2, 7]) {
    const part = whole.slice(0, 128, size);
    part.label = "part";
    writeSevens(gpu, part, size);
    t.equal((await whole.read())[128 + size - 1], 7, `its own ${size} elements it may write`);
    writeSevens(gpu, part, size + 1);
    await t.throwsMessage(gpu.idle(), /careless\.main wrote behind part/, `one more than ${size}`);
  }
  gpu.device.destroy();
});
