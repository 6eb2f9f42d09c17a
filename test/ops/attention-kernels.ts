import { Gpu } from "../../dist/gpu/gpu.js";
import { type Check, test } from "../harness.js";

/** A test of both attention kernels: the shuffling one of software adapters with subgroups, and the portable one. */
export function testBoth(name: string, body: (t: Check, gpu: Gpu) => Promise<void>): void {
  test(name, body);
  test(`${name} (portable kernel)`, async (t, gpu) => {
    const portable = Gpu.from(gpu.device, { software: false });
    await body(t, portable);
    await portable.idle();
  });
}
