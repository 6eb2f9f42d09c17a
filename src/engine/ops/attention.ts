/**
 * Scaled dot-product attention that never holds a T×S matrix (FlashAttention, arXiv 2205.14135), and a separate
 * read-out of its weights: shaders/attention/attention.wgsl; for software adapters shaders/attention/attention-subgroup.wgsl (subgroups of
 * eight lanes and more) and shaders/attention/attention-registers.wgsl.
 */

import type { Gpu } from "../gpu/gpu.js";
import type { Float } from "../gpu/kernel.js";
import * as kernels from "../gpu/kernels.generated.js";
import type { Storage } from "../gpu/pool.js";
import type { Choice } from "../gpu/tuning/choices.js";
import * as choices from "../gpu/tuning/choices.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { copyStrided } from "../tensor/strided.js";
import { type GradWriter, record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";

/** Options of `attention`. */
export interface AttentionOptions {
  /** u32 [B, S]: 1 where a key may be attended to, 0 where not (padding). A query left without keys gets output 0. */
  mask?: Tensor<"u32">;
  /** Factor on q·k; 1/√D by default. */
  scale?: number;
}

/** q, k and v have one element type; scores, softmax and sums are float32, and so are all gradients. */
export interface AttentionResult<D extends Float = "f32"> {
  /** [B, T, H·D], of the element type of q, k and v. */
  output: Tensor<D>;
  /** log Σⱼ exp(scale q·kⱼ), [B, H, T]; -1e30 for a query left without keys. Off the tape. */
  logSumExp: Tensor;
}

/** One of q, k, v inside a tensor [B, rows, channels]: `width` channels from `channel` on. */
interface Part<D extends Float = Float> {
  tensor: Tensor<D>;
  channel: number;
}

interface Problem {
  op: string;
  batches: number;
  queries: number;
  keys: number;
  heads: number;
  /** Head dimension D. */
  width: number;
  scale: number;
  mask: Tensor<"u32"> | null;
}

/** The tensor itself if the kernel can read it in place (vec4 loads need aligned rows), else a dense copy. */
function readable<D extends Float>(tensor: Tensor<D>): Tensor<D> {
  const aligned = [tensor.strides[0]!, tensor.strides[1]!, tensor.offset].every((value) => value % 4 === 0);
  if (aligned && tensor.strides[2] === 1) return tensor;
  const dense = empty(tensor.gpu, tensor.shape, tensor.dtype, tensor.label);
  copyStrided(tensor, dense, { accumulate: false });
  return dense;
}

function describe(tensor: Tensor<Float> | Tensor<"u32">): string {
  return `${tensor.label} [${tensor.shape.join(", ")}]`;
}

function check(
  op: string,
  q: Part,
  k: Part,
  channels: number,
  heads: number,
  options: AttentionOptions,
): Problem {
  const [batches, queries] = q.tensor.shape as [number, number];
  const keys = k.tensor.shape[1]!;
  const width = channels / heads;
  if (!Number.isInteger(width) || width % 4 !== 0 || width < 4 || width > 512) {
    throw new ShapeError(
      op,
      `${channels} channels in ${heads} heads: a head must have 4, 8, 12 … 512 channels`,
    );
  }
  if (k.tensor.shape[0] !== batches) {
    throw new ShapeError(
      op,
      `${describe(q.tensor)} and ${describe(k.tensor)}: batch sizes ${batches} and ${k.tensor.shape[0]} differ`,
    );
  }
  if (k.tensor.dtype !== q.tensor.dtype) {
    throw new ShapeError(
      op,
      `${describe(q.tensor)} is ${q.tensor.dtype} and ${describe(k.tensor)} is ${k.tensor.dtype}: their element types must be the same`,
    );
  }
  const mask = options.mask ?? null;
  if (mask && (mask.rank !== 2 || mask.shape[0] !== batches || mask.shape[1] !== keys)) {
    throw new ShapeError(op, `the mask ${describe(mask)} must be [${batches}, ${keys}]: one value a key`);
  }
  return { op, batches, queries, keys, heads, width, scale: options.scale ?? 1 / Math.sqrt(width), mask };
}

/** Where a part starts and how far its rows and batches are apart, in vec4. */
function place({ tensor, channel }: Part): { offset: number; batch: number; row: number } {
  return {
    offset: (tensor.offset + channel) / 4,
    batch: tensor.strides[0]! / 4,
    row: tensor.strides[1]! / 4,
  };
}

function parameters(problem: Problem, q: Part, k: Part, v: Part) {
  const [qPlace, kPlace, vPlace] = [place(q), place(k), place(v)];
  return {
    batches: problem.batches,
    queries: problem.queries,
    keys: problem.keys,
    heads: problem.heads,
    vectors: problem.width / 4,
    scale: problem.scale,
    q_offset: qPlace.offset,
    q_batch: qPlace.batch,
    q_row: qPlace.row,
    k_offset: kPlace.offset,
    k_batch: kPlace.batch,
    k_row: kPlace.row,
    v_offset: vPlace.offset,
    v_batch: vPlace.batch,
    v_row: vPlace.row,
    dq_offset: 0,
    dq_row: 0,
    dk_offset: 0,
    dv_offset: 0,
    dkv_row: 0,
    has_mask: problem.mask ? 1 : 0,
    accumulate: 0,
  };
}

/** What the tunables of an attention kernel depend on. */
function shapeOf({ batches, heads, queries, keys, width }: Problem): number[] {
  return [batches * heads, queries, keys, width];
}

type Kernel = "portable" | "subgroup" | "registers";

/** Lanes that pass rows to each other by shuffles, which saves loads. With four it was slower than doing without. */
const shuffleLanes = 8;

/** Which kernel runs: as the choice says, if the device can do it. */
function kernelFor(
  gpu: Gpu,
  problem: Problem,
  choice: Choice<{ KERNEL: readonly ["portable", "subgroup", "registers"] }>,
): Kernel {
  const { KERNEL } = gpu.tunables(choice, shapeOf(problem));
  const most = gpu.limits.maxComputeWorkgroupsPerDimension;
  const fits = gpu.certainLanes >= shuffleLanes && problem.batches <= most && problem.heads <= most;
  const instead = KERNEL === "subgroup" && !fits ? "registers" : KERNEL;
  return instead === "registers" && gpu.certainLanes < 4 ? "portable" : instead;
}

/** The grid of the kernels in registers, for `rows` owned rows of each head: 16 to a workgroup. */
function registerGrid(gpu: Gpu, { batches, heads }: Problem, rows: number) {
  return { groups: gpu.groups1d(batches * heads * Math.ceil(rows / 16), 1) };
}

/**
 * So few owned rows are one a lane, and so few walked ones loaded one a lane: the tuned numbers gain little there (of owned
 * rows none at 16, a twentieth at 64), while the kernels with one take half as long to compile.
 */
const shortRows = 64;

/** Grid and tunables of the shuffling kernels, for `rows` owned rows of each head and `walked` of the other side. */
function shuffleGrid(problem: Problem, tuned: { ROWS: number; WALK: number }, rows: number, walked: number) {
  const ROWS = rows <= shortRows ? 1 : tuned.ROWS;
  const WALK = walked <= shortRows ? 1 : tuned.WALK;
  const blocks = Math.ceil(rows / (ROWS * shuffleLanes));
  const groups: [number, number, number] = [blocks, problem.heads, problem.batches];
  return { groups, tune: { ROWS, WALK } };
}

/** Without a mask the binding still needs a buffer, which the kernel then does not read. */
function maskBinding(problem: Problem, instead: Tensor<Float>): Tensor<"u32"> | Storage {
  return problem.mask ?? instead.storage;
}

/**
 * Where the forward kernels keep their sums, which are float32: in the output if that is, else beside it, in room for the
 * width of a head. Wider than 128, null: an invocation's own array would be too large (it also takes many seconds to
 * compile), so the output comes as float32 and is rounded by a second dispatch. So it does from the kernel in registers,
 * which has no arrays.
 */
function sumsPlace({ width }: Problem, dtype: Float, which: Kernel): "o" | "8" | "16" | "32" | null {
  if (dtype === "f32") return "o";
  if (which === "registers") return null;
  return (["8", "16", "32"] as const).find((vectors) => width <= 4 * Number(vectors)) ?? null;
}

function runForward<D extends Float>(
  problem: Problem,
  q: Part<D>,
  k: Part<D>,
  v: Part<D>,
): { output: Tensor<D>; rows: Tensor } {
  const { gpu, dtype } = q.tensor;
  const { batches, queries, keys, heads, width } = problem;
  const output = empty(gpu, [batches, queries, heads * width], dtype, problem.op);
  const which = kernelFor(gpu, problem, choices.attentionForward);
  const sums = sumsPlace(problem, dtype, which);
  const written: Tensor<Float> = sums ? output : empty(gpu, output.shape, "f32", `${problem.op} sums`);
  const rows = empty(gpu, [2, batches, heads, queries], "f32", `${problem.op} log-sum-exp`);
  const bindings = {
    q: q.tensor.storage,
    k: k.tensor.storage,
    v: v.tensor.storage,
    mask: maskBinding(problem, q.tensor),
    o: written,
    rows,
  };
  const params = parameters(problem, q, k, v);
  const variant = { Stored: dtype as Float, Output: written.dtype, SUMS: sums ?? "o" };
  if (which === "subgroup") {
    const kernel = kernels.attentionSubgroup.forward;
    const tuned = gpu.tunables(kernel, shapeOf(problem));
    gpu.run(kernel, bindings, params, { ...shuffleGrid(problem, tuned, queries, keys), variant });
  } else if (which === "registers") {
    gpu.run(kernels.attentionRegisters.forward, { ...bindings, o: written.storage }, params, {
      ...registerGrid(gpu, problem, queries),
      variant: { Stored: dtype as Float },
    });
  } else {
    const kernel = kernels.attention.forward;
    const tune = gpu.tunables(kernel, shapeOf(problem));
    const groups = gpu.groups1d(batches * heads * Math.ceil(queries / tune.QUERIES), tune.WORKGROUP);
    gpu.run(kernel, bindings, params, { groups, tune, variant });
  }
  if (!sums) {
    copyStrided(written, output, { accumulate: false });
    written.dispose();
  }
  return { output, rows };
}

/** A dense gradient buffer and where in its rows the parts go, in channels. */
interface GradientTarget {
  tensor: Tensor;
  accumulate: boolean;
}

/** The gradient of the queries, or those of keys and values, from the channels on that are given. */
function runBackward(
  problem: Problem,
  [q, k, v]: readonly [Part, Part, Part],
  saved: { output: Tensor<Float>; rows: Tensor; dy: Tensor },
  target: GradientTarget,
  channels: { query: number } | { key: number; value: number },
): void {
  const { gpu } = saved.dy;
  const { batches, heads, queries, keys } = problem;
  const ofQueries = "query" in channels;
  const bindings = {
    q: q.tensor.storage,
    k: k.tensor.storage,
    v: v.tensor.storage,
    mask: maskBinding(problem, q.tensor),
    o_saved: saved.output,
    rows: saved.rows,
    rows_saved: saved.rows,
    dout: saved.dy,
    gradients: target.tensor,
  };
  const row = target.tensor.shape[2]! / 4;
  const params = {
    ...parameters(problem, q, k, v),
    ...(ofQueries
      ? { dq_offset: channels.query / 4, dq_row: row }
      : { dk_offset: channels.key / 4, dv_offset: channels.value / 4, dkv_row: row }),
    accumulate: target.accumulate ? 1 : 0,
  };
  const variant = { Stored: q.tensor.dtype };
  const entry = ofQueries ? "backwardQuery" : "backwardKeyValue";
  const which = kernelFor(
    gpu,
    problem,
    ofQueries ? choices.attentionBackwardQuery : choices.attentionBackwardKeyValue,
  );
  const [owned, walked] = ofQueries ? [queries, keys] : [keys, queries];
  if (which === "subgroup") {
    const kernel = kernels.attentionSubgroup[entry];
    const tuned = gpu.tunables(kernel, shapeOf(problem));
    gpu.run(kernel, bindings, params, { ...shuffleGrid(problem, tuned, owned, walked), variant });
  } else if (which === "registers") {
    const grid = registerGrid(gpu, problem, owned);
    gpu.run(kernels.attentionRegisters[entry], bindings, params, { ...grid, variant });
  } else {
    const grid = (each: number, workgroup: number) => ({
      groups: gpu.groups1d(batches * heads * Math.ceil(owned / each), workgroup),
      variant,
    });
    if (ofQueries) {
      const kernel = kernels.attention.backwardQuery;
      const tune = gpu.tunables(kernel, shapeOf(problem));
      gpu.run(kernel, bindings, params, { ...grid(tune.BACK_QUERIES, tune.WORKGROUP), tune });
    } else {
      const kernel = kernels.attention.backwardKeyValue;
      const tune = gpu.tunables(kernel, shapeOf(problem));
      gpu.run(kernel, bindings, params, { ...grid(tune.BACK_KEYS, tune.WORKGROUP), tune });
    }
  }
}

/** delta = rowsum(dO∘O) comes out of the pass for dq, so that pass runs even when nobody wants dq itself. */
function queryTarget(grads: GradWriter, input: number, problem: Problem, dy: Tensor): GradientTarget {
  if (grads.needs(input)) return grads.sink(input);
  const unused = empty(
    dy.gpu,
    [problem.batches, problem.queries, problem.heads * problem.width],
    "f32",
    "unused dq",
  );
  return { tensor: unused, accumulate: false };
}

function result<D extends Float>(problem: Problem, output: Tensor<D>, rows: Tensor): AttentionResult<D> {
  const logSumExp = rows.slice(0, 0, 1).reshape([problem.batches, problem.heads, problem.queries]);
  return { output, logSumExp };
}

function checkRank(op: string, tensor: Tensor<Float>): void {
  if (tensor.rank !== 3)
    throw new ShapeError(op, `${describe(tensor)} must have three axes: [batch, positions, channels]`);
}

/**
 * Self-attention over a packed projection qkv [B, T, 3·H·D] (channels of q, then k, then v; within each, head by head):
 * softmax(q kᵀ·scale) v, [B, T, H·D]. The gradient is written packed, without copies.
 */
export function selfAttention<D extends Float>(
  qkv: Tensor<D>,
  heads: number,
  options: AttentionOptions = {},
): AttentionResult<D> {
  checkTensors("selfAttention", "float", qkv);
  checkRank("selfAttention", qkv);
  const channels = qkv.shape[2]! / 3;
  if (!Number.isInteger(channels)) {
    throw new ShapeError(
      "selfAttention",
      `${describe(qkv)}: the last axis holds q, k and v, so 3 must divide it`,
    );
  }
  const source = readable(qkv);
  const parts = (tensor: Tensor<D>) =>
    [
      { tensor, channel: 0 },
      { tensor, channel: channels },
      { tensor, channel: 2 * channels },
    ] as const;
  const [q, k, v] = parts(source);
  const problem = check("selfAttention", q, k, channels, heads, options);
  const { output, rows } = runForward(problem, q, k, v);
  record("selfAttention", [qkv], output, (save) => {
    const [savedSource, savedOutput, savedRows] = [save(source), save(output), save(rows)];
    if (problem.mask) save(problem.mask);
    return (dy, grads) => {
      const target = grads.sink(0);
      const saved = { output: savedOutput, rows: savedRows, dy };
      runBackward(problem, parts(savedSource), saved, target, { query: 0 });
      runBackward(problem, parts(savedSource), saved, target, { key: channels, value: 2 * channels });
    };
  });
  return result(problem, output, rows);
}

/**
 * Cross-attention of q [B, T, H·D] over a packed projection kv [B, S, 2·H·D] (channels of k, then v):
 * softmax(q kᵀ·scale) v, [B, T, H·D].
 */
export function crossAttention<D extends Float>(
  q: Tensor<D>,
  kv: Tensor<D>,
  heads: number,
  options: AttentionOptions = {},
): AttentionResult<D> {
  checkTensors("crossAttention", "float", q, kv);
  checkRank("crossAttention", q);
  checkRank("crossAttention", kv);
  const channels = q.shape[2]!;
  if (kv.shape[2] !== 2 * channels) {
    throw new ShapeError(
      "crossAttention",
      `${describe(q)} and ${describe(kv)}: the last axis of kv must be ${2 * channels}, k and v side by side`,
    );
  }
  const [qSource, kvSource] = [readable(q), readable(kv)];
  const parts = (query: Tensor<D>, packed: Tensor<D>) =>
    [
      { tensor: query, channel: 0 },
      { tensor: packed, channel: 0 },
      { tensor: packed, channel: channels },
    ] as const;
  const [qPart, kPart, vPart] = parts(qSource, kvSource);
  const problem = check("crossAttention", qPart, kPart, channels, heads, options);
  const { output, rows } = runForward(problem, qPart, kPart, vPart);
  record("crossAttention", [q, kv], output, (save) => {
    const sources = parts(save(qSource), save(kvSource));
    const [savedOutput, savedRows] = [save(output), save(rows)];
    if (problem.mask) save(problem.mask);
    return (dy, grads) => {
      const saved = { output: savedOutput, rows: savedRows, dy };
      runBackward(problem, sources, saved, queryTarget(grads, 0, problem, dy), { query: 0 });
      if (grads.needs(1)) runBackward(problem, sources, saved, grads.sink(1), { key: 0, value: channels });
    };
  });
  return result(problem, output, rows);
}

/** Attention of q [B, T, H·D] over separate k and v [B, S, H·D]: softmax(q kᵀ·scale) v, [B, T, H·D]. */
export function attention<D extends Float>(
  q: Tensor<D>,
  k: Tensor<D>,
  v: Tensor<D>,
  heads: number,
  options: AttentionOptions = {},
): AttentionResult<D> {
  checkTensors("attention", "float", q, k, v);
  for (const tensor of [q, k, v]) checkRank("attention", tensor);
  const channels = q.shape[2]!;
  if (k.shape[2] !== channels || k.shape.some((length, axis) => length !== v.shape[axis])) {
    throw new ShapeError(
      "attention",
      `q ${describe(q)}, k ${describe(k)}, v ${describe(v)}: k and v must be [B, S, ${channels}]`,
    );
  }
  if (v.dtype !== k.dtype) {
    throw new ShapeError(
      "attention",
      `k ${describe(k)} is ${k.dtype} and v ${describe(v)} is ${v.dtype}: their element types must be the same`,
    );
  }
  const part = (tensor: Tensor<D>): Part<D> => ({ tensor, channel: 0 });
  const sources = [readable(q), readable(k), readable(v)] as const;
  const [qPart, kPart, vPart] = sources.map(part) as [Part<D>, Part<D>, Part<D>];
  const problem = check("attention", qPart, kPart, channels, heads, options);
  const { output, rows } = runForward(problem, qPart, kPart, vPart);
  record("attention", [q, k, v], output, (save) => {
    const parts = [part(save(sources[0])), part(save(sources[1])), part(save(sources[2]))] as const;
    const [savedOutput, savedRows] = [save(output), save(rows)];
    if (problem.mask) save(problem.mask);
    return (dy, grads) => {
      const saved = { output: savedOutput, rows: savedRows, dy };
      runBackward(problem, parts, saved, queryTarget(grads, 0, problem, dy), { query: 0 });
      if (!grads.needs(1) && !grads.needs(2)) return;
      // The kernel writes dk and dv through one binding: two writable bindings may not share a buffer, as they would
      // if k and v were the same tensor.
      const packed = empty(dy.gpu, [problem.batches, problem.keys, 2 * channels], "f32", "dkv");
      const target = { tensor: packed, accumulate: false };
      runBackward(problem, parts, saved, target, { key: 0, value: channels });
      if (grads.needs(1)) grads.give(1, packed.slice(2, 0, channels));
      if (grads.needs(2)) grads.give(2, packed.slice(2, channels, channels));
    };
  });
  return result(problem, output, rows);
}

/**
 * The attention weights themselves, for inspection only (this is the T×S matrix): [B, H, T, S], or their mean over the
 * heads [B, T, S]. `logSumExp` is what the attention op returned for the same q, k, mask and scale. q and k are
 * [B, T, H·D] and [B, S, H·D]; slices of packed projections are read in place. Off the tape.
 */
export function attentionMap<D extends Float>(
  q: Tensor<D>,
  k: Tensor<D>,
  logSumExp: Tensor,
  heads: number,
  options: AttentionOptions & { meanOverHeads?: boolean } = {},
): Tensor {
  checkTensors("attentionMap", "float", q, k, logSumExp);
  for (const tensor of [q, k]) checkRank("attentionMap", tensor);
  if (k.shape[2] !== q.shape[2])
    throw new ShapeError("attentionMap", `q ${describe(q)} and k ${describe(k)}: channels differ`);
  const [qPart, kPart] = [readable(q), readable(k)].map((tensor) => ({ tensor, channel: 0 })) as [
    Part<D>,
    Part<D>,
  ];
  const problem = check("attentionMap", qPart, kPart, q.shape[2]!, heads, options);
  const { batches, queries, keys } = problem;
  if (logSumExp.size !== batches * heads * queries) {
    throw new ShapeError(
      "attentionMap",
      `${describe(logSumExp)} must be [${batches}, ${heads}, ${queries}], as the attention returned it`,
    );
  }
  const { gpu } = q;
  const shape = options.meanOverHeads ? [batches, queries, keys] : [batches, heads, queries, keys];
  const weights = empty(gpu, shape, "f32", "attention map");
  const kernel = options.meanOverHeads ? kernels.attention.weightMapMean : kernels.attention.weightMap;
  gpu.run(
    kernel,
    {
      q: qPart.tensor.storage,
      k: kPart.tensor.storage,
      mask: maskBinding(problem, qPart.tensor),
      weights,
      lse_given: logSumExp,
    },
    parameters(problem, qPart, kPart, kPart),
    {
      groups: gpu.groups1d(weights.size, gpu.tunables(kernel).WORKGROUP),
      variant: { Stored: qPart.tensor.dtype as Float },
    },
  );
  return weights;
}
