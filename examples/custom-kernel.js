/** Your own WGSL as an op with a gradient: `node examples/custom-kernel.js`. */

import { readFile } from "node:fs/promises";
import { contiguous, empty, fromArray, Gpu, record } from "mc-diffusion/engine";
import { openNodeDevice } from "mc-diffusion/node";
import { checkGradients, wgsl } from "mc-diffusion/ops";

// A bundler imports the text instead: `import text from "./custom-kernel.wgsl"`.
const text = await readFile(new URL("custom-kernel.wgsl", import.meta.url), "utf8");
const { forward, backward } = wgsl(text, "custom-kernel.wgsl");

/**
 * y = x / (1 + |x|), element by element, of a tensor of any shape.
 * @param {import("mc-diffusion/engine").Tensor} input
 */
function softsign(input) {
  return input.gpu.scope(() => {
    const x = contiguous(input);
    const { gpu, shape, size } = x;
    const run = (kernel, bindings) => {
      const groups = gpu.groups1d(size, gpu.tunables(kernel).WORKGROUP);
      gpu.run(kernel, bindings, { count: size }, { groups });
    };
    const y = empty(gpu, shape, "f32", "softsign");
    run(forward, { x, y });
    return record("softsign", [x], y, (save) => {
      const saved = save(x);
      return (dy, grads) => {
        const dx = empty(gpu, shape, "f32", "softsign gradient");
        run(backward, { x: saved, dy, dx });
        grads.give(0, dx);
      };
    });
  });
}

const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);
const x = fromArray(gpu, [-3, -1, 0, 0.5, 4, 100], [2, 3]);
console.log(Array.from(await softsign(x).read(), (y) => y.toFixed(4)).join(" "));
const report = await checkGradients(softsign, [x]);
console.log(report.toString());
gpu.dispose();
