import {
  DeviceLostError,
  GpuValidationError,
  NonFiniteError,
  OutOfMemoryError,
} from "../../../dist/engine/gpu/errors.js";
import { checkFinite } from "../../../dist/engine/gpu/finite-check.js";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { kernel } from "../../../dist/engine/gpu/kernel.js";
import * as kernels from "../../../dist/engine/gpu/kernels.generated.js";
import { sizeClass } from "../../../dist/engine/gpu/pool.js";
import { profile } from "../../../dist/engine/gpu/profiler.js";
import { copyStrided } from "../../../dist/engine/tensor/strided.js";
import { empty, fromArray, zeros } from "../../../dist/engine/tensor/tensor.js";
import { freshDevice } from "../../device.js";
import { test } from "../../harness.js";

test("size classes waste at most a fifth", async (t) => {
  for (const bytes of [1, 256, 257, 1000, 4097, 1e6, 123456789]) {
    const size = sizeClass(bytes);
    t.ok(size >= bytes && size % 256 === 0 && (bytes < 1024 || size <= bytes * 1.25), `${bytes} → ${size}`);
  }
});

test("an engine needs a device", async (t, gpu) => {
  for (const wrong of [{}, undefined, null, { device: gpu.device }])
    await t.throwsMessage(() => Gpu.from(wrong as never), /^Gpu\.from takes a GPUDevice$/, `${wrong}`);
});

test("memory is accounted by label and reused", async (t, gpu) => {
  const before = gpu.memory.liveBytes;
  const made = gpu.counters.buffers;
  gpu.scope(() => {
    empty(gpu, [10000], "f32", "first");
    t.equal(gpu.memory.liveBytes - before, sizeClass(40000), "live bytes grow");
    t.same(
      gpu.memory.byLabel.find(([label]) => label === "first"),
      ["first", sizeClass(40000)],
      "under their label",
    );
  });
  t.equal(gpu.memory.liveBytes, before, "and are given back");
  gpu.scope(() => empty(gpu, [10000]).label);
  t.ok(gpu.counters.buffers - made <= 1, "the buffer was used again");
});

test("a captured step is replayed without creating anything", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2, 3], [3], "f32", "x");
  const total = zeros(gpu, [3], "f32", "total");
  const { work, result } = gpu.capture(() => {
    const twice = empty(gpu, [3], "f32", "twice");
    copyStrided(x, twice, { accumulate: false });
    copyStrided(x, twice, { accumulate: true });
    copyStrided(twice, total, { accumulate: true });
    return twice;
  });
  t.near(await total.read(), [0, 0, 0], {}, "capturing runs nothing");
  work.run();
  const before = gpu.counters;
  x.write([10, 20, 30]);
  work.run();
  t.near(await total.read(), [22, 44, 66], {}, "two runs, the second with new values");
  t.near(await result.read(), [20, 40, 60], {}, "a returned tensor can be read");
  const after = gpu.counters;
  t.same(
    [
      after.bindGroups - before.bindGroups,
      after.buffers - before.buffers,
      after.submits - before.submits,
      work.dispatches,
    ],
    [0, 0, 1, 3],
    "no bind groups, no buffers, one submit",
  );
  work.dispose();
  await t.throwsMessage(() => work.run(), /was disposed/, "a disposed step");
});

test("a recording whose uniforms are longer than the block for them is submitted in parts", async (t, gpu) => {
  const { fill } = kernels.fill;
  const x = zeros(gpu, [3]);
  gpu.run(fill, { x }, { count: 3, value: 0 }, { groups: [1] });
  await gpu.idle(); // its pipeline is compiled from here on
  const before = gpu.counters.submits;
  const blockBytes = 1 << 20;
  const count = Math.ceil((1.5 * blockBytes) / gpu.limits.minUniformBufferOffsetAlignment);
  for (let value = 1; value <= count; value++)
    gpu.run(fill, { x }, { count: value % 3 === 0 ? 3 : 2, value }, { groups: [1] });
  t.equal(gpu.counters.submits - before, 1, "the first part, while the second is recorded");
  const last = count - (count % 3);
  t.same([...(await x.read())], [count, count, last], "in order, each with its own values");
  x.dispose();
});

test("a NaN is traced to its kernel", async (t, gpu) => {
  checkFinite(gpu);
  const x = fromArray(gpu, [1, Number.NaN, Number.POSITIVE_INFINITY], [3], "f32", "bad input");
  const y = empty(gpu, [3], "f32", "bad output");
  copyStrided(x, y, { accumulate: false });
  let error: unknown;
  try {
    await y.read();
  } catch (caught) {
    error = caught;
  }
  checkFinite(gpu, false);
  t.ok(error instanceof NonFiniteError, "typed");
  t.ok(/strided\.copy wrote 2 NaN or infinite values into bad output/.test(String(error)), String(error));
});

