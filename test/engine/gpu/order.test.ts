/** Work keeps its order while pipelines compile in the background. Every test opens a device that has none yet. */
import { GpuValidationError } from "../../../dist/engine/gpu/errors.js";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { kernel } from "../../../dist/engine/gpu/kernel.js";
import { fill } from "../../../dist/engine/ops/copy.js";
import { copyStrided } from "../../../dist/engine/tensor/strided.js";
import { empty, fromArray, zeros } from "../../../dist/engine/tensor/tensor.js";
import { freshDevice } from "../../device.js";
import { test } from "../../harness.js";

test("flush before the pipelines are ready: nothing is lost, writes and reads stay in place", async (t) => {
  const device = await freshDevice();
  const gpu = Gpu.from(device);
  const x = fromArray(gpu, [1, 2, 3], [3]);
  const [y, z] = [empty(gpu, [3]), empty(gpu, [3])];
  copyStrided(x, y, { accumulate: false });
  gpu.flush();
  t.equal(gpu.counters.submits, 0, "the first submission waits for its pipeline");
  const early = y.read();
  const data = new Float32Array([10, 20, 30]);
  x.write(data);
  data.fill(-1);
  copyStrided(x, z, { accumulate: false });
  copyStrided(x, y, { accumulate: true });
  gpu.flush();
  x.write([0, 0, 0]);
  const late = y.read();
  t.near(await early, [1, 2, 3], {}, "a read-back sees what was asked for before it");
  t.near(await late, [11, 22, 33], {}, "a later one sees the rest");
  t.near(await z.read(), [10, 20, 30], {}, "a write keeps its place and its values");
  t.equal(gpu.counters.submits, 2, "two submissions");
  copyStrided(x, y, { accumulate: false });
  gpu.flush();
  t.equal(gpu.counters.submits, 3, "with the pipeline there, at once");
  await gpu.idle();
  device.destroy();
});

test("idle, trim and the end of captured work bring waiting work to its end", async (t) => {
  const device = await freshDevice();
  const gpu = Gpu.from(device);
  const total = zeros(gpu, [2], "f32", "total");
  const one = fromArray(gpu, [1, 10], [2]);
  const { work } = gpu.capture(() => {
    const twice = empty(gpu, [2], "f32", "twice");
    copyStrided(one, twice, { accumulate: false });
    copyStrided(one, twice, { accumulate: true });
    copyStrided(twice, total, { accumulate: true });
  });
  work.run();
  work.run();
  t.ok(gpu.counters.submits < 3, "the runs wait");
  work.dispose();
  t.equal(gpu.counters.submits, 3, "until the work is given back");
  t.near(await total.read(), [4, 40], {}, "both have run");

  fill(total, 7);
  gpu.flush();
  gpu.scope(() => copyStrided(total, empty(gpu, [2], "f32", "copy"), { accumulate: false }));
  gpu.trim();
  t.equal(gpu.counters.submits, 5, "trim destroys buffers only once all work has been submitted");
  t.near(await total.read(), [7, 7], {}, "with the right result");

  const { work: later } = gpu.capture(() => fill(one, 3));
  later.run();
  await gpu.idle();
  t.near(await one.read(), [3, 3], {}, "idle waits for what waits");
  later.dispose();
  gpu.dispose();
  device.destroy();
});

test("work with a kernel that does not compile is left out, and what else was asked for is done", async (t) => {
  const device = await freshDevice();
  const gpu = Gpu.from(device);
  const broken = kernel<
    Record<never, never>,
    Record<never, never>,
    Record<never, never>,
    Record<never, never>
  >("@compute @workgroup_size(1)\nfn main() { let x: u32 = 1.5; }\n", {
    name: "broken.main",
    file: "shaders/broken.wgsl",
    entryPoint: "main",
    bindings: [],
    uniform: null,
    workgroupSize: [1, 1, 1],
    tunables: {},
    variants: {},
  });
  const x = fromArray(gpu, [1], [1]);
  const y = zeros(gpu, [1]);
  const { work } = gpu.capture(() => gpu.run(broken, {}, {}, { groups: [1] }));
  work.run();
  copyStrided(x, y, { accumulate: false });
  let error: unknown;
  try {
    await y.read();
  } catch (caught) {
    error = caught;
  }
  t.ok(error instanceof GpuValidationError, "typed");
  t.ok(/^kernel broken\.main: shaders\/broken\.wgsl:2: /.test((error as Error).message), String(error));
  t.near(await y.read(), [1], {}, "the rest was done");
  work.run();
  t.near(await y.read(), [1], {}, "another run is left out as well");
  work.dispose();
  device.destroy();
});

test("copies alone write no uniforms: some implementations refuse a write of 0 bytes", async (t) => {
  const device = await freshDevice();
  const { queue } = device;
  const sizes: number[] = [];
  const writeBuffer = queue.writeBuffer.bind(queue);
  Object.defineProperty(queue, "writeBuffer", {
    configurable: true,
    value: (buffer: GPUBuffer, offset: number, data: Float32Array<ArrayBuffer>) => {
      sizes.push(data.byteLength);
      writeBuffer(buffer, offset, data);
    },
  });
  const gpu = Gpu.from(device);
  const x = fromArray(gpu, [1, 2, 3], [3]);
  const [y, z] = [empty(gpu, [3]), empty(gpu, [3])];
  gpu.copyBuffer(x.storage, 0, y.storage, 0, 12);
  gpu.flush();
  const { work } = gpu.capture(() => gpu.copyBuffer(y.storage, 0, z.storage, 0, 12));
  work.run();
  t.near(await z.read(), [1, 2, 3], {}, "submitted and captured");
  t.ok(sizes.length > 0 && sizes.every((bytes) => bytes > 0), `bytes of the writes: ${sizes.join(", ")}`);
  work.dispose();
  await gpu.idle();
  device.destroy();
});
