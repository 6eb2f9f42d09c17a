/**
 * Attention with a causal order, a mask and an additive bias over queries and keys, and heads of any width
 * (shaders/attention/attention-masked.wgsl). For key padding alone, `attention` (shaders/attention/attention.wgsl) is faster.
 */

import type { Vec4 } from "../gpu/kernel.js";
import * as kernels from "../gpu/more-kernels.generated.js";
import { checkTensors, optional } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { copyStrided, sizeOf } from "../tensor/strided.js";
import { type GradWriter, record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import type { AttentionResult } from "./attention.js";
import type { Sink } from "./combine.js";
import { sumTo } from "./reduce.js";

/** Options of `maskedAttention`. */
export interface MaskedAttentionOptions {
  /** Query t attends to the keys j ≤ t + S − T: up to its own position if T = S, all for the last query. Default false. */
  causal?: boolean;
  /**
   * u32, broadcast to [B, H, T, S]: [T, S], [B, 1, 1, S] for padded keys, … 1 where the key may be attended to, 0 where
   * not. A query without keys gets output 0.
   */
  mask?: Tensor<"u32"> | null;
  /** Added to the scaled scores; broadcast to [B, H, T, S]. Differentiable. */
  bias?: Tensor | null;
  /** Factor on q·k; 1/√D by default. */
  scale?: number;
}

/** One of q, k, v inside an input [B, rows, channels] of the op: the channels from `channel` on. */
interface Part {
  /** Position among the inputs. */
  input: number;
  tensor: Tensor;
  channel: number;
}

interface Problem {
  batches: number;
  queries: number;
  keys: number;
  heads: number;
  width: number;
  scale: number;
  /** Channels that the kernels load at a time. */
  unit: 1 | 4;
  causal: boolean;
  mask: Tensor<"u32"> | null;
  bias: Tensor | null;
}

function describe({ label, shape }: Tensor | Tensor<"u32">): string {
  return `${label} [${shape.join(", ")}]`;
}

/** The strides of a tensor that broadcasts to [B, H, T, S]: 0 where it repeats. */
function stridesIn(op: string, name: string, x: Tensor | Tensor<"u32">, full: readonly number[]): Vec4 {
  const lead = full.length - x.rank;
  const fits = lead >= 0 && x.shape.every((length, i) => length === 1 || length === full[i + lead]);
  if (!fits)
    throw new ShapeError(
      op,
      `the ${name} ${describe(x)} does not broadcast to [${full.join(", ")}]: [B, H, T, S]`,
    );
  const stride = (axis: number) => {
    const own = axis - lead;
    return own < 0 || x.shape[own] === 1 ? 0 : x.strides[own]!;
  };
  return [stride(0), stride(1), stride(2), stride(3)];
}

/** The start of a part and the strides of its batches and rows, in loads of `unit` channels. */
function place({ tensor, channel }: Part, unit: number): { offset: number; batch: number; row: number } {
  return {
    offset: (tensor.offset + channel) / unit,
    batch: tensor.strides[0]! / unit,
    row: tensor.strides[1]! / unit,
  };
}

/** Returns a tensor that the kernels can read: the channels of a row must be contiguous. */
function readable(tensor: Tensor): Tensor {
  if (tensor.strides[2] === 1 || tensor.shape[2] === 1) return tensor;
  const dense = empty(tensor.gpu, tensor.shape, "f32", tensor.label);
  copyStrided(tensor, dense, { accumulate: false });
  return dense;
}

type Parts = readonly [q: Part, k: Part, v: Part];

function attend(
  op: string,
  inputs: readonly Tensor[],
  parts: readonly [input: number, channel: number][],
  channels: number,
  heads: number,
  options: MaskedAttentionOptions,
): AttentionResult {
  const { causal = false, mask = null, bias = null } = options;
  checkTensors(op, "f32", ...inputs, ...optional(bias));
  if (mask) {
    checkTensors(op, "u32", mask);
    checkTensors(op, "any", ...inputs, mask);
  }
  const sources = inputs.map(readable);
  const partsOf = (tensors: readonly Tensor[]) =>
    parts.map(([input, channel]) => ({ input, channel, tensor: tensors[input]! })) as unknown as Parts;
  const [q, k, v] = partsOf(sources);
  const [batches, queries] = q.tensor.shape as [number, number];
  const keys = k.tensor.shape[1]!;
  const width = channels / heads;
  if (!Number.isInteger(heads) || heads < 1 || !Number.isInteger(width))
    throw new ShapeError(op, `${channels} channels cannot be split into ${heads} heads`);
  if (k.tensor.shape[0] !== batches)
    throw new ShapeError(
      op,
      `${describe(q.tensor)} and ${describe(k.tensor)}: batch sizes ${batches} and ${k.tensor.shape[0]} differ`,
    );
  const { gpu } = q.tensor;
  const full = [batches, heads, queries, keys];
  const strides = {
    mask_stride: mask ? stridesIn(op, "mask", mask, full) : ([0, 0, 0, 0] as const),
    bias_stride: bias ? stridesIn(op, "bias", bias, full) : ([0, 0, 0, 0] as const),
  };
  const aligned = [q, k, v].every(({ tensor, channel }) =>
    [tensor.offset, channel, tensor.strides[0]!, tensor.strides[1]!].every((count) => count % 4 === 0),
  );
  const unit = aligned && width % 4 === 0 ? 4 : 1;
  const scale = options.scale ?? 1 / Math.sqrt(width);
  const problem: Problem = { batches, queries, keys, heads, width, scale, unit, causal, mask, bias };
  const [qPlace, kPlace, vPlace] = [place(q, unit), place(k, unit), place(v, unit)];
  const params: Params = {
    ...strides,
    batches,
    queries,
    keys,
    heads,
    width: width / unit,
    scale,
    shift: keys - queries,
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
    mask_offset: mask?.offset ?? 0,
    bias_offset: bias?.offset ?? 0,
    dbias_batches: 1,
    dbias_heads: 1,
    accumulate: 0,
  };
  const output = empty(gpu, [batches, queries, channels], "f32", op);
  const rows = empty(gpu, [2, batches, heads, queries], "f32", `${op} log-sum-exp`);
  const kernel = kernels.attentionMasked.forward;
  const tune = gpu.tunables(kernel, shapeOf(problem));
  gpu.run(kernel, { ...readOf(problem, [q, k, v]), o: output, rows }, params, {
    groups: gpu.groups1d(batches * heads * Math.ceil(queries / tune.QUERIES), tune.WORKGROUP),
    tune,
    variant: variantOf(problem),
  });
  record(op, [...inputs, bias], output, (save) => {
    const saved = partsOf(sources.map((tensor) => save(tensor)));
    const [savedOutput, savedRows] = [save(output), save(rows)];
    const own = { ...problem, mask: mask && save(mask), bias: bias && save(bias) };
    return (dy, grads) => {
      runDelta(own, params, { output: savedOutput, rows: savedRows, dy });
      const state = { problem: own, params, parts: saved, rows: savedRows, dy };
      const sinks = sinksOf(state, channels, grads);
      if (sinks.query) backwardQuery(state, sinks.query);
      if (sinks.key && sinks.value) backwardKeyValue(state, sinks.key, sinks.value);
      sinks.finish();
      if (own.bias && grads.needs(inputs.length)) backwardBias(state, own.bias, grads.sink(inputs.length));
    };
  });
  const logSumExp = rows.slice(0, 0, 1).reshape([batches, heads, queries]);
  return { output, logSumExp };
}

/** The shape that the tunables depend on. */
function shapeOf({ batches, heads, queries, keys, width }: Problem): number[] {
  return [batches * heads, queries, keys, width];
}

/** The bindings that every kernel but `delta` reads. Without a mask or a bias, its binding gets a buffer that is not read. */
function readOf({ mask, bias }: Problem, [q, k, v]: Parts) {
  return {
    q: q.tensor.storage,
    k: k.tensor.storage,
    v: v.tensor.storage,
    mask: (mask ?? q.tensor).storage,
    bias: (bias ?? q.tensor).storage,
  };
}

function variantOf({ unit, causal, mask, bias }: Problem) {
  return {
    Element: unit === 4 ? "vector" : "scalar",
    VECTOR: unit === 4,
    CAUSAL: causal,
    HAS_MASK: mask !== null,
    HAS_BIAS: bias !== null,
  } as const;
}

/** The uniforms, which all entry points share. */
type Params = NonNullable<typeof kernels.attentionMasked.forward.types>["params"];

interface Backward {
  problem: Problem;
  params: Params;
  parts: Parts;
  rows: Tensor;
  dy: Tensor;
}

/** A dense gradient [B, rows, channels of its input] and the offset of a part in its rows, in channels. */
interface Target extends Sink {
  channel: number;
}

/**
 * The targets of the gradients of q, k and v; null for those that are not needed. If keys and values are separate inputs, their
 * gradients go to one tensor first, as a kernel has one binding for both; `finish` passes it on.
 */
function sinksOf({ problem, parts, dy }: Backward, channels: number, grads: GradWriter) {
  const [q, k, v] = parts;
  const taken = new Map<number, Sink>();
  const target = ({ input, channel }: Part): Target | null => {
    if (!grads.needs(input)) return null;
    const sink = taken.get(input) ?? grads.sink(input);
    taken.set(input, sink);
    return { ...sink, channel };
  };
  const query = target(q);
  if (k.input === v.input) return { query, key: target(k), value: target(v), finish() {} };
  if (!grads.needs(k.input) && !grads.needs(v.input)) return { query, key: null, value: null, finish() {} };
  const both = empty(dy.gpu, [problem.batches, problem.keys, 2 * channels], "f32", "dkv");
  return {
    query,
    key: { tensor: both, accumulate: false, channel: 0 },
    value: { tensor: both, accumulate: false, channel: channels },
    finish() {
      if (grads.needs(k.input)) grads.give(k.input, both.slice(2, 0, channels));
      if (grads.needs(v.input)) grads.give(v.input, both.slice(2, channels, channels));
    },
  };
}

/** delta = rowsum(dO∘O), for all queries. */
function runDelta(
  problem: Problem,
  params: Params,
  { output, rows, dy }: { output: Tensor; rows: Tensor; dy: Tensor },
): void {
  const { gpu } = dy;
  const kernel = kernels.attentionMasked.delta;
  const { Element, VECTOR } = variantOf(problem);
  gpu.run(kernel, { o_saved: output, dout: dy, rows }, params, {
    groups: gpu.groups1d(rows.size / 2, gpu.tunables(kernel).WORKGROUP),
    variant: { Element, VECTOR },
  });
}

function backwardQuery({ problem, params, parts, rows, dy }: Backward, target: Target): void {
  const { gpu } = dy;
  const { batches, heads, queries, unit } = problem;
  const kernel = kernels.attentionMasked.backwardQuery;
  const tune = gpu.tunables(kernel, shapeOf(problem));
  gpu.run(
    kernel,
    { ...readOf(problem, parts), rows_saved: rows, dy, gradients: target.tensor },
    {
      ...params,
      dq_offset: target.channel / unit,
      dq_row: target.tensor.shape[2]! / unit,
      accumulate: target.accumulate ? 1 : 0,
    },
    {
      groups: gpu.groups1d(batches * heads * Math.ceil(queries / tune.BACK_QUERIES), tune.WORKGROUP),
      tune,
      variant: variantOf(problem),
    },
  );
}

function backwardKeyValue({ problem, params, parts, rows, dy }: Backward, key: Target, value: Target): void {
  const { gpu } = dy;
  const { batches, heads, keys, unit } = problem;
  const kernel = kernels.attentionMasked.backwardKeyValue;
  const tune = gpu.tunables(kernel, shapeOf(problem));
  gpu.run(
    kernel,
    { ...readOf(problem, parts), rows_saved: rows, dy, gradients: key.tensor },
    {
      ...params,
      dk_offset: key.channel / unit,
      dv_offset: value.channel / unit,
      dkv_row: key.tensor.shape[2]! / unit,
      accumulate: key.accumulate ? 1 : 0,
    },
    {
      groups: gpu.groups1d(batches * heads * Math.ceil(keys / tune.BACK_KEYS), tune.WORKGROUP),
      tune,
      variant: variantOf(problem),
    },
  );
}

/** The kernel adds up batch elements and heads that share a bias; a bias that repeats along T or S is summed afterwards. */
function backwardBias({ problem, params, parts, rows, dy }: Backward, bias: Tensor, sink: Sink): void {
  const { gpu } = dy;
  const { batches, heads, queries, keys } = problem;
  const [ownBatches, ownHeads, ownQueries, ownKeys] = [1, 1, 1, 1, ...bias.shape].slice(-4) as [
    number,
    number,
    number,
    number,
  ];
  const direct = ownQueries === queries && ownKeys === keys;
  const shape = [ownBatches, ownHeads, queries, keys];
  const dbias = direct ? sink.tensor : empty(gpu, shape, "f32", "gradient of a bias");
  const kernel = kernels.attentionMasked.backwardBias;
  gpu.run(
    kernel,
    { ...readOf(problem, parts), rows_saved: rows, dy, dbias },
    {
      ...params,
      dbias_batches: Math.min(ownBatches, batches),
      dbias_heads: Math.min(ownHeads, heads),
      accumulate: direct && sink.accumulate ? 1 : 0,
    },
    { groups: gpu.groups1d(sizeOf(shape), gpu.tunables(kernel).WORKGROUP), variant: variantOf(problem) },
  );
  if (!direct) sumTo(dbias, bias.shape, sink);
}

function checkRank(op: string, ...tensors: readonly Tensor[]): void {
  checkTensors(op, "f32", ...tensors);
  for (const tensor of tensors) {
    if (tensor.rank !== 3)
      throw new ShapeError(op, `${describe(tensor)} must have three axes: [batch, positions, channels]`);
  }
}

/**
 * Attention of q [B, T, H·D] over k and v [B, S, H·D]: softmax(q kᵀ·scale + bias) v over the visible keys of each query,
 * [B, T, H·D], float32. Differentiable in q, k, v and the bias; neither pass keeps a T×S matrix.
 */
export function maskedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  heads: number,
  options: MaskedAttentionOptions = {},
): AttentionResult {
  const op = "maskedAttention";
  checkRank(op, q, k, v);
  const channels = q.shape[2]!;
  if (k.shape[2] !== channels || k.shape.some((length, axis) => length !== v.shape[axis]))
    throw new ShapeError(
      op,
      `q ${describe(q)}, k ${describe(k)}, v ${describe(v)}: k and v must be [B, S, ${channels}]`,
    );
  return attend(
    op,
    [q, k, v],
    [
      [0, 0],
      [1, 0],
      [2, 0],
    ],
    channels,
    heads,
    options,
  );
}

