/** The parameters of a module as named arrays, to and from a weights file. */

import type { StoredTensor } from "../io/safetensors.js";
import { UserError } from "../platform/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Module } from "./module.js";

/**
 * All parameters of `module` by name under `prefix`. `averages` may hold other values for some of them (those that an
 * optimiser averaged), which are then taken instead.
 */
export async function readWeights(
  module: Module,
  prefix = "",
  averages: ReadonlyMap<string, Tensor> = new Map(),
): Promise<Map<string, StoredTensor>> {
  const weights = new Map<string, StoredTensor>();
  for (const { name, tensor } of module.parameters()) {
    const source = averages.get(name) ?? tensor;
    weights.set(prefix + name, { dtype: "F32", shape: tensor.shape, data: await source.read() });
  }
  return weights;
}

/** Sets all parameters of `module` from `weights`. Throws a `UserError` that names file and tensor if one does not fit. */
export function loadWeights(
  module: Module,
  weights: ReadonlyMap<string, StoredTensor>,
  fileName: string,
  prefix = "",
): void {
  for (const { name, tensor } of module.parameters()) {
    const stored = weights.get(prefix + name);
    if (!stored)
      throw new UserError(`${fileName} has no tensor ${prefix}${name}; it belongs to another model`);
    if (stored.shape.join() !== tensor.shape.join()) {
      throw new UserError(
        `${fileName}: ${prefix}${name} is [${stored.shape.join(", ")}], this model's is [${tensor.shape.join(", ")}]`,
      );
    }
    if (!(stored.data instanceof Float32Array)) {
      throw new UserError(
        `${fileName}: ${prefix}${name} is ${stored.dtype}, a model's weights are F32 or F16`,
      );
    }
    tensor.label = name;
    tensor.write(stored.data);
  }
}
