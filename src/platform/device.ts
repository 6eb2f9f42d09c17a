/** What the engine asks of a WebGPU adapter; the same in Node and in a browser. */

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
