/** The memory plan of captured steps, and what is said when memory runs out. */
import { type Lifetime, leastBytes, shareBuffers } from "../../../dist/engine/gpu/capture-memory.js";
import { OutOfMemoryError } from "../../../dist/engine/gpu/errors.js";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { silu } from "../../../dist/engine/ops/elementwise.js";
import { linear } from "../../../dist/engine/ops/matmul.js";
import { mse } from "../../../dist/engine/ops/reduce.js";
import { backward, checkpoint, zeroGrad } from "../../../dist/engine/tensor/autograd.js";
import { copyStrided } from "../../../dist/engine/tensor/strided.js";
import { empty, fromArray, type Tensor, untracked, zeros } from "../../../dist/engine/tensor/tensor.js";
import { freshDevice } from "../../device.js";
import { randomArray, test } from "../../harness.js";

const life = (bytes: number, first: number, last: number): Lifetime => ({ bytes, first, last });
const total = (lifetimes: readonly Lifetime[]) =>
  shareBuffers(lifetimes).reduce((sum, { bytes }) => sum + bytes, 0);

test("buffers are shared by lifetime", (t) => {
  const chain = Array.from({ length: 10 }, (_, i) => life(100, i, i + 1));
  t.equal(leastBytes(chain), 200, "a chain of ten needs two at a time");
  t.equal(total(chain), 200, "and gets two buffers");
  const mixed = [life(100, 0, 2), life(40, 1, 3), life(70, 3, 5), life(30, 4, 6), life(10, 5, 5)];
  t.equal(leastBytes(mixed), 140, "the most that is in use at once, at time 1");
  t.equal(total(mixed), 150, "the larger ones choose first");
  const random = randomArray(5, 300);
  const many = Array.from({ length: 100 }, (_, i) => {
    const first = Math.floor(Math.abs(random[3 * i]!) * 50);
    return life(
      16 * Math.ceil(Math.abs(random[3 * i + 1]!) * 10),
      first,
      first + Math.floor(Math.abs(random[3 * i + 2]!) * 9),
    );
  });
  const buffers = shareBuffers(many);
  t.equal(
    buffers.reduce((sum, { users }) => sum + users.length, 0),
    many.length,
    "everything has a place",
  );
  for (const { bytes, users } of buffers) {
    const ordered = [...users].sort((a, b) => a.first - b.first);
    const apart = ordered.every((user, i) => i === 0 || user.first > ordered[i - 1]!.last);
    t.ok(
      apart && users.every((user) => user.bytes <= bytes),
      `${users.length} in ${bytes} bytes do not meet`,
    );
  }
});

test("results and what outlives the capture keep a buffer of their own", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2, 3], [3]);
  const { work, result } = gpu.capture(() => {
    const first = empty(gpu, [3], "f32", "first");
    copyStrided(x, first, { accumulate: false });
    for (let i = 0; i < 5; i++) {
      gpu.scope(() => {
        const next = empty(gpu, [3], "f32", "next");
        copyStrided(first, next, { accumulate: false });
        copyStrided(x, next, { accumulate: true });
      });
    }
    return first;
  });
  t.equal(work.memory.buffersCreated, 2, "the five temporary ones share one");
  t.equal(work.memory.peakBytes, 32, "of 16 bytes each");
  t.equal(work.memory.leastBytes, 32, "which is the least");
  work.run();
  t.near(await result.read(), [1, 2, 3], {}, "a result is not overwritten");
  work.dispose();
  t.near(await result.read(), [1, 2, 3], {}, "and stays after the work was given back");
  result.dispose();
  x.dispose();
});

test("a result that nothing reads after it was made is not overwritten by what comes later", async (t, gpu) => {
  const x = fromArray(gpu, [1, 2, 3], [3]);
  const { work, result } = gpu.capture(() => {
    const early = empty(gpu, [3], "f32", "early");
    copyStrided(x, early, { accumulate: false });
    gpu.scope(() => {
      const later = empty(gpu, [3], "f32", "later");
      copyStrided(x, later, { accumulate: false });
      copyStrided(x, later, { accumulate: true });
    });
    return early;
  });
  work.run();
  t.near(await result.read(), [1, 2, 3], {}, "the result");
  work.dispose();
  result.dispose();
  x.dispose();
});

