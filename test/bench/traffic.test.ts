/** Bytes moved, counted on a device: of memory that was there before, and of what a capture itself allocates. */
import t from "tap";
import { add, fromArray, type Gpu, silu } from "../../dist/engine/index.js";
import { sharedGpu } from "../device.js";

const part = (name: string) => import(new URL(`../../kernels-bench/${name}.js`, import.meta.url).href);
const { captureTraffic } = await part("traffic");
const { chosen } = await part("cases");
const { randomSource } = await part("random");

/** Bytes of what `body` records. */
function moved(gpu: Gpu, body: () => unknown): number {
  const { work, bytes } = captureTraffic(gpu, () => gpu.scope(() => void body()));
  work.dispose();
  return bytes;
}

t.test("what a capture allocates is written only, and read by those after it", async (t) => {
  const gpu = await sharedGpu();
  const x = fromArray(gpu, new Float32Array(256), [256]);
  t.equal(
    moved(gpu, () => silu(x)),
    4 * 2 * 256,
  );
  t.equal(
    moved(gpu, () => add(silu(x), x)),
    4 * 5 * 256,
    "x; then its result and x again, which are read, and the sum",
  );
  x.dispose();
});

t.test("an optimiser reads the weights and moments that it changes", async (t) => {
  const gpu = await sharedGpu();
  for (const [entry] of [chosen("adamw", [64])]) {
    const problem = entry.build(gpu, entry.size, randomSource(1));
    const bytes = moved(gpu, () => problem.call());
    const least = entry.bytes(entry.size);
    t.ok(bytes >= least, `${bytes} bytes, no less than the ${least} that have to move`);
    t.ok(bytes < 1.5 * least, "and not much more");
    problem.dispose();
  }
});
