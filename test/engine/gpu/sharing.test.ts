/** A device that belongs to someone else: its own commands, its own errors, and nothing left on it in the end. */
import { DeviceLostError, type GpuError, GpuValidationError } from "../../../dist/engine/gpu/errors.js";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { kernel } from "../../../dist/engine/gpu/kernel.js";
import type { Pipeline } from "../../../dist/engine/gpu/pipelines.js";
import type { Dispatch } from "../../../dist/engine/gpu/recording.js";
import { DispatchTimes } from "../../../dist/engine/gpu/slices.js";
import { fill } from "../../../dist/engine/ops/copy.js";
import { scale } from "../../../dist/engine/ops/elementwise.js";
import { matmulKernel } from "../../../dist/engine/ops/matmul.js";
import { copyStrided } from "../../../dist/engine/tensor/strided.js";
import { empty, fromArray, fromBuffer, zeros } from "../../../dist/engine/tensor/tensor.js";
import { adapterName, isSoftware } from "../../../dist/platform/adapter-info.js";
import { deviceOf, freshDevice } from "../../device.js";
import { test } from "../../harness.js";
import { build, pictures } from "../../tiny-captioner.js";

type Create = "createBuffer" | "createTexture" | "createQuerySet";

/** Watches what is made on a device and destroyed again, and under which labels. */
function watched(device: GPUDevice) {
  const alive = new Set<unknown>();
  const labels: string[] = [];
  let submits = 0;
  for (const name of ["createBuffer", "createTexture", "createQuerySet"] as Create[]) {
    const create = device[name].bind(device) as (descriptor: never) => GPUBuffer;
    Object.defineProperty(device, name, {
      configurable: true,
      value: (descriptor: never) => {
        const made = create(descriptor);
        alive.add(made);
        const destroy = made.destroy.bind(made);
        Object.defineProperty(made, "destroy", {
          configurable: true,
          value: () => {
            alive.delete(made);
            destroy();
          },
        });
        return made;
      },
    });
  }
  for (const name of [
    "createBuffer",
    "createTexture",
    "createShaderModule",
    "createBindGroupLayout",
    "createPipelineLayout",
    "createBindGroup",
    "createComputePipelineAsync",
    "createCommandEncoder",
  ] as const) {
    const create = device[name].bind(device) as (descriptor?: GPUObjectDescriptorBase) => unknown;
    Object.defineProperty(device, name, {
      configurable: true,
      value: (descriptor?: GPUObjectDescriptorBase) => {
        labels.push(`${name} ${descriptor?.label}`);
        return create(descriptor);
      },
    });
  }
  const { queue } = device;
  const submit = queue.submit.bind(queue);
  Object.defineProperty(queue, "submit", {
    configurable: true,
    value: (buffers: GPUCommandBuffer[]) => {
      submits++;
      submit(buffers);
    },
  });
  return { alive, labels, submits: () => submits };
}

test("dispose gives every byte back, whatever is still held, and all objects are labelled", async (t) => {
  const device = await freshDevice();
  const watch = watched(device);
  const gpu = Gpu.from(device);
  const captioner = build(gpu);
  const picture = { width: 16, height: 16, data: pictures(1) };
  await captioner.caption(picture);
  for await (const _ of captioner.denoise(picture, { attention: true })) break;
  const held = fromArray(gpu, [1, 2, 3], [3]);
  const { work, result } = gpu.capture(() => scale(held, 2));
  work.run();
  const { work: gone, result: lingering } = gpu.capture(() => scale(held, 3));
  gone.run();
  gone.dispose();
  t.near(await lingering.read(), [3, 6, 9], {}, "a result outlives its work");
  const reading = result.read();
  await gpu.idle();
  await reading;
  t.ok(watch.alive.size > 20, `${watch.alive.size} buffers are there`);
  const unlabelled = watch.labels.filter((label) => !/^\w+ mcd/.test(label));
  t.same(unlabelled, [], "every label begins with mcd");
  gpu.dispose();
  t.equal(watch.alive.size, 0, "none is left");
  gpu.dispose();
  const again = Gpu.from(device);
  t.near(await scale(fromArray(again, [2], [1]), 5).read(), [10], {}, "the device goes on");
  again.dispose();
  t.equal(watch.alive.size, 0, "again none is left");
  device.destroy();
});

