/** More functions of one tensor (shaders/elementwise/functions.wgsl). */

import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors } from "../tensor/arguments.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";

type Name = "rsqrt" | "sin" | "cos" | "sign" | "softplus" | "gelu" | "gelu_tanh" | "power";

function apply(OP: Name, label: string, x: Tensor, p = 0): Tensor {
  checkTensors(label, "f32", x);
  const { gpu } = x;
  const y = empty(gpu, x.shape, "f32", label);
  const count = x.size;
  const { forward, backward } = kernels.functions;
  gpu.run(
    forward,
    { x, y },
    { count, accumulate: 0, p },
    {
      groups: gpu.groups1d(count, gpu.tunables(forward).WORKGROUP),
      variant: { OP },
    },
  );
  return record(label, [x], y, (save) => {
    const saved = save(x);
    return (dy, grads) => {
      const { tensor, accumulate } = grads.sink(0);
      gpu.run(
        backward,
        { x: saved, dy, y: tensor },
        { count, accumulate: accumulate ? 1 : 0, p },
        {
          groups: gpu.groups1d(count, gpu.tunables(backward).WORKGROUP),
          variant: { OP },
        },
      );
    };
  });
}

/** 1 / √x */
export const rsqrt = (x: Tensor): Tensor => apply("rsqrt", "rsqrt", x);
/** Sine of x in radians, within 10⁻⁶ for |x| ≤ 10⁴; the error grows with |x| beyond. */
export const sin = (x: Tensor): Tensor => apply("sin", "sin", x);
/** Cosine of x in radians; errors as for `sin`. */
export const cos = (x: Tensor): Tensor => apply("cos", "cos", x);
/** −1, 0 or 1; NaN for NaN. The derivative is 0. */
export const sign = (x: Tensor): Tensor => apply("sign", "sign", x);
/** log(1 + eˣ), stable. */
export const softplus = (x: Tensor): Tensor => apply("softplus", "softplus", x);
/** x·Φ(x), Φ the standard normal distribution function (Hendrycks & Gimpel 2016), exact to float32. */
export const gelu = (x: Tensor): Tensor => apply("gelu", "gelu", x);
/** x·½(1 + tanh(√(2/π)(x + 0.044715 x³))), the approximation of `gelu` that GPT-2 and BERT use. */
export const geluTanh = (x: Tensor): Tensor => apply("gelu_tanh", "geluTanh", x);
/** x to the power of a constant; `pow` takes tensors as well. */
export const power = (x: Tensor, exponent: number): Tensor => apply("power", "pow", x, exponent);
