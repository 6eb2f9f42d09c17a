/** How long a run will take: its arithmetic, over the speed measured on this adapter. */

import type { Captioner } from "../captioner/captioner.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { matmul } from "../engine/ops/matmul.js";
import { noGrad } from "../engine/tensor/tape.js";
import { zeros } from "../engine/tensor/tensor.js";

/** A training pass is one forward and two backward products for each weight. */
const passes = 3;
/** The share of a large product's speed that a whole step reaches; measured on lavapipe. */
const stepEfficiency = 0.5;

/** Multiply-adds of one picture forward through the VQ-VAE's convolutions. */
function vqvaeMultiplyAdds(captioner: Captioner): number {
  const { channels, downsample, resBlocks, imageSize, codes, codeDim } = captioner.vqvae.shape;
  let sum = 0;
  let inputs = 4;
  let side = imageSize;
  let width = channels;
  for (let level = 0; level < downsample; level++) {
    side /= 2;
    width = channels * 2 ** level;
    sum += 2 * 16 * inputs * width * side * side; // encoder and decoder
    inputs = width;
  }
  const block = (9 + 1) * width * (width / 2) * side * side;
  return sum + 2 * resBlocks * block + (codes + 2 * width) * codeDim * side * side;
}

/** Multiply-adds of one caption forward through the decoder, its share of the work on the picture included. */
function decoderMultiplyAdds(captioner: Captioner): number {
  const { dim, blocks, length, side, mlpRatio, vocabulary, conditionBlocks, summaryTokens } =
    captioner.decoder.shape;
  const positions = side * side + summaryTokens;
  const perToken = (3 + 1 + 1 + 1 + 2 * mlpRatio) * dim * dim + 2 * dim * (length + positions);
  const perPosition =
    blocks * 2 * dim * dim + conditionBlocks * ((3 + 1 + 2 * mlpRatio) * dim * dim + 2 * dim * positions);
  const shared = (positions * perPosition) / captioner.config.decoder.captionsPerImage;
  return blocks * length * perToken + shared + length * dim * vocabulary;
}

/** Floating-point operations a second of a 512×512 product here, the best of a few. */
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

/** Seconds that the steps of each stage should take. */
export async function estimateSeconds(captioner: Captioner): Promise<{ vqvae: number; decoder: number }> {
  const { vqvae, decoder } = captioner.config;
  const speed = (await measureSpeed(captioner.gpu)) * stepEfficiency;
  const seconds = (multiplyAdds: number, { steps, batch }: { steps: number; batch: number }) =>
    (2 * passes * multiplyAdds * steps * batch) / speed;
  return {
    vqvae: seconds(vqvaeMultiplyAdds(captioner), vqvae),
    decoder: seconds(decoderMultiplyAdds(captioner), decoder),
  };
}
