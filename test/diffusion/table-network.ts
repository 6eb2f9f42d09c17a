/** A network as a table: logits by step and by all tokens of the caption, for captions of a few positions. */

import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { kernel } from "../../dist/engine/gpu/kernel.js";
import { empty, fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import { randomArray } from "../random-array.js";

/** Random logits of captions of L tokens below M, [MASK] being M: as a network on the GPU and as numbers. */
export function tableNetwork(gpu: Gpu, tokens: number, length: number, steps: number, seed: number) {
  const states = (tokens + 1) ** length;
  const outputs = length * tokens;
  const values = Float32Array.from(randomArray(seed, (steps + 1) * states * outputs, 1.5));
  const table = fromArray(gpu, values, [values.length]).keep();
  const lookup = kernel<
    { xt: "u32"; t: "u32"; rows: "f32"; logits: "f32" },
    { count: number },
    Record<never, never>,
    Record<never, never>
  >(
    `struct Params { count: u32 }
    @group(0) @binding(0) var<uniform> params: Params;
    @group(0) @binding(1) var<storage, read> xt: array<u32>;
    @group(0) @binding(2) var<storage, read> t: array<u32>;
    @group(0) @binding(3) var<storage, read> rows: array<f32>;
    @group(0) @binding(4) var<storage, read_write> logits: array<f32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
      if (id.x >= params.count) { return; }
      var state = t[id.x];
      for (var i = 0u; i < ${length}u; i++) { state = state * ${tokens + 1}u + xt[${length}u * id.x + i]; }
      for (var i = 0u; i < ${outputs}u; i++) { logits[id.x * ${outputs}u + i] = rows[state * ${outputs}u + i]; }
    }`,
    {
      name: "test.table",
      file: "test/diffusion/table-network.ts",
      entryPoint: "main",
      bindings: [
        { name: "xt", binding: 1, access: "read", dtype: "u32" },
        { name: "t", binding: 2, access: "read", dtype: "u32" },
        { name: "rows", binding: 3, access: "read", dtype: "f32" },
        { name: "logits", binding: 4, access: "read_write", dtype: "f32" },
      ],
      uniform: { size: 16, members: [{ name: "count", offset: 0, type: "u32", width: 1 }] },
      workgroupSize: [64],
      tunables: {},
      variants: {},
    },
  );
  return {
    states,
    /** The tokens of state s, the first position's first. */
    tokensOf: (s: number) =>
      Array.from({ length }, (_, i) => Math.floor(s / (tokens + 1) ** (length - 1 - i)) % (tokens + 1)),
    stateOf: (ids: readonly number[]) => ids.reduce((s, id) => s * (tokens + 1) + id, 0),
    /** Logits of each position. */
    logits: (t: number, s: number) =>
      Array.from({ length }, (_, i) => {
        const at = (t * states + s) * outputs + i * tokens;
        return values.subarray(at, at + tokens);
      }),
    predict: (xt: Tensor<"u32">, t: Tensor<"u32">): Tensor => {
      const batch = t.shape[0]!;
      const logits = empty(gpu, [batch, length, tokens]);
      gpu.run(lookup, { xt, t, rows: table, logits }, { count: batch }, { groups: [Math.ceil(batch / 64)] });
      return logits;
    },
    dispose: () => table.dispose(),
  };
}
