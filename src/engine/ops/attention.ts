/**
 * Scaled dot-product attention that never holds a T×S matrix (FlashAttention, arXiv 2205.14135), and a separate
 * read-out of its weights: shaders/attention/attention.wgsl; for software adapters
 * shaders/attention/attention-subgroup.wgsl (subgroups of eight lanes and more) and
 * shaders/attention/attention-registers.wgsl.
 */

import type { Gpu } from "../gpu/gpu.js";
import type { Float } from "../gpu/kernel.js";
import * as kernels from "../gpu/kernels.generated.js";
import type { Storage } from "../gpu/pool.js";
import * as choices from "../gpu/tuning/choices.js";
import { checkTensors } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { copyStrided } from "../tensor/strided.js";
import { record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { combineParts } from "./combine.js";
import { type Grid, type InTable, type Numbers, pick, type Variant } from "./variants.js";

/** Options of `attention`. */
export interface AttentionOptions {
  /** u32 [B, S]: 1 where a key may be attended to, 0 where not (padding). A query without keys gets output 0. */
  mask?: Tensor<"u32">;
  /** Factor on q·k; 1/√D by default. */
  scale?: number;
}

/** q, k and v have one element type; scores, softmax and sums are float32, and so are all gradients. */
export interface AttentionResult<D extends Float = "f32"> {
  /** [B, T, H·D], of the element type of q, k and v. */
  output: Tensor<D>;
  /** log Σⱼ exp(scale q·kⱼ), [B, H, T]; -1e30 for a query without keys. Off the tape. */
  logSumExp: Tensor;
}

/** One of q, k, v inside a tensor [B, rows, channels]: `width` channels from `channel` on. */
interface Part<D extends Float = Float> {
  tensor: Tensor<D>;
  channel: number;
}

type Parts<D extends Float = Float> = readonly [q: Part<D>, k: Part<D>, v: Part<D>];

const part = <D extends Float>(tensor: Tensor<D>, channel = 0): Part<D> => ({ tensor, channel });

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

function check(
  op: string,
  [q, k]: Parts,
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
      `${q.tensor} and ${k.tensor}: batch sizes ${batches} and ${k.tensor.shape[0]} differ`,
    );
  }
  if (k.tensor.dtype !== q.tensor.dtype) {
    throw new ShapeError(
      op,
      `${q.tensor} is ${q.tensor.dtype} and ${k.tensor} is ${k.tensor.dtype}: types differ`,
    );
  }
  const mask = options.mask ?? null;
  if (mask && (mask.rank !== 2 || mask.shape[0] !== batches || mask.shape[1] !== keys)) {
    throw new ShapeError(op, `mask ${mask} must be [${batches}, ${keys}]: one value a key`);
  }
  return { op, batches, queries, keys, heads, width, scale: options.scale ?? 1 / Math.sqrt(width), mask };
}

/** The start of a part and the strides of its batches and rows, in vec4. */
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
    dq_row: 0,
    dk_offset: 0,
    dv_offset: 0,
    dkv_row: 0,
    has_mask: problem.mask ? 1 : 0,
    accumulate: 0,
    part_keys: problem.keys,
  };
}

/** The shape that the tunables of an attention kernel depend on. */
function shapeOf({ batches, heads, queries, keys, width }: Problem): number[] {
  return [batches * heads, queries, keys, width];
}

type Portable = typeof kernels.attention;
type OnePass = typeof kernels.attentionSubgroup;

interface AttentionVariant extends Variant<Problem> {
  readonly forward: InTable<Portable["forward"]>;
  /** For dq, then for dk and dv; or one for all. */
  readonly backward: readonly InTable<
    Portable["backwardQuery"] | Portable["backwardKeyValue"] | OnePass["backward"]
  >[];
  /** Whether the forward kernel writes float16 by itself. */
  readonly rounds: boolean;
  /** Workgroups and tunables, of gradients in one pass for `parts` parts of the keys. */
  grid(gpu: Gpu, problem: Problem, tuned: Numbers, own: Own, parts?: number): Grid;
}

