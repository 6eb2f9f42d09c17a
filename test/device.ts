/** The device that the tests of one process share. */

import { create, globals } from "webgpu";
import { Gpu } from "../dist/gpu/gpu.js";

Object.assign(globalThis, globals);
// Dawn aborts the process when this object is collected.
const instance = create(["adapter=llvmpipe"]);

let opened: Promise<Gpu> | null = null;

export function sharedGpu(): Promise<Gpu> {
  opened ??= open();
  return opened;
}

async function open(): Promise<Gpu> {
  const adapter = (await instance.requestAdapter())!;
  const device = await adapter.requestDevice({ requiredFeatures: ["timestamp-query"] });
  return Gpu.from(device, { software: true });
}

/** A device of its own, for tests that lose or break it. */
export async function freshDevice(): Promise<GPUDevice> {
  const adapter = (await instance.requestAdapter())!;
  return adapter.requestDevice();
}
