/** The parameters of a module as named arrays, to and from a weights file. */

import { UserError } from "../../platform/errors.js";
import type { Parameter } from "../nn/module.js";
import { float16ToFloat32 } from "../tensor/float16.js";
import type { StoredTensor } from "./safetensors.js";

/** A module, or another object with named parameters. */
interface Parameters {
  parameters(): readonly Parameter[];
}

/** All parameters of `module` by name, with `prefix` in front. */
export async function readWeights(module: Parameters, prefix = ""): Promise<Map<string, StoredTensor>> {
  const weights = new Map<string, StoredTensor>();
  for (const { name, tensor } of module.parameters()) {
    const dtype = tensor.dtype === "f16" ? "F16" : "F32";
    weights.set(prefix + name, { dtype, shape: tensor.shape, data: await tensor.read() });
  }
  return weights;
}

/**
 * Sets all parameters of `module` from `weights` (a map, or the result of `mapWeights`). Throws a `UserError` that names file
 * and tensor if one does not fit or is not finite.
 */
export function loadWeights(
  module: Parameters,
  weights: Pick<ReadonlyMap<string, StoredTensor>, "get">,
  fileName: string,
  prefix = "",
): void {
  for (const { name, tensor } of module.parameters()) {
    const stored = weights.get(prefix + name);
    const about = `${fileName}: ${prefix}${name}`;
    if (!stored) throw new UserError(`${about} is missing; the file is of another model`);
    if (stored.shape.join() !== tensor.shape.join()) {
      throw new UserError(
        `${about} is [${stored.shape.join(", ")}], this model's is [${tensor.shape.join(", ")}]`,
      );
    }
    const { data } = stored;
    const numbers = data instanceof Uint16Array ? float16ToFloat32(data) : data;
    if (!(numbers instanceof Float32Array)) {
      throw new UserError(`${about} is ${stored.dtype}, a model's weights are F32 or F16`);
    }
    // Use a plain loop: a callback per element would dominate the run time.
    for (let i = 0; i < numbers.length; i++) {
      if (Number.isFinite(numbers[i])) continue;
      throw new UserError(`${about} holds ${numbers[i]} at element ${i}; weights must be finite numbers`);
    }
    tensor.label = name;
    if (data instanceof Uint16Array && tensor.dtype === "f16") tensor.writeHalves(data);
    else tensor.write(numbers);
  }
}
