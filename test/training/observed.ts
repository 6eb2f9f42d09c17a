/** Looks at what a network is given without changing it: copies of its inputs, taken on the GPU in the middle of the work. */

import type { Config } from "../../dist/config/config.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { type Tensor, untracked } from "../../dist/engine/tensor/tensor.js";
import type { Decoder } from "../../dist/models/mc-diffusion/decoder.js";
import type { VqVae } from "../../dist/models/vqvae/vqvae.js";

/** Copies all of `source` into `target`, which may be read after the work that this is part of, captured or not. */
function copy(gpu: Gpu, source: Tensor | Tensor<"u32">, target: Tensor | Tensor<"u32">): void {
  gpu.copyBuffer(source.storage, 4 * source.offset, target.storage, 4 * target.offset, 4 * source.size);
}

/** The inputs of one micro-batch: x_t [B, L], t [B], y [P, S], row by row. */
export interface DecoderInputs {
  xt: Uint32Array;
  t: Uint32Array;
  y: Uint32Array;
}

/** Call it before the first step. `read` gives what the last step fed to the network, a record for each micro-batch. */
export function observeDecoder(decoder: Decoder, config: Config["decoder"]) {
  const { gpu } = decoder;
  const { length, side } = decoder.shape;
  const captions = config.batch / config.microBatches;
  const kept = (shape: number[]) => untracked(gpu, shape, "u32", "observed");
  const parts = Array.from({ length: config.microBatches }, () => ({
    xt: kept([captions, length]),
    t: kept([captions]),
    y: kept([captions / config.captionsPerImage, side * side]),
  }));
  const { prepare, beforeHead } = decoder;
  let [conditions, calls] = [0, 0];
  decoder.prepare = (codes, options) => {
    copy(gpu, codes, parts[conditions++ % parts.length]!.y);
    return prepare.call(decoder, codes, options);
  };
  decoder.beforeHead = (xt, t, condition, call) => {
    const part = parts[calls++ % parts.length]!;
    copy(gpu, xt, part.xt);
    copy(gpu, t, part.t);
    return beforeHead.call(decoder, xt, t, condition, call);
  };
  return {
    async read(): Promise<DecoderInputs[]> {
      const inputs = [];
      for (const { xt, t, y } of parts)
        inputs.push({ xt: await xt.read(), t: await t.read(), y: await y.read() });
      return inputs;
    },
    dispose() {
      decoder.prepare = prepare;
      decoder.beforeHead = beforeHead;
      for (const { xt, t, y } of parts) for (const tensor of [xt, t, y]) tensor.dispose();
    },
  };
}

/** The same for the pictures [B, size, size, 3] of the VQ-VAE: those that start the codebook, those of the last step. */
export function observeVqvae(vqvae: VqVae, batch: number) {
  const { gpu } = vqvae;
  const { imageSize } = vqvae.shape;
  const kept = () => untracked(gpu, [batch, imageSize, imageSize, 3], "f32", "observed");
  const [start, step] = [kept(), kept()];
  const { startCodebook, loss } = vqvae;
  vqvae.startCodebook = (images, random) => {
    copy(gpu, images, start);
    startCodebook.call(vqvae, images, random);
  };
  vqvae.loss = (images, options) => {
    copy(gpu, images, step);
    return loss.call(vqvae, images, options);
  };
  return {
    start: () => start.read(),
    step: () => step.read(),
    dispose() {
      vqvae.startCodebook = startCodebook;
      vqvae.loss = loss;
      start.dispose();
      step.dispose();
    },
  };
}