for (const name of ["lavapipe", "swiftshader"]) {
  test(`a bare device of ${name} gets the kernels for software adapters`, async (t) => {
    const device = await deviceOf(name);
    if (!device) return t.comment(`there is no ${name}`);
    const told = Gpu.from(device, { software: true });
    const other = Gpu.from(device, { software: false });
    const itself = Gpu.from(device);
    t.ok(itself.software, itself.description);
    t.ok(itself.description.toLowerCase().includes(name === "lavapipe" ? "llvmpipe" : name), "by its name");
    t.equal(itself.tuning.adapter, told.tuning.adapter, itself.tuning.adapter);
    t.equal(matmulKernel(itself), matmulKernel(told), matmulKernel(told));
    // Without subgroups both get the portable kernel.
    if (itself.certainLanes >= 4)
      t.ok(matmulKernel(itself) !== matmulKernel(other), `a real GPU would get ${matmulKernel(other)}`);
    for (const gpu of [told, other, itself]) gpu.dispose();
    device.destroy();
  });
}

test("what an adapter says of itself", (t) => {
  const info = (given: Partial<GPUAdapterInfo>) =>
    ({ vendor: "", architecture: "", device: "", description: "", ...given }) as GPUAdapterInfo;
  for (const given of [
    { isFallbackAdapter: true },
    { description: "llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)" },
    { vendor: "google", architecture: "swiftshader" },
    { description: "Microsoft Basic Render Driver" },
  ])
    t.ok(isSoftware(info(given)), `${JSON.stringify(given)} computes on the CPU`);
  const real = { vendor: "nvidia", architecture: "ampere", isFallbackAdapter: false };
  t.ok(!isSoftware(info(real)), "a real GPU does not");
  t.equal(adapterName(info(real)), "nvidia ampere", "it is called by what it tells");
  t.equal(adapterName(info({})), "unnamed adapter", "or not at all");
});

test("results of captured work that is gone are freed with the last tensor", async (t) => {
  const device = await freshDevice();
  const watch = watched(device);
  const gpu = Gpu.from(device);
  const x = fromArray(gpu, [1, 2], [2]);
  const before = watch.alive.size;
  const { work, result } = gpu.capture(() => scale(scale(x, 2), 2));
  work.run();
  work.dispose();
  t.equal(watch.alive.size - before, 1, "the result alone is left");
  result.dispose();
  t.equal(watch.alive.size, before, "until it is disposed of");
  await gpu.idle();
  gpu.dispose();
  device.destroy();
});

test("captured work is recorded into the caller's commands, and only the caller submits", async (t) => {
  const device = await freshDevice();
  const watch = watched(device);
  const gpu = Gpu.from(device);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const [input, copy] = [device.createBuffer({ size: 16, usage }), device.createBuffer({ size: 16, usage })];
  const x = fromBuffer(gpu, input, [3]);
  const { work, result } = gpu.capture(() => scale(x, 10, 1));
  await work.ready();
  const submits = watch.submits();
  for (const values of [
    [1, 2, 3],
    [4, 5, 6],
  ]) {
    const staged = device.createBuffer({ size: 12, usage, mappedAtCreation: true });
    new Float32Array(staged.getMappedRange()).set(values);
    staged.unmap();
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(staged, 0, input, 0, 12);
    work.encode(encoder);
    const { buffer, offset, size } = result.buffer;
    encoder.copyBufferToBuffer(buffer, offset, copy, 0, size);
    device.queue.submit([encoder.finish()]);
    const expected = values.map((value) => 10 * value + 1);
    t.near(await fromBuffer(gpu, copy, [3]).read(), expected, {}, `between the caller's copies: ${expected}`);
    staged.destroy();
  }
  // Two of the caller's, two for the read-backs.
  t.equal(watch.submits() - submits, 4, "the work itself was never submitted by the engine");
  await t.throwsMessage(
    () => fromBuffer(gpu, copy, [5]),
    /\[5\] takes 32 bytes, the buffer has 16/,
    "too large",
  );
  work.dispose();
  await t.throwsMessage(() => work.encode(device.createCommandEncoder()), /was disposed/, "after its end");
  gpu.dispose();
  t.ok(watch.alive.has(input) && watch.alive.has(copy), "the caller's buffers are the caller's");
  device.destroy();
});