test("activation checkpointing lowers the peak and changes no gradient", async (t, gpu) => {
  const [layers, rows, width] = [6, 65, 20];
  const weights = Array.from({ length: layers }, (_, i) =>
    fromArray(gpu, randomArray(i + 1, width * width, 0.3), [width, width]).requireGrad(),
  );
  const x = fromArray(gpu, randomArray(20, rows * width), [rows, width]);
  const target = zeros(gpu, [rows, width]);
  /** Two activations inside, of which a checkpoint keeps none. */
  const body = (weight: Tensor) => (input: Tensor) =>
    silu(linear(silu(input), weight, null, { activation: "gelu2" }));
  const step = async (checkpoints: boolean) => {
    for (const weight of weights) {
      weight.grad ??= untracked(gpu, weight.shape, "f32", "gradient");
      zeroGrad(weight);
    }
    const { work } = gpu.capture(() => {
      let y = x;
      for (const weight of weights) y = checkpoints ? checkpoint(body(weight), [y]) : body(weight)(y);
      backward(mse(y, target));
    });
    work.run();
    const gradients = await Promise.all(weights.map((weight) => weight.grad!.read()));
    const { memory, dispatches } = work;
    work.dispose();
    return { gradients, memory, dispatches };
  };
  const plain = await step(false);
  const checkpointed = await step(true);
  t.comment(`${plain.memory.peakBytes} bytes plain, ${checkpointed.memory.peakBytes} with checkpoints`);
  t.ok(checkpointed.memory.peakBytes < 0.6 * plain.memory.peakBytes, "less memory");
  t.ok(checkpointed.memory.leastBytes < 0.6 * plain.memory.leastBytes, "and not by a better plan alone");
  t.ok(checkpointed.dispatches > plain.dispatches, "for more work");
  for (const { memory } of [plain, checkpointed])
    t.ok(memory.peakBytes <= 1.1 * memory.leastBytes, `${memory.peakBytes} near ${memory.leastBytes}`);
  checkpointed.gradients.forEach((gradient, i) => {
    t.near(gradient, plain.gradients[i]!, { rel: 1e-6, abs: 1e-9 }, `gradient ${i}`);
    t.ok(
      gradient.some((value) => value !== 0),
      "not zero",
    );
  });
  for (const tensor of [...weights, x, target]) tensor.dispose();
  for (const { grad } of weights) grad!.dispose();
});

test("out of memory: the tensor, its size and the three largest labels", async (t) => {
  const device = await freshDevice();
  const gpu = Gpu.from(device, { budget: 110_000 });
  const take = () => {
    for (const [label, size] of [
      ["least", 100],
      ["small", 6000],
      ["large", 10_000],
      ["medium", 8000],
    ] as const)
      empty(gpu, [size], "f32", label);
    empty(gpu, [5000], "f32", "activations");
  };
  const refused =
    /^out of GPU memory: activations asked for 19\.5 KiB; the memory budget is 107\.4 KiB, of which \d/;
  for (const [name, action] of [
    ["outside", () => gpu.scope(take)],
    ["while work is captured", () => gpu.capture(take)],
  ] as const) {
    let error: unknown;
    try {
      action();
    } catch (caught) {
      error = caught;
    }
    t.ok(error instanceof OutOfMemoryError, `${name}: typed`);
    const { label, bytes, message } = error as OutOfMemoryError;
    t.same([label, bytes], ["activations", 20_000], "which tensor and how much it asked for");
    t.ok(refused.test(message) && /most is held by large .*, medium .*, small .*$/.test(message), message);
  }
  await gpu.idle();
  device.destroy();
});

test("out of memory that the device reports", async (t) => {
  const device = await freshDevice();
  const gpu = Gpu.from(device);
  empty(gpu, [1000], "f32", "weights");
  // As a device does that has no more: the buffer is there but invalid, and the error scope tells.
  const pop = device.popErrorScope;
  device.popErrorScope = () => {
    device.popErrorScope = pop;
    return pop.call(device).then(() => ({ message: "out of memory" }) as GPUError);
  };
  empty(gpu, [2000], "f32", "activations");
  await t.throwsMessage(
    gpu.idle(),
    /^out of GPU memory: activations asked for 7\.81 KiB; the device refused it; most is held by activations 8\.00 KiB, weights 4\.00 KiB, one 256 B$/,
    "told at the next wait",
  );
  device.destroy();
});
