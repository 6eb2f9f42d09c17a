/** An op with a gradient of its own, made of ops that exist: `node examples/custom-op.js`. */

import { backward, fromArray, Gpu, mul, noGrad, record, relu, scale, square, sum } from "mc-diffusion/engine";
import { openNodeDevice } from "mc-diffusion/node";
import { checkGradients } from "mc-diffusion/ops";

/**
 * y = relu(x)², the squared ReLU of Primer. dx = 2 relu(x) dy. Composed on the tape it would keep x and relu(x) for the
 * gradient; this op keeps relu(x) alone.
 */
function squaredRelu(x) {
  return x.gpu.scope(() => {
    const [rectified, y] = noGrad(() => {
      const rectified = relu(x);
      return [rectified, square(rectified)];
    });
    return record("squaredRelu", [x], y, (save) => {
      // Kept until the backward pass; a write to it in between is an error there.
      const saved = save(rectified);
      return (dy, grads) => grads.give(0, scale(mul(dy, saved), 2));
    });
  });
}

const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);
const x = fromArray(gpu, [-1.5, -0.1, 0.2, 1, 2.5], [5]).requireGrad();
const weights = fromArray(gpu, [1, 2, 3, 4, 5], [5]);
gpu.scope(() => backward(sum(mul(squaredRelu(x), weights))));
console.log(`gradient of Σ w·y: ${Array.from(await x.grad.read(), (g) => g.toFixed(3)).join(" ")}`);

// Beside finite differences of the forward pass.
const report = await checkGradients(squaredRelu, [fromArray(gpu, [-1.5, -0.1, 0.2, 1, 2.5], [5])]);
console.log(report.passed ? "gradients are right" : report.toString());
gpu.dispose();
