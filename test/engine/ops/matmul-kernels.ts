/** Runs tests of products through each of the kernels that `matmul` chooses among. */

import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import * as kernels from "../../../dist/engine/gpu/kernels.generated.js";
import { matmulKernel } from "../../../dist/engine/ops/matmul.js";
import { deviceOf } from "../../device.js";
import { type Check, test } from "../../harness.js";

let fourLanes: Promise<GPUDevice | null> | null = null;

/**
 * A software device with subgroups of four lanes, which the kernels in registers are for: SwiftShader, since lavapipe compiles them
 * for seconds. Where that is not installed, or the adapter of the tests is SwiftShader, the device of the tests.
 */
export async function fourLanesGpu(shared: Gpu): Promise<Gpu> {
  fourLanes ??= shared.certainLanes === 4 ? Promise.resolve(null) : deviceOf("swiftshader");
  const gpu = Gpu.from((await fourLanes) ?? shared.device, { software: true });
  if (gpu.certainLanes > 4) Object.defineProperty(gpu, "certainLanes", { value: 4 });
  return gpu;
}

// The same tests through every kernel: a device that calls itself a real GPU, or has subgroups of four lanes, gets another one.
const situations = {
  subgroup: async ({ device }: Gpu) => Gpu.from(device, { software: true }),
  registers: fourLanesGpu,
  workgroup: async ({ device }: Gpu) => Gpu.from(device, { software: false }),
};
export function everyKernel(
  name: string,
  body: (t: Check, gpu: Gpu) => Promise<void>,
  options: { without?: keyof typeof situations } = {},
): void {
  for (const [kernel, open] of Object.entries(situations)) {
    if (kernel === options.without) continue;
    test(`${name} (${kernel} kernel)`, async (t, shared) => {
      const gpu = await open(shared);
      // Small tiles: a software adapter takes many seconds to compile the large ones.
      gpu.tuning.set(kernels.matmul.product, { TILE: 32, DEPTH: 8 });
      if (matmulKernel(gpu) !== kernel) return t.comment("this device has no subgroups of as many lanes");
      await body(t, gpu);
      await gpu.idle();
    });
  }
}
