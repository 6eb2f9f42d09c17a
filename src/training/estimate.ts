/** Estimates the duration of a run from its arithmetic and the speed measured on this adapter. */

import type { Captioner } from "../captioner/captioner.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { matmul } from "../engine/ops/matmul.js";
import { noGrad } from "../engine/tensor/tape.js";
import { zeros } from "../engine/tensor/tensor.js";

/** A training pass costs one forward and two backward products per weight. */
const passes = 3;
/** The share of a large product's speed that a whole step reaches; measured on lavapipe. */
const stepEfficiency = 0.5;

/** Measures floating-point operations per second of a 512×512 product on this adapter, the best of several runs. */
async function measureSpeed(gpu: Gpu): Promise<number> {
  const size = 512;
  const [a, b] = [zeros(gpu, [size, size]).keep(), zeros(gpu, [size, size]).keep()];
  let best = 0;
  for (let i = 0; i < 4; i++) {
    const began = performance.now();
    const c = gpu.scope(() => noGrad(() => matmul(a, b)));
    await gpu.idle();
    c.dispose();
    best = Math.max(best, (2 * size ** 3) / ((performance.now() - began) / 1000));
  }
  a.dispose();
  b.dispose();
  return best;
}

/** Estimated seconds for the steps of each stage; null if a network does not report its arithmetic, 0 for a frozen one. */
export async function estimateSeconds(
  captioner: Captioner,
): Promise<{ vqvae: number | null; decoder: number | null }> {
  const { config, imageTokenizer, decoder } = captioner;
  const speed = (await measureSpeed(captioner.gpu)) * stepEfficiency;
  const seconds = (multiplyAdds: number | undefined, { steps, batch }: { steps: number; batch: number }) =>
    multiplyAdds === undefined ? null : (2 * passes * multiplyAdds * steps * batch) / speed;
  return {
    vqvae: captioner.trainsTokenizer ? seconds(imageTokenizer.multiplyAdds, config.vqvae) : 0,
    decoder: seconds(decoder.multiplyAdds?.(config.decoder.captionsPerImage), config.decoder),
  };
}
