/**
 * Vector quantisation with a codebook that follows the vectors (shaders/vqvae/codebook.wgsl, codebook-subgroups.wgsl,
 * restart-rows.wgsl).
 */

import type { Gpu } from "../../engine/gpu/gpu.js";
import * as kernels from "../../engine/gpu/kernels.generated.js";
import * as choices from "../../engine/gpu/tuning/choices.js";
import type { Tunable } from "../../engine/gpu/tuning/tuning-table.js";
import { contiguous, copyInto } from "../../engine/ops/copy.js";
import { scale, straightThrough } from "../../engine/ops/elementwise.js";
import { embedding } from "../../engine/ops/embedding.js";
import { mse } from "../../engine/ops/reduce.js";
import type { Rng } from "../../engine/ops/rng.js";
import { type InTable, type Numbers, pick, type Variant } from "../../engine/ops/variants.js";
import { checkTensors } from "../../engine/tensor/arguments.js";
import { ShapeError } from "../../engine/tensor/errors.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { empty, type Tensor, zeros } from "../../engine/tensor/tensor.js";
import type { Part } from "../objective.js";

/** A codebook and the state of its running update. All tensors are float32, so that they are saved like other weights. */
export interface CodebookState {
  /** e_k: [K, D]. */
  codes: Tensor;
  /** N_k, the running count of vectors per code: [K]. */
  counts: Tensor;
  /** m_k, the running sum of vectors per code: [K, D]. */
  sums: Tensor;
  /** Updates since a vector last chose the code: [K]. */
  idle: Tensor;
}

/** The nearest code of each vector. */
export interface NearestCodes {
  /** Shape of z without its last axis. */
  ids: Tensor<"u32">;
  /** |z − e_id|², same shape. */
  distance: Tensor;
}

/** [N, D] of a tensor [..., D] and a codebook [K, D]. */
function sizes(op: string, z: Tensor, codes: Tensor): { rows: number; width: number; codeCount: number } {
  const width = z.shape.at(-1) ?? 0;
  if (z.rank < 1 || codes.rank !== 2 || codes.shape[1] !== width)
    throw new ShapeError(
      op,
      `z [${z.shape.join(", ")}] and codes [${codes.shape.join(", ")}]: widths differ`,
    );
  return { rows: z.size / width, width, codeCount: codes.shape[0]! };
}

/** [N, D] unchanged if D is divisible by 4, else with zeros after each row. */
function paddedRows(x: Tensor, rows: number, width: number): Tensor {
  const dense = contiguous(x.detach()).reshape([rows, width]);
  if (width % 4 === 0) return dense;
  const padded = zeros(x.gpu, [rows, Math.ceil(width / 4) * 4], "f32", "padded rows");
  copyInto(padded.slice(1, 0, width), dense);
  return padded;
}

/** Members of Params that some kernels of the family do not read. */
const unusedParams = { ranges: 1, decay: 0, epsilon: 0, restart_after: 0 };

const elementOf = (width: number) => (width % 4 === 0 ? "vector" : "scalar");
const columnsOf = (width: number) => (width % 4 === 0 ? width / 4 : width);

/** The grid of a kernel with one invocation for each of `count` items. */
function grid(gpu: Gpu, kernel: Tunable<{ WORKGROUP: number }>, count: number) {
  return { groups: gpu.groups1d(count, gpu.tunables(kernel).WORKGROUP) };
}

interface SearchVariant extends Variant<void> {
  kernel(): InTable<typeof kernels.codebookSubgroups.nearest>;
  /** Number of vectors that a workgroup searches for, and the tunables that set it. */
  block(gpu: Gpu, tuned: Numbers): { vectors: number; tune: Numbers };
}

const searches: readonly SearchVariant[] = [
  {
    name: "subgroup",
    applies: ({ teamLanes }) => teamLanes > 0,
    kernel: () => kernels.codebookSubgroups.nearest,
    block: ({ teamLanes: LANES }, tuned) => ({
      vectors: (8 * tuned.WORKGROUP!) / LANES,
      tune: { ...tuned, LANES },
    }),
  },
  {
    name: "portable",
    applies: () => true,
    kernel: () => kernels.codebook.nearest,
    block: (_, tune) => ({ vectors: tune.ROWS! * tune.SEARCH_WORKGROUP!, tune }),
  },
];

/**
 * For every vector of z [..., D] the code k of codes [K, D] with the smallest |z − e_k|², ties to the lowest k, and that squared
 * distance. Not differentiable.
 */