/**
 * `maskedAttention` of a packed projection qkv [B, T, 3·H·D] (channels of q, then k, then v; within each, head by head).
 * The gradient is written packed, without copies.
 */
export function maskedSelfAttention(
  qkv: Tensor,
  heads: number,
  options: MaskedAttentionOptions = {},
): AttentionResult {
  const op = "maskedSelfAttention";
  checkRank(op, qkv);
  const channels = qkv.shape[2]! / 3;
  if (!Number.isInteger(channels))
    throw new ShapeError(op, `${describe(qkv)}: the last axis holds q, k and v, so 3 must divide it`);
  return attend(
    op,
    [qkv],
    [
      [0, 0],
      [0, channels],
      [0, 2 * channels],
    ],
    channels,
    heads,
    options,
  );
}

/** `maskedAttention` of q [B, T, H·D] over a packed projection kv [B, S, 2·H·D] (channels of k, then v). */
export function maskedCrossAttention(
  q: Tensor,
  kv: Tensor,
  heads: number,
  options: MaskedAttentionOptions = {},
): AttentionResult {
  const op = "maskedCrossAttention";
  checkRank(op, q, kv);
  const channels = q.shape[2]!;
  if (kv.shape[2] !== 2 * channels)
    throw new ShapeError(
      op,
      `${describe(q)} and ${describe(kv)}: the last axis of kv must be ${2 * channels}, k and v side by side`,
    );
  return attend(
    op,
    [q, kv],
    [
      [0, 0],
      [1, 0],
      [1, channels],
    ],
    channels,
    heads,
    options,
  );
}
