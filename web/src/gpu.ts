/** Opens the GPU of the page or of a worker, and reopens it after a device loss. */

import { Gpu, openDevice, promptWaits, UserError } from "../../dist/index.js";

/** Opens a new device. Throws a `UserError` where there is no WebGPU. */
export async function openGpu(): Promise<Gpu> {
  const device = await openDevice().catch((error: unknown) => {
    if (error instanceof UserError) throw error;
    // A GPU process that restarts after it gave the adapter refuses the device; the next adapter is of the new process.
    return openDevice();
  });
  const rest = await promptWaits(device);
  return Gpu.from(device, rest ? { rest } : {});
}

/** Reopens the GPU after a loss. Retries, because a restarting GPU process provides no adapter at first. */
export async function reopenGpu(open: () => Promise<Gpu> = openGpu): Promise<Gpu> {
  for (let attempt = 1; attempt < 10; attempt++) {
    const gpu = await open().catch(() => null);
    if (gpu) return gpu;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return open();
}

/** Losses within a minute after which the device is reopened without asking. */
const patience = 3;

/** Counts GPU losses, so that a device that is lost repeatedly is not reopened without asking. */
export class Losses {
  private times: number[] = [];

  /** Counts a loss. Returns true while reopening the device is worth a try. */
  add(time: number): boolean {
    this.times = [...this.times.filter((before) => time - before < 60_000), time];
    return this.times.length <= patience;
  }

  /** Losses of the last minute. */
  get count(): number {
    return this.times.length;
  }
}

/** A sentence about a loss, without its end. `reason`: `GPUDeviceLostInfo.reason`. */
export const lossText = (reason: string): string =>
  `The browser lost the GPU (${reason === "destroyed" ? "it was closed" : "its driver or process was reset"})`;
