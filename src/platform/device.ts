/** Requests devices from WebGPU adapters, in the same way in Node and in browsers. */

import { unorderedSubgroups } from "./adapter-info.js";
import { UserError } from "./errors.js";

/** Limits relevant to compute kernels. Requested at the adapter's maximum: a larger limit costs nothing until it is used. */
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

/** Optional features, for speed or profiling. The engine runs without any. */
const FEATURES = ["timestamp-query", "shader-f16", "subgroups"] as const;

/** Deno asks a device's adapter for its limits and information, and panics once that was garbage-collected. */
const adapters = /* @__PURE__ */ new WeakMap<GPUDevice, GPUAdapter>();

/**
 * Requests a device with the adapter's maximum limits for compute kernels, and `timestamp-query`, `shader-f16` and
 * `subgroups` where the adapter has them. WGSL promises no order of invocations in subgroups: where it is not the usual one, the
 * engine runs no kernel with subgroups on the device.
 */
export async function requestComputeDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits: Record<string, number> = {};
  for (const name of LIMITS) {
    const value = adapter.limits[name];
    // Older browsers may not have a limit.
    if (value !== undefined) requiredLimits[name] = value;
  }
  const requiredFeatures = FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  adapters.set(device, adapter);
  if (device.features.has("subgroups")) {
    const { subgroupsInOrder } = await import("./subgroup-layout.js");
    if (!(await subgroupsInOrder(device))) unorderedSubgroups.add(device);
  }
  return device;
}

/**
 * Opens a new device with `navigator.gpu`. Throws a `UserError` where there is no WebGPU. In Node, use `openNodeDevice`
 * instead.
 */
export async function openDevice(): Promise<GPUDevice> {
  const gpu = typeof navigator === "undefined" ? undefined : navigator.gpu;
  if (!gpu) {
    throw new UserError(
      "WebGPU is not available here: it needs a browser that has it, and a page from HTTPS or localhost.",
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new UserError("This browser has WebGPU but offers no graphics adapter.");
  return requestComputeDevice(adapter);
}
