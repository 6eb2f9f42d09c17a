/** Runs tests of products through each of the kernels that `matmul` chooses among. */

import { Gpu } from "../../dist/gpu/gpu.js";
import * as kernels from "../../dist/gpu/kernels.generated.js";
import { matmulKernel } from "../../dist/ops/matmul.js";
import { type Check, test } from "../harness.js";

// The same tests through every kernel: a device that calls itself a real GPU, or has no subgroups, gets another one.
const situations = {
  subgroup: { software: true, lanes: undefined },
  registers: { software: true, lanes: 0 },
  workgroup: { software: false, lanes: undefined },
};
export function everyKernel(
  name: string,
  body: (t: Check, gpu: Gpu) => Promise<void>,
  options: { without?: keyof typeof situations } = {},
): void {
  for (const [kernel, { software, lanes }] of Object.entries(situations)) {
    if (kernel === options.without) continue;
    test(`${name} (${kernel} kernel)`, async (t, shared) => {
      // Small tiles: a software adapter takes many seconds to compile the large ones.
      const gpu = Gpu.from(shared.device, { software });
      gpu.tuning.set(kernels.matmul.product, { TILE: 32, DEPTH: 8 });
      if (lanes !== undefined) Object.defineProperty(gpu, "certainLanes", { value: lanes });
      if (matmulKernel(gpu) !== kernel) return t.comment("this device has no subgroups of eight lanes");
      await body(t, gpu);
      await gpu.idle();
    });
  }
}
