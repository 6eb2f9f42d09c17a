/** Every function of the ops, those that only other ops use included, and those of the models. */

export * from "../../../dist/captioner/picture-tensor.js";
export * from "../../../dist/captioner/token-report.js";
export { qSample, samplePrior, sampleTimesteps } from "../../../dist/diffusion/forward.js";
export { mixBranches } from "../../../dist/diffusion/guidance.js";
export { headKlLoss, klLoss, klRows } from "../../../dist/diffusion/loss.js";
export { maskCondition } from "../../../dist/diffusion/masking.js";
export { checkSteps, posteriorLogProbs } from "../../../dist/diffusion/posterior.js";
export { fixWords, pSample } from "../../../dist/diffusion/sample-step.js";
export { posteriorDense } from "../../../dist/diffusion/transition-matrix.js";
export * from "../../../dist/engine/ops/attention.js";
export * from "../../../dist/engine/ops/conv-transpose2d.js";
export * from "../../../dist/engine/ops/conv2d.js";
export * from "../../../dist/engine/ops/copy.js";
export * from "../../../dist/engine/ops/cross-entropy.js";
export * from "../../../dist/engine/ops/dropout.js";
export * from "../../../dist/engine/ops/elementwise.js";
export * from "../../../dist/engine/ops/embedding.js";
export * from "../../../dist/engine/ops/group-norm.js";
export * from "../../../dist/engine/ops/head-loss.js";
export * from "../../../dist/engine/ops/layer-norm.js";
export * from "../../../dist/engine/ops/matmul.js";
export * from "../../../dist/engine/ops/modulation.js";
export * from "../../../dist/engine/ops/reduce.js";
export * from "../../../dist/engine/ops/rng.js";
export * from "../../../dist/engine/ops/softmax.js";
export * from "../../../dist/engine/ops/upsample.js";
export * from "../../../dist/models/vqvae/codebook.js";
