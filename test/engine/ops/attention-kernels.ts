import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { attentionBackward, attentionForward } from "../../../dist/engine/gpu/tuning/choices.js";
import { type Check, test } from "../../harness.js";
import { fourLanesGpu } from "./matmul-kernels.js";

/**
 * A test of all attention kernels: the one that this adapter takes by itself, the one without assumptions, and the one in
 * registers.
 */
export function testAll(name: string, body: (t: Check, gpu: Gpu) => Promise<void>): void {
  test(name, body);
  for (const KERNEL of ["portable", "registers"] as const) {
    test(`${name} (${KERNEL} kernel)`, async (t, gpu) => {
      const chosen = KERNEL === "registers" ? await fourLanesGpu(gpu) : Gpu.from(gpu.device);
      for (const choice of [attentionForward, attentionBackward]) chosen.tuning.set(choice, { KERNEL });
      await body(t, chosen);
      await chosen.idle();
    });
  }
}