/** The rows that an invocation owns, by the tunable of the portable kernels that says how many. */
type Own = "QUERIES" | "BACK_QUERIES" | "BACK_KEYS";

/** Lanes that exchange rows by shuffles, which saves loads. With four lanes, shuffles were slower than none. */
const shuffleLanes = 8;

/**
 * Up to this number of queries each lane has one forward, and up to this number of keys each lane loads one. The tuned numbers gain
 * little there (for queries nothing at 16, a twentieth at 64), and kernels with one compile in half the time.
 */
const shortRows = 64;

const variants: readonly AttentionVariant[] = [
  {
    name: "subgroup",
    forward: kernels.attentionSubgroup.forward,
    backward: [kernels.attentionSubgroup.backward],
    rounds: true,
    applies: ({ certainLanes, limits }, { batches, heads }) =>
      certainLanes >= shuffleLanes && Math.max(batches, heads) <= limits.maxComputeWorkgroupsPerDimension,
    grid(_, { batches, heads, queries, keys }, tuned, _own, parts) {
      // In one pass a second row of queries also halves how often dk and dv are read and written: measured, a quarter at 64.
      const ROWS = queries <= (parts ? shortRows / 2 : shortRows) ? 1 : tuned.ROWS!;
      const WALK = keys <= shortRows ? 1 : tuned.WALK!;
      return {
        groups: [parts ?? Math.ceil(queries / (ROWS * shuffleLanes)), heads, batches],
        tune: { ROWS, WALK },
      };
    },
  },
  {
    name: "registers",
    forward: kernels.attentionRegisters.forward,
    backward: [kernels.attentionRegisters.backward],
    rounds: false,
    applies: ({ certainLanes }) => certainLanes >= 4,
    grid: (gpu, { batches, heads, queries }, _tuned, _own, parts) => ({
      groups: gpu.groups1d(batches * heads * (parts ?? Math.ceil(queries / 16)), 1),
    }),
  },
  {
    name: "portable",
    forward: kernels.attention.forward,
    backward: [kernels.attention.backwardQuery, kernels.attention.backwardKeyValue],
    rounds: true,
    applies: () => true,
    grid(gpu, { batches, heads, queries, keys }, tune, own) {
      const blocks = batches * heads * Math.ceil((own === "BACK_KEYS" ? keys : queries) / tune[own]!);
      return { groups: gpu.groups1d(blocks, tune.WORKGROUP!), tune };
    },
  },
];

function variantFor(gpu: Gpu, problem: Problem, choice: typeof choices.attentionForward): AttentionVariant {
  return pick(variants, gpu.tunables(choice, shapeOf(problem)).KERNEL, gpu, problem);
}

/** The mask, or a buffer in its place: the binding needs one, although the kernel does not read it without a mask. */
function maskBinding(problem: Problem, instead: Tensor<Float>): Tensor<"u32"> | Storage {
  return problem.mask ?? instead.storage;
}

/**
 * The place of the forward kernels' float32 sums: the output if that is float32, else an array of the width of a head. For
 * widths above 128, null: an array per invocation would be too large (and takes many seconds to compile), so the output is
 * float32 and a second dispatch rounds it. The same applies to the kernel in registers, which has no arrays.
 */
function sumsPlace(
  { width }: Problem,
  dtype: Float,
  { rounds }: AttentionVariant,
): "o" | "8" | "16" | "32" | null {
  if (dtype === "f32") return "o";
  if (!rounds) return null;
  return (["8", "16", "32"] as const).find((vectors) => width <= 4 * Number(vectors)) ?? null;
}

