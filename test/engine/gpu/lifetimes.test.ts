/** What stays behind of engines, devices and work: counted, as clocks and the process's own memory depend on the machine. */

import t from "tap";
import { mostKeptGroups } from "../../../dist/engine/gpu/bind-groups.js";
import { DeviceLostError, type GpuError } from "../../../dist/engine/gpu/errors.js";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { scale } from "../../../dist/engine/ops/elementwise.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { openInstances, openNodeDevice } from "../../../dist/platform/node-adapter.js";
import { aliveOf } from "../../garbage.js";

t.setTimeout(600_000);

/** Some work with a read-back, of which nothing is held. */
async function work(gpu: Gpu): Promise<number> {
  const [x, y] = gpu.scope(() => {
    const x = fromArray(gpu, [1, 2], [2]);
    return [x, scale(x, 3)] as const;
  }) as [ReturnType<typeof scale>, ReturnType<typeof scale>];
  const [first] = await y.read();
  x.dispose();
  y.dispose();
  return first!;
}

/** Counts the listeners that are on a device now. */
function countListeners(device: GPUDevice): () => number {
  let count = 0;
  for (const [name, change] of [
    ["addEventListener", 1],
    ["removeEventListener", -1],
  ] as const) {
    const method = device[name].bind(device) as (...rest: unknown[]) => void;
    Object.defineProperty(device, name, {
      configurable: true,
      value: (...rest: unknown[]) => {
        count += change;
        method(...rest);
      },
    });
  }
  return () => count;
}

t.test("nothing of an engine stays behind on a device that lives on", async (t) => {
  const { device } = await openNodeDevice();
  const listeners = countListeners(device);
  const warnings: string[] = [];
  const onWarning = (warning: Error) => warnings.push(warning.message);
  process.on("warning", onWarning);
  const gone: WeakRef<Gpu>[] = [];
  const cycle = async () => {
    const gpu = Gpu.from(device);
    await work(gpu);
    gone.push(new WeakRef(gpu));
    gpu.dispose();
  };
  for (let i = 0; i < 30; i++) await cycle();
  t.equal(listeners(), 1, "30 have left one listener");
  // The machine may still hold what it did last.
  t.ok((await aliveOf(gone)) <= 1, `${await aliveOf(gone)} of 30 are still there`);

  const many = Array.from({ length: 25 }, () => Gpu.from(device));
  t.equal(listeners(), 1, "25 at once share it");
  for (const gpu of many) t.equal(await work(gpu), 3);
  const lost: GpuError[] = [];
  for (const gpu of many.slice(1)) gpu.on("lost", (error) => lost.push(error));
  many[0]!.dispose();
  device.destroy();
  await device.lost;
  await new Promise(setImmediate);
  t.equal(lost.length, 24, "each that is not disposed of is told that the device is lost");
  const late = Gpu.from(device);
  const told = new Promise((resolve) => late.on("lost", resolve));
  t.ok((await told) instanceof DeviceLostError, "and so is one that is made afterwards");
  for (const gpu of [...many, late]) gpu.dispose();
  t.equal(listeners(), 1, "one listener in the end");
  await new Promise(setImmediate);
  t.same(warnings, [], "nobody warns of too many listeners");
  process.off("warning", onWarning);
});

t.test("devices come and go on one instance of the driver", async (t) => {
  await openNodeDevice().then(({ device }) => device.destroy());
  const before = openInstances();
  const gone: WeakRef<object>[] = [];
  const cycle = async () => {
    const { device, adapter } = await openNodeDevice();
    const gpu = Gpu.from(device);
    await work(gpu);
    gpu.dispose();
    device.destroy();
    await device.lost;
    for (const object of [device, adapter, gpu]) gone.push(new WeakRef<object>(object));
  };
  for (let i = 0; i < 12; i++) await cycle();
  t.equal(openInstances(), before, "no further instance");
  const alive = await aliveOf(gone);
  t.ok(alive <= 3, `${alive} of ${gone.length} devices, adapters and engines are still there`);
});

t.test(
  "work that is done again finds its bind groups, in whatever order its buffers came back",
  async (t) => {
    const { device } = await openNodeDevice({ adapter: "null" });
    const gpu = Gpu.from(device);
    const cycle = (turn: number) => {
      const inputs = [1, 2, 3, 4].map((value) => fromArray(gpu, [value], [1]));
      const scaled = inputs.map((input) => scale(input, 2));
      const all = [...inputs, ...scaled];
      for (let i = 0; i < all.length; i++) all[(i * 3 + turn) % all.length]!.dispose();
    };
    cycle(0);
    await gpu.idle();
    const { bindGroups, buffers } = gpu.counters;
    for (let turn = 1; turn < 20; turn++) cycle(turn);
    await gpu.idle();
    t.equal(gpu.counters.bindGroups, bindGroups, "none is made anew");
    t.equal(gpu.counters.buffers, buffers, "nor is a buffer");
    gpu.dispose();
    device.destroy();
  },
);

t.test("bind groups that are kept are bounded", async (t) => {
  const { device } = await openNodeDevice({ adapter: "null" });
  const gpu = Gpu.from(device);
  const bytes = gpu.limits.minStorageBufferOffsetAlignment / 4;
  const rows = mostKeptGroups + 1000;
  const table = fromArray(gpu, new Float32Array(rows * bytes), [rows, bytes]);
  const row = (i: number) =>
    gpu.scope(() => {
      scale(table.slice(0, i, 1), 2);
    });
  let most = 0;
  for (let i = 0; i < rows; i++) {
    row(i);
    row(0);
    if (i % 500 === 0) {
      await gpu.idle();
      most = Math.max(most, gpu.counters.keptBindGroups);
    }
  }
  await gpu.idle();
  most = Math.max(most, gpu.counters.keptBindGroups);
  t.ok(most <= mostKeptGroups, `at most ${most} are kept of ${gpu.counters.bindGroups}`);
  t.ok(gpu.counters.bindGroups >= rows, `${gpu.counters.bindGroups} different ones were needed`);
  t.ok(gpu.counters.bindGroups < 1.1 * rows, "what is used again and again is made once");
  const { bindGroups } = gpu.counters;
  row(rows - 1);
  await gpu.idle();
  t.equal(gpu.counters.bindGroups, bindGroups, "and what was used a moment ago is still there");
  gpu.dispose();
  device.destroy();
});
