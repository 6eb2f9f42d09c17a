/** A device and its engine in one call. */

import { Gpu, type GpuOptions } from "../engine/gpu/gpu.js";
import { type NodeDeviceOptions, openNodeDevice } from "../platform/node-adapter.js";

/**
 * Opens the best WebGPU device of the machine (`openNodeDevice`) and an engine on it. The device is `gpu.device`; `gpu.dispose()`
 * leaves it to the process. Throws a `UserError` if there is no adapter or the npm package webgpu is missing.
 */
export async function openNodeGpu(options: NodeDeviceOptions & GpuOptions = {}): Promise<Gpu> {
  const { adapter, ...engine } = options;
  const opened = await openNodeDevice({ adapter });
  return Gpu.from(opened.device, { ...opened, ...engine });
}
