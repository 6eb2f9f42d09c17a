/** The head and its loss at the paper's size, on Dawn's null backend: counted and validated, not computed. */

import { headKlLoss } from "../../dist/diffusion/loss.js";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { coefficients } from "../../dist/engine/gpu/structs.generated.js";
import { chunkRows } from "../../dist/engine/ops/head-loss.js";
import { backward } from "../../dist/engine/tensor/autograd.js";
import { empty } from "../../dist/engine/tensor/tensor.js";
import { test } from "../harness.js";
import { plainDevice } from "../host-node.js";

test("the paper's size passes all validation under the default limits", async (t) => {
  // Dawn's null backend computes nothing but checks every buffer and binding.
  const device = await plainDevice("null");
  const gpu = Gpu.from(device, { software: true });
  const [rows, width, channels] = [128 * 77, 49_408, 512];
  const leaf = (shape: number[]) => empty(gpu, shape).requireGrad();
  const head = { hidden: leaf([rows, channels]), weight: leaf([channels, width]), bias: leaf([width]) };
  const [x0, xt] = [empty(gpu, [rows], "u32"), empty(gpu, [rows], "u32")];
  const targets = {
    x0,
    xt,
    t: empty(gpu, [128], "u32"),
    coefficients: empty(gpu, [101, coefficients.words]),
  };
  const { work } = gpu.capture(() => gpu.scope(() => backward(headKlLoss(head, targets).loss)));
  work.run();
  await gpu.idle();
  const chunks = Math.ceil(rows / chunkRows(rows, channels, width, device.limits));
  t.equal(work.dispatches, 5 * chunks + 4, `${chunks} chunks`);
  const peak = work.memory.peakBytes;
  t.comment(`peak ${(peak / 2 ** 20).toFixed(0)} MiB besides parameters and hidden states`);
  // The gradients twice (their sums, and where they are wanted), and a chunk; a buffer may waste a fifth of itself.
  const gradients = 4 * (rows * channels + (channels + 1) * width);
  t.ok(peak < 1.2 * (2 * gradients + 2 ** 25), "of which nothing is as large as the logits");
  work.dispose();
  gpu.dispose();
  device.destroy();
});