function runForward<D extends Float>(
  problem: Problem,
  [q, k, v]: Parts<D>,
): { output: Tensor<D>; rows: Tensor } {
  const { gpu, dtype } = q.tensor;
  const { batches, queries, heads, width } = problem;
  const output = empty(gpu, [batches, queries, heads * width], dtype, problem.op);
  const which = variantFor(gpu, problem, choices.attentionForward);
  const sums = sumsPlace(problem, dtype, which);
  const written: Tensor<Float> = sums ? output : empty(gpu, output.shape, "f32", `${problem.op} sums`);
  const rows = empty(gpu, [2, batches, heads, queries], "f32", `${problem.op} log-sum-exp`);
  const kernel = which.forward;
  const tuned = gpu.tunables(kernel, shapeOf(problem));
  gpu.run(
    kernel,
    {
      q: q.tensor.storage,
      k: k.tensor.storage,
      v: v.tensor.storage,
      mask: maskBinding(problem, q.tensor),
      o: written,
      rows,
    },
    parameters(problem, q, k, v),
    {
      ...which.grid(gpu, problem, tuned, "QUERIES"),
      variant: which.rounds ? { Stored: dtype, Output: written.dtype, SUMS: sums ?? "o" } : { Stored: dtype },
    },
  );
  if (!sums) {
    copyStrided(written, output, { accumulate: false });
    written.dispose();
  }
  return { output, rows };
}

/**
 * The keys of a part. In one pass a workgroup makes all gradients of a head. Where heads are fewer than cores may be, several share
 * the keys of one, each with a dq of its own, which are then added up.
 */
function keysOfPart({ batches, heads, keys }: Problem): number {
  const parts = Math.max(1, Math.floor(Math.min(8 / (batches * heads), keys / 128)));
  return 16 * Math.ceil(keys / parts / 16);
}

/** k and v with one storage, since the gradient in one pass has one binding for both: as they are, or copied side by side. */
function together([q, k, v]: Parts): Parts {
  if (k.tensor.storage === v.tensor.storage) return [q, k, v];
  const [batches, keys, channels] = k.tensor.shape as [number, number, number];
  const tensor = empty(k.tensor.gpu, [batches, keys, 2 * channels], k.tensor.dtype, "keys and values");
  copyStrided(k.tensor, tensor.slice(2, 0, channels), { accumulate: false });
  copyStrided(v.tensor, tensor.slice(2, channels, channels), { accumulate: false });
  return [q, part(tensor), part(tensor, channels)];
}

/** Attention over the parts of `inputs`, qkv or q and kv or q, k and v, on the tape. */
function attend<D extends Float>(
  op: string,
  inputs: readonly Tensor<D>[],
  partsOf: (inputs: readonly Tensor<D>[]) => Parts<D>,
  channels: number,
  heads: number,
  options: AttentionOptions,
): AttentionResult<D> {
  const sources = inputs.map((input) => readable(input));
  const parts = partsOf(sources);
  const problem = check(op, parts, channels, heads, options);
  const { batches, queries, keys, mask } = problem;
  const { output, rows } = runForward(problem, parts);
  const { gpu, shape } = output;
  record(op, inputs, output, (save) => {
    const saved = partsOf(sources.map((source) => save(source)));
    const [o_saved, rows_saved] = [save(output), save(rows)];
    if (mask) save(mask);
    return (dy, grads) => {
      const which = variantFor(gpu, problem, choices.attentionBackward);
      const { backward } = which;
      const onePass = backward.length < 2;
      const packed = inputs.length < 2;
      const apart = inputs.length > 2;
      const part_keys = onePass ? keysOfPart(problem) : keys;
      const count = Math.ceil(keys / part_keys);
      const ofKeys = [batches, keys, 2 * channels];
      const first = grads.sinkOrUnused(0, shape);
      const dq = count > 1 ? { tensor: empty(gpu, [count, ...shape]), accumulate: false } : first;
      // dk and dv have one binding: two that are written may not share a buffer, as they would if k and v were one tensor.
      const dkv = packed
        ? first
        : apart
          ? { tensor: empty(gpu, ofKeys), accumulate: false }
          : grads.sinkOrUnused(1, ofKeys);
      const channel = packed ? channels : 0;
      const [q, k, v] = onePass ? together(saved) : saved;
      const passes = packed || grads.needs(1) || (apart && grads.needs(2)) ? 2 : 1;
      backward.slice(0, passes).forEach((kernel, pass) => {
        const target = onePass || pass ? dkv : dq;
        gpu.run(
          kernel,
          {
            q: q.tensor.storage,
            k: k.tensor.storage,
            v: v.tensor.storage,
            kv: k.tensor.storage,
            mask: maskBinding(problem, q.tensor),
            o_saved,
            rows: rows_saved,
            rows_saved,
            dout: dy,
            dq: dq === dkv ? empty(gpu, [4]) : dq.tensor,
            gradients: target.tensor,
          },
          {
            ...parameters(problem, q, k, v),
            dq_row: dq.tensor.shape.at(-1)! / 4,
            dk_offset: channel / 4,
            dv_offset: (channel + channels) / 4,
            dkv_row: dkv.tensor.shape[2]! / 4,
            accumulate: onePass
              ? Number(dq.accumulate) + 2 * Number(dkv.accumulate)
              : Number(target.accumulate),
            part_keys,
          },
          {
            ...which.grid(
              gpu,
              problem,
              gpu.tunables<Numbers>(kernel, shapeOf(problem)),
              pass ? "BACK_KEYS" : "BACK_QUERIES",
              count,
            ),
            variant: { Stored: q.tensor.dtype, ...(onePass && { PACKED: dq === dkv }) },
          },
        );
      });
      if (count > 1) {
        const sum = packed ? { tensor: empty(gpu, shape), accumulate: false } : first;
        combineParts(dq.tensor, sum.tensor.size, sum, null);
        if (packed) copyStrided(sum.tensor, first.tensor.slice(2, 0, channels), first);
      }
      if (apart && grads.needs(1)) grads.give(1, dkv.tensor.slice(2, 0, channels));
      if (apart && grads.needs(2)) grads.give(2, dkv.tensor.slice(2, channels, channels));
    };
  });
  return { output, logSumExp: rows.slice(0, 0, 1).reshape([batches, heads, queries]) };
}