test("encode brings earlier work before the caller's", async (t) => {
  const device = await freshDevice();
  const gpu = Gpu.from(device);
  const x = zeros(gpu, [4]);
  const { work, result } = gpu.capture(() => scale(x, 2));
  fill(x, 3);
  const encoder = device.createCommandEncoder();
  work.encode(encoder);
  device.queue.submit([encoder.finish()]);
  t.near(await result.read(), [6, 6, 6, 6], {}, "also when no pipeline was ready");
  work.dispose();
  gpu.dispose();
  device.destroy();
});

test("errors and loss of the device are events", async (t) => {
  const device = await freshDevice();
  const gpu = Gpu.from(device);
  const errors: GpuError[] = [];
  const lost: DeviceLostError[] = [];
  const end = gpu.on("error", (error) => errors.push(error));
  gpu.on("lost", (error) => lost.push(error));
  type None = Record<never, never>;
  const broken = kernel<None, None, None, None>(
    "@compute @workgroup_size(1)\nfn main() { let x: u32 = 1.5; }\n",
    {
      name: "broken.main",
      file: "shaders/broken.wgsl",
      entryPoint: "main",
      bindings: [],
      uniform: null,
      workgroupSize: [1, 1, 1],
      tunables: {},
      variants: {},
    },
  );
  gpu.run(broken, {}, {}, { groups: [1] });
  await gpu.idle().catch(() => {});
  t.ok(errors.length === 1 && errors[0] instanceof GpuValidationError, String(errors));
  t.ok(/kernel broken\.main: shaders\/broken\.wgsl:2/.test(String(errors[0])), "with the kernel");

  const page: string[] = [];
  device.addEventListener("uncapturederror", (event) => {
    if (event.error.message.includes("page")) page.push(event.error.message);
    event.preventDefault();
  });
  const wrong = { size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE };
  device.pushErrorScope("validation");
  device.createBuffer({ ...wrong, label: "told" });
  const isDawn = (await device.popErrorScope())?.message.includes("told");
  for (const label of ["page's own", "mcd weights"]) {
    if (isDawn) device.createBuffer({ ...wrong, label });
    else {
      // wgpu does not name what it refuses to create, but it does name a destroyed buffer of submitted work.
      const buffer = device.createBuffer({ label, size: 16, usage: GPUBufferUsage.COPY_DST });
      const encoder = device.createCommandEncoder();
      encoder.clearBuffer(buffer);
      const commands = encoder.finish();
      buffer.destroy();
      device.queue.submit([commands]);
    }
  }
  await device.queue.onSubmittedWorkDone();
  // The device tells of it whenever it likes.
  for (let i = 0; i < 100 && errors.length < 2; i++) await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(errors.length, 2, "one more: that of an object of the engine");
  t.ok(/mcd weights/.test(String(errors[1])), String(errors[1]));
  t.equal(page.length, 1, "the page's is the page's");
  await gpu.idle().catch(() => {});
  end();
  gpu.run(broken, {}, {}, { groups: [1] });
  await gpu.idle().catch(() => {});
  t.equal(errors.length, 2, "no more after the end");

  device.destroy();
  await device.lost;
  await new Promise((resolve) => setTimeout(resolve, 0));
  t.ok(lost.length === 1 && lost[0] instanceof DeviceLostError, "lost");
  t.equal(errors.length, 2, "and no error came late");
});

