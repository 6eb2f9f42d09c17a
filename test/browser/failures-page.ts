/** A page without a working GPU, or that is about to lose it. */
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { matmul } from "../../dist/engine/ops/matmul.js";
import { fromArray, zeros } from "../../dist/engine/tensor/tensor.js";
import { browserPlatform } from "../../dist/platform/browser.js";
import { openDevice } from "../../dist/platform/device.js";

/** What was thrown, for the Node side to look at. */
export interface Thrown {
  type: string;
  message: string;
}

export interface PageFailures {
  /** Looks for a file that the server does not have, and reads it. */
  missingFile(): Promise<{ exists: boolean; read: Thrown | null }>;
  /** Opens a device; null if that works. */
  open(): Promise<Thrown | null>;
  /** Opens a device and asks for results of it, which it will not live to give. */
  start(): Promise<void>;
  /** What came of them, and of work asked for afterwards. */
  outcome(): Promise<{ pending: Thrown | null; later: Thrown | null }>;
  /** A sum on a new device. */
  recover(): Promise<number>;
}

async function thrown(action: () => Promise<unknown>): Promise<Thrown | null> {
  try {
    await action();
    return null;
  } catch (error) {
    return error instanceof Error
      ? { type: error.constructor.name, message: error.message }
      : { type: typeof error, message: String(error) };
  }
}

async function openGpu(): Promise<Gpu> {
  return Gpu.from(await openDevice());
}

let lost: { gpu: Gpu; pending: Promise<Thrown | null> } | null = null;

const failures: PageFailures = {
  async missingFile() {
    const { files } = browserPlatform;
    return { exists: await files.exists("/none"), read: await thrown(() => files.read("/none")) };
  },
  open: () => thrown(openGpu),
  async start() {
    const gpu = await openGpu();
    const a = zeros(gpu, [512, 512]);
    await a.read();
    // Work for many seconds, so that the device is lost in the middle of it.
    const product = gpu.scope(() => {
      let y = a;
      for (let i = 0; i < 200; i++) y = matmul(y, a);
      return y;
    });
    lost = { gpu, pending: thrown(() => product.read()) };
  },
  async outcome() {
    const { gpu, pending } = lost!;
    await gpu.device.lost;
    return { pending: await pending, later: await thrown(() => zeros(gpu, [1]).read()) };
  },
  async recover() {
    const gpu = await openGpu();
    const x = fromArray(gpu, [1, 2, 3], [1, 3]);
    const y = fromArray(gpu, [1, 1, 1], [3, 1]);
    return gpu.scope(() => matmul(x, y)).item();
  },
};
Object.assign(globalThis, { mcdFailures: failures });
