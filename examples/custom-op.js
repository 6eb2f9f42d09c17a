/** An op with a gradient of its own, made of ops that exist: `node examples/custom-op.js`. */

import { backward, fromArray, Gpu, mul, noGrad, record, relu, scale, square, sum } from "mc-diffusion/engine";
import { openNodeDevice } from "mc-diffusion/node";

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
const values = [-1.5, -0.1, 0.2, 1, 2.5];
const weights = fromArray(gpu, [1, 2, 3, 4, 5], [5]);
const lossAt = (numbers) =>
  gpu.scope(() => noGrad(() => sum(mul(squaredRelu(fromArray(gpu, numbers, [5])), weights)))).item();

const x = fromArray(gpu, values, [5]).requireGrad();
gpu.scope(() => backward(sum(mul(squaredRelu(x), weights))));
const gradient = await x.grad.read();

// Central differences.
const step = 1e-2;
for (const [i, value] of values.entries()) {
  const moved = (by) => values.map((x, j) => (i === j ? x + by : x));
  const difference = ((await lossAt(moved(step))) - (await lossAt(moved(-step)))) / (2 * step);
  console.log(`x ${value}: gradient ${gradient[i].toFixed(3)}, by differences ${difference.toFixed(3)}`);
}
gpu.dispose();
