/**
 * Node as the host of tests: tap takes what they find, Dawn gives their devices. `#test-host` is this file in Node and
 * `browser/host.ts` in a page; a test that imports it by its own name runs in Node only.
 */

import tap from "tap";
import { Gpu } from "../dist/engine/gpu/gpu.js";
import { poison } from "../dist/engine/gpu/poison.js";
import { UserError } from "../dist/platform/errors.js";
import { nodePlatform } from "../dist/platform/node.js";
import { openNodeDevice } from "../dist/platform/node-adapter.js";
import type { Platform } from "../dist/platform/platform.js";
import type { Assertions } from "./harness.js";

// Software adapters compile some kernels for seconds.
tap.setTimeout(600_000);

export const platform: Platform = nodePlatform;

/** Registers a test; the tests of a file run one after the other. */
export function declare(name: string, body: (t: Assertions) => Promise<void>): void {
  tap.test(name, body);
}

let opened: Promise<Gpu> | null = null;

/** The device that the tests of one process share. Fresh memory on it is NaN, unless `MCD_POISON=0`: see `gpu/poison.ts`. */
export function sharedGpu(): Promise<Gpu> {
  opened ??= open();
  return opened;
}

async function open(): Promise<Gpu> {
  const opened = await openNodeDevice();
  const gpu = Gpu.from(opened.device, opened);
  if (process.env.MCD_POISON !== "0") poison(gpu);
  return gpu;
}

/** A device of its own, for tests that lose or break it. */
export async function freshDevice(): Promise<GPUDevice> {
  return (await openNodeDevice()).device;
}

/** A device of a named adapter, or null where it is not installed. */
export async function deviceOf(adapter: string): Promise<GPUDevice | null> {
  try {
    return (await openNodeDevice({ adapter })).device;
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}

/** A device with the limits that every WebGPU device has, and no more; of a named adapter, or the usual one. */
export async function plainDevice(name?: string): Promise<GPUDevice> {
  const { adapter } = await openNodeDevice({ adapter: name });
  const prototype = Object.getPrototypeOf(adapter) as GPUAdapter;
  const request = prototype.requestDevice;
  prototype.requestDevice = function (this: GPUAdapter, descriptor) {
    return request.call(this, { ...descriptor, requiredLimits: {} });
  };
  try {
    return (await openNodeDevice({ adapter: name })).device;
  } finally {
    prototype.requestDevice = request;
  }
}
