/** What only the first caption on a device costs: compilers. Started while the weights are on their way, and counted for the status line. */

import type { Captioner } from "../../dist/index.js";
import { encode, reported, withCodes } from "./encoded.js";

/** Counts kernels that a device compiles. Drivers that compile at the first run take their time after that. */
export class Compilation {
  private requested = 0;
  private compiled = 0;
  private readonly tell: (compiled: number, requested: number) => void;
  private readonly device: GPUDevice;
  private readonly create: GPUDevice["createComputePipelineAsync"];

  /** Calls `tell` at every change. */
  constructor(device: GPUDevice, tell: (compiled: number, requested: number) => void) {
    this.tell = tell;
    this.device = device;
    this.create = device.createComputePipelineAsync.bind(device);
    device.createComputePipelineAsync = (descriptor) => {
      const compiling = this.create(descriptor);
      this.count(1, 0);
      const settled = () => this.count(0, 1);
      compiling.then(settled, settled);
      return compiling;
    };
  }

  /** Counts no more from here on. */
  end(): void {
    this.device.createComputePipelineAsync = this.create;
  }

  private count(requested: number, compiled: number): void {
    this.requested += requested;
    this.compiled += compiled;
    this.tell(this.compiled, this.requested);
  }
}

/** Runs the kernels of a caption once, on a blank picture, whatever the weights are. */
export async function runOnce(captioner: Captioner): Promise<void> {
  const { imageSize } = captioner.config.data;
  const { ids } = await encode(captioner, { pixels: new ImageData(imageSize, imageSize) });
  await withCodes(captioner, ids, async (codes) => {
    for await (const _ of captioner.denoise(codes, { ...reported(captioner), steps: 1 }));
  });
}
