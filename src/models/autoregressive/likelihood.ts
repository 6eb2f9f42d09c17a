/** The exact −log p of captions under an autoregressive decoder. */

import { smoothedCrossEntropy } from "../../engine/ops/smoothed-cross-entropy.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { fromArray } from "../../engine/tensor/tensor.js";
import { UserError } from "../../platform/errors.js";
import type { AutoregressiveNetwork } from "./network.js";
import { teach } from "./teacher.js";

/**
 * −Σ_i log p(x_i | x_0 … x_{i-1}, y) of each caption [L] given its codes [S], in nats, up to and with its first [END]: what
 * follows it has probability 1. The condition is complete, without guidance.
 */
export async function captionNats(
  decoder: AutoregressiveNetwork,
  captions: readonly Uint32Array[],
  codes: readonly Uint32Array[],
  onBatch?: (done: number) => void,
): Promise<Float64Array> {
  const { gpu, shape, options } = decoder;
  const { length, side, vocabulary } = shape;
  const { picturesAtOnce: batchSize } = decoder;
  const nats = new Float64Array(captions.length);
  for (let first = 0; first < captions.length; first += batchSize) {
    const last = Math.min(captions.length, first + batchSize);
    const size = last - first;
    const rows = gpu.scope(() =>
      noGrad(() => {
        const tokens = fromArray(gpu, joined(captions.slice(first, last), length), [size, length], "u32");
        const y = fromArray(gpu, joined(codes.slice(first, last), side ** 2), [size, side ** 2], "u32");
        const { inputs, targets } = teach(tokens, { vocabulary, endId: options.endId });
        const logits = decoder.logits(inputs, decoder.prepare(y));
        return smoothedCrossEntropy(logits, targets, 0, { ignore: vocabulary }).rows;
      }),
    );
    const losses = await rows.read();
    rows.dispose();
    captions.slice(first, last).forEach((caption, i) => {
      const end = caption.indexOf(options.endId);
      const words = end < 0 ? length : end + 1;
      for (let place = 0; place < words; place++) nats[first + i]! += losses[i * length + place]!;
    });
    onBatch?.(last);
  }
  return nats;
}

function joined(rows: readonly Uint32Array[], width: number): Uint32Array {
  const all = new Uint32Array(rows.length * width);
  rows.forEach((row, i) => {
    if (row.length !== width) throw new UserError(`Row ${i} has ${row.length} ids instead of ${width}.`);
    all.set(row, i * width);
  });
  return all;
}
