/** Rows of a table by index, with position embeddings (shaders/embedding/embedding.wgsl). */

import { UserError } from "../../platform/errors.js";
import * as kernels from "../gpu/kernels.generated.js";
import { checkTensors, optional } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { rowLanes } from "./row-lanes.js";

/** Options of `embedding`. */
export interface EmbeddingOptions {
  /** Position table [≥ L, C], added by the index along the last axis of `ids`, which has length L. */
  positions?: Tensor;
  /** Places with this id are all zeros, position included, and pass no gradient; it may lie outside the table. */
  zeroId?: number;
}

const none = 0xffffffff;

/** Up to this number of places, every table row scans all of them, instead of linking them into lists first. */
const fewPlaces = 32;
/** The maximum number of stretches of places in the gradient; one invocation links the places of a stretch serially. */
const mostStretches = 64;
const shortestStretch = 16;

/**
 * table[ids] (+ positions): table [V, C], ids u32 [..., L] → [..., L, C].
 * An id of V or more counts as V - 1, in the gradient too; `checkFinite` names such ids. Table rows without an id get
 * gradient 0. The gradient is bit-reproducible: every row is summed in the order of the ids.
 */
export function embedding(table: Tensor, ids: Tensor<"u32">, options: EmbeddingOptions = {}): Tensor {
  checkTensors("embedding", "f32", table, ...optional(options.positions));
  checkTensors("embedding", "u32", ids);
  const { gpu } = table;
  const positions = options.positions ?? null;
  const [vocabulary, channels] = table.shape as [number, number];
  const length = ids.shape.at(-1) ?? 1;
  const count = ids.size;
  if (table.rank !== 2) throw new ShapeError("embedding", `table ${table} must be [rows, channels]`);
  if (
    positions &&
    (positions.rank !== 2 || positions.shape[1] !== channels || positions.shape[0]! < length)
  ) {
    throw new ShapeError(
      "embedding",
      `positions ${positions} must be [${length} or more, ${channels}] for ids ${ids} and table ${table}`,
    );
  }
  const base = {
    count,
    channels,
    vocabulary,
    length,
    zero_id: options.zeroId ?? none,
    stretch: Math.max(shortestStretch, Math.ceil(count / mostStretches)),
    rows: positions?.shape[0] ?? 0,
    accumulate: 0,
  };
  const range = `below ${vocabulary}, the rows of ${table.label}`;
  gpu.checker?.ids("embedding", ids, range, (id) => id < vocabulary || id === options.zeroId);
  const output = empty(gpu, [...ids.shape, channels], "f32", "embedding");
  const kernel = kernels.embedding.forward;
  gpu.run(kernel, { ids, table, positions: positions ?? table, output }, base, {
    ...rowLanes(gpu, gpu.tunables(kernel, [count, channels]), count),
    variant: { HAS_POSITIONS: positions !== null },
  });
  return record("embedding", [table, positions], output, (save) => {
    const savedIds = save(ids);
    return (dy, grads) => {
      const quarters = Math.ceil(channels / 4);
      if (grads.needs(0)) {
        const { tensor: gradient, accumulate } = grads.sink(0);
        const params = { ...base, accumulate: accumulate ? 1 : 0 };
        const rows = vocabulary * quarters;
        if (count <= fewPlaces && vocabulary <= gpu.limits.maxComputeWorkgroupsPerDimension) {
          const kernel = kernels.embedding.backwardFew;
          const columns = Math.ceil(channels / gpu.tunables(kernel).WORKGROUP);
          gpu.run(kernel, { ids: savedIds, dy, gradient }, params, { groups: [columns, vocabulary] });
        } else {
          const { next, rowHeads } = linkPlaces(savedIds, base);
          const kernel = kernels.embedding.backward;
          const groups = gpu.groups1d(rows, gpu.tunables(kernel).WORKGROUP);
          gpu.run(kernel, { linked: next, list_heads: rowHeads, dy, gradient }, params, { groups });
        }
      }
      if (positions && grads.needs(1)) {
        const { tensor: gradient, accumulate } = grads.sink(1);
        const kernel = kernels.embedding.backwardPositions;
        gpu.run(
          kernel,
          { ids: savedIds, dy, gradient },
          { ...base, accumulate: accumulate ? 1 : 0 },
          { groups: gpu.groups1d(base.rows * quarters, gpu.tunables(kernel).WORKGROUP) },
        );
      }
    };
  });
}

interface LinkParameters {
  count: number;
  channels: number;
  vocabulary: number;
  length: number;
  zero_id: number;
  stretch: number;
  rows: number;
  accumulate: number;
}

/** Computes for every place the next one with the same id, and for every table row its first place. */
function linkPlaces(
  ids: Tensor<"u32">,
  base: LinkParameters,
): { next: Tensor<"u32">; rowHeads: Tensor<"u32"> } {
  const { gpu } = ids;
  const stretches = Math.ceil(base.count / base.stretch);
  const heads = empty(gpu, [stretches, base.vocabulary], "u32", "embedding stretch heads");
  const tails = empty(gpu, [stretches, base.vocabulary], "u32", "embedding stretch tails");
  const next = empty(gpu, [base.count], "u32", "embedding next place");
  const rowHeads = empty(gpu, [base.vocabulary], "u32", "embedding row heads");
  const places = kernels.embedding.linkPlaces;
  gpu.run(places, { ids, heads, tails, next }, base, {
    groups: gpu.groups1d(stretches, gpu.tunables(places).WORKGROUP),
  });
  const rows = kernels.embedding.linkRows;
  gpu.run(rows, { ids, stretch_heads: heads, stretch_tails: tails, next, row_heads: rowHeads }, base, {
    groups: gpu.groups1d(base.vocabulary, gpu.tunables(rows).WORKGROUP),
  });
  return { next, rowHeads };
}

/** Reads ids back and throws if one is neither below `vocabulary` nor `zeroId`: for debugging, as it waits for the GPU. */
export async function checkIds(ids: Tensor<"u32">, vocabulary: number, zeroId?: number): Promise<void> {
  const values = await ids.read();
  const bad = values.findIndex((id) => id >= vocabulary && id !== zeroId);
  if (bad >= 0) {
    throw new UserError(
      `${ids}: element ${bad} is ${values[bad]}, the table has rows 0 to ${vocabulary - 1}`,
    );
  }
}
