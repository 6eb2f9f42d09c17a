/** Phase `adapter`: what the device is, what it may do, and whether a buffer comes back as it was written. */

import { fromArray } from "../../dist/engine/index.js";
import { unorderedSubgroups } from "../../dist/platform/adapter-info.js";
import type { RunPhase } from "./phase.js";

/** Limits that the engine's kernels meet. */
const shown = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
  "minStorageBufferOffsetAlignment",
  "maxUniformBufferBindingSize",
] as const;

export const adapter: RunPhase = async (context) => {
  context.progress(0, "opening the device");
  const gpu = await context.gpu();
  const { device } = gpu;
  const { vendor, architecture, description, subgroupMinSize, subgroupMaxSize } = device.adapterInfo;
  const features = [...device.features].sort();
  const limits = Object.fromEntries(shown.map((name) => [name, device.limits[name]]));
  const values = Float32Array.from({ length: 1009 }, (_, i) => i / 7);
  const tensor = fromArray(gpu, values, [values.length]);
  const read = await tensor.read();
  tensor.dispose();
  const differing = values.filter((value, i) => value !== read[i]).length;
  const inOrder = !unorderedSubgroups.has(device);
  return {
    problems:
      differing > 0 ? [`${differing} of ${values.length} numbers came back from a buffer changed.`] : [],
    cut: [],
    facts: {
      Adapter: gpu.description,
      "Computes on": gpu.software ? "the CPU" : "a GPU",
      Vendor: [vendor, architecture].filter(Boolean).join(" ") || "not told",
      Features: features.join(", ") || "none",
      Subgroups: gpu.has("subgroups")
        ? `${subgroupMinSize} to ${subgroupMaxSize} lanes, ${inOrder ? "in the order that kernels need" : "in another order than kernels need: only portable kernels run"}`
        : "none",
      "Teams of lanes": gpu.teamLanes === 0 ? "none: portable kernels" : `${gpu.teamLanes} lanes`,
      Tuning: gpu.tuning.adapter,
    },
    tables: [
      {
        title: "Limits",
        columns: ["limit", "value"],
        rows: shown.map((name) => [name, String(device.limits[name])]),
      },
    ],
    data: {
      description,
      vendor,
      architecture,
      subgroupMinSize,
      subgroupMaxSize,
      inOrder,
      software: gpu.software,
      features,
      limits,
    },
  };
};