test("work in slices: the same results in the same order, others get their turn", async (t) => {
  const device = await freshDevice();
  const watch = watched(device);
  const gpu = Gpu.from(device);
  const x = fromArray(gpu, [1, 2, 3], [3]);
  const total = zeros(gpu, [3]);
  await scale(x, 2).read();
  copyStrided(x, empty(gpu, [3]), { accumulate: false });
  await gpu.idle();
  const body = () => {
    for (let i = 0; i < 6; i++) copyStrided(scale(x, i), total, { accumulate: true });
  };
  const { work } = gpu.capture(body);
  await work.ready();
  gpu.sliceMilliseconds = 1e-6;
  const before = watch.submits();
  gpu.scope(body);
  gpu.flush();
  work.run();
  x.write([10, 20, 30]);
  t.equal(watch.submits() - before, 1, "one slice is with the device, the rest waits");
  let turns = 0;
  const turn = setInterval(() => turns++, 0);
  t.near(await total.read(), [30, 60, 90], {}, "both have run before the write");
  clearInterval(turn);
  t.ok(turns > 0, `the event loop had ${turns} turns`);
  // Twice 12 dispatches, and one read-back.
  t.equal(watch.submits() - before, 25, "a dispatch is the smallest slice");
  work.run();
  work.run();
  work.dispose();
  t.near(await total.read(), [330, 660, 990], {}, "disposing of the work brings it to its end first");
  gpu.sliceMilliseconds = 1000;
  const whole = watch.submits();
  gpu.sliced(1000, () => gpu.scope(body));
  t.equal(watch.submits() - whole, 1, "what is known to be short goes at once");
  await gpu.idle();
  gpu.dispose();
  device.destroy();
});

test("denoising in slices says the same", async (t, gpu) => {
  const captioner = build(gpu);
  const picture = { width: 16, height: 16, data: pictures(1) };
  const expected = await captioner.caption(picture);
  const submits = gpu.counters.submits;
  const plain = gpu.counters;
  t.same(await captioner.caption(picture, { slice: { milliseconds: 0.05 } }), expected, "the same caption");
  const sliced = gpu.counters.submits - submits;
  await captioner.caption(picture);
  t.ok(sliced > 2 * (gpu.counters.submits - submits - sliced), `in ${sliced} submissions`);
  t.equal(gpu.sliceMilliseconds, Number.POSITIVE_INFINITY, "other work is as it was");
  t.ok(plain.dispatches > 0, "dispatches were counted");
  await t.throwsMessage(captioner.caption(picture, { slice: { milliseconds: 0 } }), /slice of 0 ms/, "0 ms");
  captioner.dispose();
});

test("slices follow what dispatches took", (t) => {
  const dispatch = (id: number, groups = 1) =>
    ({ kind: "dispatch", pipeline: { id } as Pipeline, groups: [groups, 1, 1] }) as unknown as Dispatch;
  const times = new DispatchTimes();
  const commands = Array.from({ length: 40 }, (_, i) => dispatch(i % 2));
  t.equal(times.sliceEnd(commands, 0, 4), 1, "an unknown one goes alone");
  times.learn(commands.slice(0, 8), 16);
  t.equal(times.sliceEnd(commands, 8, 4), 10, "2 ms each: two in 4 ms");
  t.equal(times.sliceEnd(commands, 8, 1), 9, "one at least");
  t.equal(times.sliceEnd(commands, 38, 100), 40, "not beyond the end");
  for (let i = 0; i < 100; i++) times.learn(commands.slice(0, 4), 2);
  t.equal(times.sliceEnd(commands, 0, 4.1), 8, "estimates follow: half a millisecond each");
  const other = [...commands.slice(0, 2), dispatch(0, 9)];
  t.equal(times.sliceEnd(other, 0, 1.2), 2, "another grid is another dispatch, not yet known");
  t.equal(times.sliceEnd(other, 2, 1.2), 3, "which goes alone");
});