export function nearestCodes(z: Tensor, codes: Tensor): NearestCodes {
  checkTensors("nearestCodes", "f32", z, codes);
  const { rows, width, codeCount } = sizes("nearestCodes", z, codes);
  const { gpu } = z;
  const shape = z.shape.slice(0, -1);
  const ids = empty(gpu, shape, "u32", "code ids");
  const distance = empty(gpu, shape, "f32", "code distance");
  gpu.scope(() => {
    const family = kernels.codebook;
    const table = paddedRows(codes, codeCount, width);
    const vectors = paddedRows(z, rows, width);
    const sizes = [rows, codeCount, width];
    const search = pick(searches, gpu.tunables(choices.nearestCodes, sizes).KERNEL, gpu, undefined);
    const kernel = search.kernel();
    const { vectors: each, tune } = search.block(gpu, gpu.tunables<Numbers>(kernel, sizes));
    const blocks = Math.ceil(rows / each);
    // Few vectors and many codes: ranges of codes are searched in parallel.
    const wanted = gpu.software ? 8 : 256;
    const ranges = Math.max(1, Math.min(Math.ceil(wanted / blocks), Math.ceil(codeCount / 32)));
    const params = { ...unusedParams, rows, code_count: codeCount, columns: Math.ceil(width / 4), ranges };
    const halfNorm = empty(gpu, [codeCount], "f32", "half norms");
    const scores = empty(gpu, [ranges, rows], "f32", "code scores");
    const found = empty(gpu, [ranges, rows], "u32", "codes of ranges");
    const centred = empty(gpu, table.shape, "f32", "centred codes");
    const centre = empty(gpu, [table.shape[1]!], "f32", "centre of codes");
    const middle = { half_norm_out: halfNorm, centred_out: centred, centre_out: centre };
    gpu.run(
      family.centreCodes,
      { codes: table, ...middle },
      params,
      grid(gpu, family.centreCodes, codeCount),
    );
    gpu.run(
      kernel,
      {
        vectors,
        codes: centred,
        centre,
        half_norm: halfNorm,
        range_score: scores,
        range_id: found,
      },
      params,
      { groups: [blocks, ranges], tune },
    );
    gpu.run(
      family.finish,
      {
        vectors,
        codes: table,
        range_scores: scores,
        range_ids: found,
        ids_out: ids,
        distance_out: distance,
      },
      params,
      grid(gpu, family.finish, rows),
    );
  });
  return { ids, distance };
}

/** Quantised vectors and their values for training. */
export interface Quantized {
  /** The nearest codes, shape of z; its gradient passes to z unchanged. */
  quantized: Tensor;
  ids: Tensor<"u32">;
  /** |z − e|² of each vector. */
  distance: Tensor;
  /** β · mean (z − sg(e))², a scalar; its gradient in z is β·2(z − e)/numel. */
  commitmentLoss: Tensor;
}

/** Replaces every vector of z [..., D] with its nearest code; `beta` weights the commitment term. */
export function quantizeStraightThrough(z: Tensor, codes: Tensor, beta = 0.25): Quantized {
  const { ids, distance } = nearestCodes(z, codes);
  const nearest = noGrad(() => embedding(codes, ids));
  return {
    quantized: straightThrough(z, nearest),
    ids,
    distance,
    commitmentLoss: scale(mse(z, nearest), beta),
  };
}

/** Options of `updateCodebook`. */
export interface UpdateOptions {
  /** γ of the running averages; default 0.99. */
  decay?: number;
  /** ε of the Laplace smoothing; default 1e-5. */
  epsilon?: number;
}

/** Inputs of an update from a batch. Several processes add theirs up, element by element. */
export interface BatchSums {
  /** n_k, the vectors that chose each code: [K]. */
  counts: Tensor;
  /** s_k, the sum of these vectors: [K, D]. */
  sums: Tensor;
}

/**
 * Counts and sums of the vectors z [..., D] by the code of `codeCount` that each chose. Sums follow the order of the vectors and
 * are therefore repeatable.
 */
export function batchSums(z: Tensor, ids: Tensor<"u32">, codeCount: number): BatchSums {
  checkTensors("batchSums", "f32", z);
  checkTensors("batchSums", "u32", ids);
  const width = z.shape.at(-1) ?? 0;
  const rows = z.size / width;
  if (ids.size !== rows)
    throw new ShapeError("batchSums", `ids [${ids.shape.join(", ")}] for z [${z.shape.join(", ")}]`);
  const { gpu } = z;
  gpu.checker?.ids("batchSums", ids, `below ${codeCount}`, (id) => id < codeCount);
  const counts = empty(gpu, [codeCount], "f32", "codebook batch counts");
  const sums = empty(gpu, [codeCount, width], "f32", "codebook batch sums");
  gpu.scope(() => {
    gpu.run(
      kernels.codebook.members,
      { ids, batch_rows: contiguous(z.detach()), batch_count: counts, batch_sum: sums },
      { ...unusedParams, rows, code_count: codeCount, columns: columnsOf(width) },
      { groups: gpu.groups1d(codeCount, 1), variant: { Element: elementOf(width) } },
    );
  });
  return { counts, sums };
}

/**
 * Moves the codes towards the vectors that chose them (exponential moving averages), given as the sums of `rows` vectors. Returns
 * [Σ N_k, perplexity of the batch, codes used in the batch, vectors].
 */