function checkRank(op: string, tensor: Tensor<Float>): void {
  if (tensor.rank !== 3)
    throw new ShapeError(op, `${tensor} must have three axes: [batch, positions, channels]`);
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
    throw new ShapeError("selfAttention", `${qkv}: the last axis holds q, k and v, so 3 must divide it`);
  }
  return attend(
    "selfAttention",
    [qkv],
    ([tensor]) => [part(tensor!), part(tensor!, channels), part(tensor!, 2 * channels)],
    channels,
    heads,
    options,
  );
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
      `${q} and ${kv}: the last axis of kv must be ${2 * channels}, k and v side by side`,
    );
  }
  return attend(
    "crossAttention",
    [q, kv],
    ([query, packed]) => [part(query!), part(packed!), part(packed!, channels)],
    channels,
    heads,
    options,
  );
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
    throw new ShapeError("attention", `q ${q}, k ${k}, v ${v}: k and v must be [B, S, ${channels}]`);
  }
  if (v.dtype !== k.dtype) {
    throw new ShapeError("attention", `${k} is ${k.dtype} and ${v} is ${v.dtype}: types differ`);
  }
  return attend(
    "attention",
    [q, k, v],
    (tensors) => tensors.map((tensor) => part(tensor)) as unknown as Parts<D>,
    channels,
    heads,
    options,
  );
}

/**
 * The attention weights themselves, for inspection only (this is the T×S matrix): [B, H, T, S], or their mean over the
 * heads [B, T, S]. `logSumExp` is the result of the attention op for the same q, k, mask and scale. q and k are
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
  if (k.shape[2] !== q.shape[2]) throw new ShapeError("attentionMap", `q ${q} and k ${k}: channels differ`);
  const [qPart, kPart] = [part(readable(q)), part(readable(k))];
  const problem = check("attentionMap", [qPart, kPart, kPart], q.shape[2]!, heads, options);
  const { batches, queries, keys } = problem;
  if (logSumExp.size !== batches * heads * queries) {
    throw new ShapeError(
      "attentionMap",
      `${logSumExp} must be [${batches}, ${heads}, ${queries}], as the attention returned it`,
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