test("a kernel is not blamed for a NaN beside what it writes", async (t, gpu) => {
  for (const dtype of gpu.has("shader-f16") ? (["f32", "f16"] as const) : (["f32"] as const)) {
    const y = fromArray(gpu, [Number.NaN, 1, 1, 1, Number.NaN], [5], dtype, "output");
    const middle = y.slice(0, 1, 3);
    const good = fromArray(gpu, [2, 3, 4], [3], dtype);
    const bad = fromArray(gpu, [2, 3, Number.NaN], [3], dtype);
    checkFinite(gpu);
    copyStrided(good, middle, { accumulate: false });
    t.same([...(await y.read())], [Number.NaN, 2, 3, 4, Number.NaN], `${dtype}: beside it`);
    copyStrided(bad, middle, { accumulate: false });
    await t.throwsMessage(() => y.read(), /strided\.copy wrote 1 NaN/, `${dtype}: in its last element`);
    checkFinite(gpu, false);
  }
});

test("out of memory names the tensor, its size and the largest holders", async (t) => {
  const device = await freshDevice();
  const small = Gpu.from(device, { budget: 100_000 });
  empty(small, [10_000], "f32", "weights");
  let error: unknown;
  try {
    empty(small, [100_000], "f32", "activations");
  } catch (caught) {
    error = caught;
  }
  t.ok(error instanceof OutOfMemoryError, "typed");
  t.ok(/activations asked for .*most is held by weights/.test(String(error)), String(error));
  await t.throwsMessage(
    () => empty(small, [2 ** 33], "f32", "huge"),
    /huge asked for 32\.0 GiB/,
    "beyond the device's limit",
  );
  device.destroy();
});

test("a kernel that does not compile is reported with file and line", async (t) => {
  const device = await freshDevice();
  const gpu = Gpu.from(device);
  const source = "// a comment\n@compute @workgroup_size(1)\nfn main() { let x: u32 = 1.5; }\n";
  const spec = {
    name: "broken.main",
    file: "shaders/broken.wgsl",
    entryPoint: "main",
    bindings: [],
    uniform: null,
    workgroupSize: [1, 1, 1],
    tunables: {},
    variants: {},
  };
  gpu.run(
    kernel<Record<never, never>, Record<never, never>, Record<never, never>, Record<never, never>>(
      source,
      spec,
    ),
    {},
    {},
    { groups: [1] },
  );
  let error: unknown;
  try {
    await gpu.idle();
  } catch (caught) {
    error = caught;
  }
  t.ok(error instanceof GpuValidationError, "typed");
  t.ok(/kernel broken\.main: shaders\/broken\.wgsl:3: .*, at `/.test(String(error)), String(error));
  device.destroy();
});

test("loss of the device is a typed error from then on", async (t) => {
  const device = await freshDevice();
  const gpu = Gpu.from(device);
  const x = fromArray(gpu, [1], [1]);
  device.destroy();
  await device.lost;
  await t.throwsMessage(x.read(), /the GPU device was lost \(destroyed\)/, "reading");
  let error: unknown;
  try {
    copyStrided(x, x, { accumulate: false });
  } catch (caught) {
    error = caught;
  }
  t.ok(error instanceof DeviceLostError, "running");
});

test("one buffer bound for reading and writing is refused", async (t, gpu) => {
  const x = fromArray(gpu, [1], [1], "f32", "x");
  await t.throwsMessage(
    () => copyStrided(x, x, { accumulate: false }),
    /destination and source are the same buffer \(x\)/,
    "named",
  );
});

test("a profile tells how often each kernel ran", async (t, gpu) => {
  if (!gpu.has("timestamp-query")) {
    await t.throwsMessage(
      profile(gpu, () => {}),
      /no timestamp-query feature/,
      "refused where it cannot be had",
    );
    return;
  }
  const x = fromArray(gpu, new Float32Array(5000), [5000]);
  const times = await profile(gpu, () =>
    gpu.scope(() => {
      const y = empty(gpu, [5000]);
      copyStrided(x, y, { accumulate: false });
      copyStrided(x, y, { accumulate: true });
    }),
  );
  t.same(
    times.map(({ kernel, dispatches }) => [kernel, dispatches]),
    [["strided.copy", 2]],
    "two copies",
  );
});
