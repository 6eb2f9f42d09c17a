/** The GPU of the page or of a worker, and what happens when the browser loses it. */

import { Gpu, openDevice } from "../../dist/index.js";

/** Opens a device of its own. Throws a `UserError` where there is no WebGPU. */
export async function openGpu(): Promise<Gpu> {
  return Gpu.from(await openDevice());
}

/** Opens the GPU after it was lost: a GPU process that starts anew has no adapter to give for a moment. */
export async function reopenGpu(open: () => Promise<Gpu> = openGpu): Promise<Gpu> {
  for (let attempt = 1; attempt < 10; attempt++) {
    const gpu = await open().catch(() => null);
    if (gpu) return gpu;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return open();
}

/** Losses in a minute that are mended without asking. */
const patience = 3;

/** Counts how often the GPU was lost: a device that is lost all the time is not opened again without asking. */
export class Losses {
  private times: number[] = [];

  /** Counts one; true while mending it is worth a try. */
  add(time: number): boolean {
    this.times = [...this.times.filter((before) => time - before < 60_000), time];
    return this.times.length <= patience;
  }

  /** Of the last minute. */
  get count(): number {
    return this.times.length;
  }
}

/** What is said of a loss, without its end. `reason` as WebGPU tells it. */
export const lossText = (reason: string): string =>
  `The browser lost the GPU (${reason === "destroyed" ? "it was closed" : "its driver or process was reset"})`;
