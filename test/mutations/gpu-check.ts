/** Deliberate mistakes that the check of a GPU has to find, and some in the check itself. */

import type { Mutation } from "./mutation.js";

export const gpuCheck: readonly Mutation[] = [
  {
    name: "gpu-check: a wrong kernel turns its phase red",
    file: "shaders/softmax/softmax.wgsl",
    find: "values.w = input[base + c + 3u * LANES];",
    replace: "values.w = values.x;",
    tests: ["gpu-check/command.test.ts # kernels of one file"],
  },
  {
    name: "gpu-check: races are compared with the last result, not with the first",
    file: "test/gpu-check/race-check.ts",
    find: "if (i === 0) gpu.copyBuffer(storage, 0, first, 0, storage.bytes);\n            else this.#compare(first, storage, differs, i);",
    replace:
      "if (i > 0) this.#compare(first, storage, differs, i);\n            gpu.copyBuffer(storage, 0, first, 0, storage.bytes);",
    tests: ["gpu-check/check.test.ts # a kernel whose result changes"],
  },
  {
    name: "gpu-check: the phases after a dead one are left out",
    file: "test/gpu-check/schedule.ts",
    find: 'results[0]?.verdict === "failed"',
    replace: 'results.at(-1)?.verdict === "failed"',
    tests: ["gpu-check/check.test.ts # a phase that fails or dies"],
  },
];