export function updateCodebook(
  state: CodebookState,
  { counts, sums }: BatchSums,
  rows: number,
  options: UpdateOptions = {},
): Tensor {
  checkTensors("updateCodebook", "f32", counts, sums);
  const { decay = 0.99, epsilon = 1e-5 } = options;
  const [codeCount, width] = state.codes.shape as [number, number];
  if (counts.size !== codeCount || sums.size !== state.codes.size)
    throw new ShapeError(
      "updateCodebook",
      `counts [${counts.shape.join(", ")}] and sums [${sums.shape.join(", ")}] for codes [${codeCount}, ${width}]`,
    );
  const { gpu } = sums;
  const family = kernels.codebook;
  const columns = columnsOf(width);
  const params = { ...unusedParams, rows, code_count: codeCount, columns, decay, epsilon };
  const usage = empty(gpu, [4], "f32", "codebook usage");
  gpu.run(
    family.usage,
    { usage_out: usage, batch_counts: counts, running_count: state.counts, idle: state.idle },
    params,
    { groups: [1] },
  );
  gpu.run(
    family.update,
    {
      usage_in: usage,
      running_counts: state.counts,
      batch_sums: sums,
      running_sum: state.sums,
      table_out: state.codes,
    },
    params,
    {
      groups: gpu.groups1d(codeCount * columns, gpu.tunables(family.update).WORKGROUP),
      variant: { Element: elementOf(width) },
    },
  );
  return usage;
}

/**
 * Replaces every code that was idle for at least `restartAfter` updates with a vector of z [..., D]: code k becomes vector
 * picks[k] modulo the number of vectors, counted as seen once. `picks` is u32 [K], usually random.
 */
export function restartCodes(
  state: CodebookState,
  z: Tensor,
  picks: Tensor<"u32">,
  restartAfter: number,
): void {
  checkTensors("restartCodes", "f32", z);
  checkTensors("restartCodes", "u32", picks);
  const { rows, width, codeCount } = sizes("restartCodes", z, state.codes);
  if (picks.size !== codeCount)
    throw new ShapeError("restartCodes", `picks [${picks.shape.join(", ")}] for ${codeCount} codes`);
  const { gpu } = z;
  const kernel = kernels.codebook.restart;
  gpu.scope(() => {
    gpu.run(
      kernel,
      {
        running_count: state.counts,
        idle: state.idle,
        batch_rows: contiguous(z.detach()),
        running_sum: state.sums,
        table_out: state.codes,
        picks,
      },
      {
        ...unusedParams,
        rows,
        code_count: codeCount,
        columns: columnsOf(width),
        restart_after: restartAfter,
      },
      {
        groups: gpu.groups1d(codeCount, gpu.tunables(kernel).WORKGROUP),
        variant: { Element: elementOf(width) },
      },
    );
  });
}

/**
 * The vectors with which codes restart, where this process's z [..., D] is part `index` of the vectors of `count` processes: the
 * rows `drawn` [K] of all of them, 0 for those of the others. Summed over the processes, `vectors` [K, D] are the picks `order` of
 * `restartCodes`.
 */
export function sharedRows(
  z: Tensor,
  drawn: Tensor<"u32">,
  { index }: Part,
): { vectors: Tensor; order: Tensor<"u32"> } {
  checkTensors("sharedRows", "f32", z);
  const width = z.shape.at(-1) ?? 0;
  const rows = z.size / width;
  const { gpu } = z;
  const vectors = empty(gpu, [drawn.size, width], "f32", "restart vectors");
  const order = empty(gpu, [drawn.size], "u32", "restart order");
  const kernel = kernels.sharedRows.choose;
  gpu.scope(() => {
    gpu.run(
      kernel,
      { drawn: contiguous(drawn), batch_rows: contiguous(z.detach()), chosen: vectors, order },
      { count: vectors.size, width, rows, first: index * rows },
      grid(gpu, kernel, vectors.size),
    );
  });
  return { vectors, order };
}

/** Initialises all codes from vectors of one batch: code k becomes vector picks[k] (see `restartCodes`). */
export function initialiseCodes(state: CodebookState, z: Tensor, picks: Tensor<"u32">): void {
  restartCodes(state, z, picks, 0);
}

/**
 * A row of `rows` for each code that is due for a restart, idle[k] >= `restartAfter`: u32 shaped like `idle` (0 where not due).
 * Rows are drawn without replacement. If more codes are due than there are rows, the rows are drawn equally often, to within one.
 */
export function drawRestartRows(rng: Rng, idle: Tensor, rows: number, restartAfter: number): Tensor<"u32"> {
  const kernel = kernels.restartRows.draw;
  const drawn = empty(rng.gpu, idle.shape, "u32", "restart rows");
  const params = {
    count: idle.size,
    stream: rng.nextStream(),
    rows,
    restart_after: restartAfter,
  };
  rng.gpu.run(kernel, { rng: rng.state, idle, drawn }, params, {
    groups: rng.gpu.groups1d(idle.size, rng.gpu.tunables(kernel).WORKGROUP),
  });
  return drawn;
}
