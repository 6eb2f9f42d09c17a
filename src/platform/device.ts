/** What the engine asks of a WebGPU adapter; the same in Node and in a browser. */

import { UserError } from "./errors.js";

/** Limits that compute kernels run into. All that the adapter offers is asked for: a larger limit costs nothing until used. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxUniformBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxUniformBuffersPerShaderStage",
  "maxBindingsPerBindGroup",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const;

/** Features that make things faster or visible; the engine runs without any. */
const FEATURES = ["timestamp-query", "shader-f16", "subgroups"] as const;

/**
 * A device with everything that `adapter` offers to compute kernels: its limits, and `timestamp-query`,
 * `shader-f16` and `subgroups` where it has them.
 */
export function requestComputeDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits: Record<string, number> = {};
  for (const name of LIMITS) {
    const value = adapter.limits[name];
    // Browsers that lag behind the specification may not know a limit yet.
    if (value !== undefined) requiredLimits[name] = value;
  }
  const requiredFeatures = FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[];
  return adapter.requestDevice({ requiredFeatures, requiredLimits });
}

/**
 * A device of its own for a page, by `navigator.gpu`. Throws a `UserError` where there is no WebGPU; Node opens one
 * by `openNodeDevice`.
 */
export async function openDevice(): Promise<GPUDevice> {
  const gpu = typeof navigator === "undefined" ? undefined : navigator.gpu;
  if (!gpu) {
    throw new UserError(
      "WebGPU is not available here: it needs a browser with WebGPU enabled and a page served over HTTPS or from localhost.",
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new UserError("This browser has WebGPU but offers no graphics adapter to pages.");
  return requestComputeDevice(adapter);
}
