/** Opening a WebGPU device in a page or a worker. */
import { requestComputeDevice } from "./device.js";
import { UserError } from "./errors.js";

export interface BrowserDevice {
  device: GPUDevice;
  adapter: GPUAdapter;
  /** For people: as much as the browser tells of the adapter. */
  description: string;
  /** True when the "GPU" is the CPU. */
  software: boolean;
}

/**
 * Opens the browser's WebGPU device with all limits and optional features that it offers; the result also serves as the options of
 * `Gpu.from`. Throws a `UserError` that says what to do where there is none.
 */
export async function openBrowserDevice(): Promise<BrowserDevice> {
  // Types promise `gpu`; browsers do not.
  const gpu = navigator.gpu as GPU | undefined;
  if (gpu === undefined) {
    throw new UserError(
      isSecureContext
        ? "This browser has no WebGPU; Chrome and Edge have it from version 113 on, Safari from 26, Firefox from 141."
        : "WebGPU is for secure pages: open this one by https, or from localhost.",
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) {
    throw new UserError(
      "This browser has WebGPU but gives no adapter: its use of the GPU is switched off or blocked; in Chrome chrome://gpu tells why, and chrome://flags/#enable-unsafe-webgpu may allow it.",
    );
  }
  const device = await requestComputeDevice(adapter);
  const { vendor, architecture, device: product, description, isFallbackAdapter } = adapter.info;
  const title = description || [vendor, architecture, product].filter(Boolean).join(" ");
  return { device, adapter, description: title || "unnamed adapter", software: isFallbackAdapter };
}
