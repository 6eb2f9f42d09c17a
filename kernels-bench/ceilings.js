/** What the adapter can do at most: multiply-adds in registers, and a copy. Measured as cases beside the others. */

import { empty, fromArray } from "../dist/engine/index.js";
import { at } from "./numbers.js";

/** @import { Case } from "./types.js" */

/**
 * @typedef {{ fma: string, copy: string }} Sources The WGSL of fma.wgsl and copy.wgsl; Node reads them, a page bundles them.
 */

const workgroup = 64;
const operationsPerRound = 2 * 96;

/**
 * A kernel of the bench's own in the form that `Gpu.run` takes.
 * @param {string} name
 * @param {string} source
 * @param {[string, "read" | "read_write"][]} bindings
 * @param {string} parameter
 */
function ownKernel(name, source, bindings, parameter) {
  return {
    source,
    spec: {
      name: `bench.${name}`,
      file: `${name}.wgsl`,
      entryPoint: "main",
      bindings: bindings.map(([binding, access], i) => ({
        name: binding,
        binding: i + 1,
        access,
        dtype: /** @type {const} */ ("f32"),
      })),
      uniform: {
        size: 16,
        members: [{ name: parameter, offset: 0, type: /** @type {const} */ ("u32"), width: 1 }],
      },
      workgroupSize: [workgroup],
      tunables: {},
      variants: {},
    },
  };
}

/** @type {(source: string) => Case<Record<"invocations" | "rounds", number>>} */
const fma = (source) => ({
  family: "ceiling",
  name: "FMA peak",
  // Enough workgroups for every core of a large GPU, and work enough that starting them does not count.
  size: { invocations: 64 * 1024, rounds: 16 },
  flops: ({ invocations, rounds }) => operationsPerRound * invocations * rounds,
  bytes: () => 0,
  tolerance: 1e-3,
  build(gpu, { invocations, rounds }) {
    const kernel = ownKernel(
      "fma",
      source,
      [
        ["factors", "read"],
        ["result", "read_write"],
      ],
      "rounds",
    );
    const factors = fromArray(gpu, [0.5, 0.5, 0.5, 0.5, 1, 2, 3, 4], [8]).keep();
    return {
      call() {
        const result = empty(gpu, [4 * invocations], "f32", "FMA result");
        gpu.run(kernel, { factors, result }, { rounds }, { groups: [invocations / workgroup] });
        return [result];
      },
      // a ← a/2 + y goes to 2 y, which many rounds reach to rounding.
      reference: () => [Float64Array.from({ length: 4 * invocations }, (_, i) => 12 * ((i % 4) + 1))],
      dispose: () => factors.dispose(),
    };
  },
});

/** @type {(source: string) => Case<{ bytes: number }>} */
const copy = (source) => ({
  family: "ceiling",
  name: "copy bandwidth",
  size: { bytes: 64 << 20 },
  flops: () => 0,
  bytes: ({ bytes }) => 2 * bytes,
  tolerance: 0,
  build(gpu, { bytes }, random) {
    const kernel = ownKernel(
      "copy",
      source,
      [
        ["source", "read"],
        ["copy", "read_write"],
      ],
      "count",
    );
    const values = random.floats(1024);
    const data = Float32Array.from({ length: bytes / 4 }, (_, i) => at(values, i % 1024));
    const from = fromArray(gpu, data, [bytes / 4], "f32", "copy source").keep();
    return {
      call() {
        const target = empty(gpu, [bytes / 4], "f32", "copy target");
        const count = bytes / 16;
        gpu.run(
          kernel,
          { source: from, copy: target },
          { count },
          { groups: gpu.groups1d(count, workgroup) },
        );
        return [target];
      },
      reference: () => [data],
      dispose: () => from.dispose(),
    };
  },
});

/**
 * Both ceilings; the first in GFLOP/s, the second in GB/s (bytes read plus bytes written).
 * @param {Sources} sources
 * @returns {[Case, Case]}
 */
export const ceilings = (sources) => [fma(sources.fma), copy(sources.copy)];
