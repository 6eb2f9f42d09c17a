/** The scales and shifts of adaptive layer norms from features (shaders/norm/modulation.wgsl). */

import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";

/**
 * silu(h)·weight + bias for each of `layers` layers, in one dispatch: h [B, layers·C], a run of C features for each
 * layer; weight [layers, C, N], bias [layers, 1, N] → [layers, B, N]. N is a multiple of 4. Backward: two
 * dispatches. Designed for few rows; use `matmul` for products of many rows.
 */
export function modulation(h: Tensor, weight: Tensor, bias: Tensor): Tensor {
  checkTensors("modulation", "f32", h, weight, bias);
  const { gpu } = h;
  const [layers, channels, outputs] = weight.shape as [number, number, number];
  const batch = h.shape[0]!;
  const fits =
    weight.rank === 3 && h.rank === 2 && h.shape[1] === layers * channels && bias.size === layers * outputs;
  if (!fits || outputs % 4 !== 0) {
    throw new ShapeError(
      "modulation",
      `h [${h.shape.join(", ")}], weight [${weight.shape.join(", ")}] and bias [${bias.shape.join(", ")}] have to be [B, layers·C], [layers, C, N] and [layers, 1, N] with N a multiple of 4`,
    );
  }
  const params = { batch, layers, channels, outputs: outputs / 4, accumulate: 0, accumulate_bias: 0 };
  const y = empty(gpu, [layers, batch, outputs], "f32", "modulation");
  const { forward, backwardInput, backwardParameters } = kernels.modulation;
  const { WORKGROUP } = gpu.tunables(forward);
  gpu.run(forward, { h, weight, bias, y }, params, {
    groups: [Math.ceil(params.outputs / WORKGROUP), Math.ceil(batch / 4), layers],
  });
  return record("modulation", [h, weight, bias], y, (save) => {
    const [savedH, savedWeight] = [save(h), save(weight)];
    return (dy, grads) => {
      if (grads.needs(0)) {
        const { tensor: dh, accumulate } = grads.sink(0);
        const { WORKGROUP } = gpu.tunables(backwardInput);
        gpu.run(
          backwardInput,
          { h: savedH, weight: savedWeight, dy, dh },
          { ...params, accumulate: accumulate ? 1 : 0 },
          { groups: [Math.ceil(channels / WORKGROUP), Math.ceil(batch / 4), layers] },
        );
      }
      if (!grads.needs(1) && !grads.needs(2)) return;
      const dweight = grads.sinkOrUnused(1, weight.shape);
      const dbias = grads.sinkOrUnused(2, bias.shape);
      gpu.run(
        backwardParameters,
        { h: savedH, dy, dweight: dweight.tensor, dbias: dbias.tensor },
        {
          ...params,
          accumulate: dweight.accumulate ? 1 : 0,
          accumulate_bias: dbias.accumulate ? 1 : 0,
        },
        {
          groups: [Math.ceil(params.outputs / gpu.tunables(backwardParameters).WORKGROUP), channels, layers],
        },
      );
    };
  });
}
