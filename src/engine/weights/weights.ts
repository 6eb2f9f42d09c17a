/** The parameters of a module as named arrays, to and from a weights file. */

import { UserError } from "../../platform/errors.js";
import type { Parameter } from "../nn/module.js";
import { float16ToFloat32 } from "../tensor/float16.js";
import type { StoredTensor } from "./safetensors.js";

/** A module, or whatever else has parameters by name. */
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

/** Sets all parameters of `module` from `weights`. Throws a `UserError` that names file and tensor if one does not fit or is not finite. */
export function loadWeights(
  module: Parameters,
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
    const bits = stored.dtype === "F16" && stored.data instanceof Uint16Array ? stored.data : null;
    if (!bits && !(stored.data instanceof Float32Array)) {
      throw new UserError(
        `${fileName}: ${prefix}${name} is ${stored.dtype}, a model's weights are F32 or F16`,
      );
    }
    const bad = bits
      ? firstNotFiniteHalf(bits)
      : (stored.data as Float32Array).findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) {
      const value = bits ? float16ToFloat32(bits.subarray(bad, bad + 1))[0] : stored.data[bad];
      throw new UserError(
        `${fileName}: ${prefix}${name} holds ${value} at element ${bad}; weights must be finite numbers`,
      );
    }
    tensor.label = name;
    if (!bits) tensor.write(stored.data as Float32Array);
    else if (tensor.dtype === "f16") tensor.writeHalves(bits);
    else tensor.write(float16ToFloat32(bits));
  }
}

/** Where the first infinity or NaN stands among float16 values given by their bits; -1 if there is none. */
function firstNotFiniteHalf(bits: Uint16Array): number {
  return bits.findIndex((half) => (half & 0x7c00) === 0x7c00);
}
