/**
 * Matrix products (shaders/matmul/matmul.wgsl, matmul-subgroup.wgsl, matmul-registers.wgsl): batched, transposed, with an
 * epilogue; and the linear layer.
 */

import type { Gpu } from "../gpu/gpu.js";
import { bytesPerElement, type Float } from "../gpu/kernel.js";
import * as kernels from "../gpu/kernels.generated.js";
import type { Storage } from "../gpu/pool.js";
import * as choices from "../gpu/tuning/choices.js";
import { checkTensors, optional } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { broadcast } from "../tensor/strided.js";
import { noGrad, record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import { combineParts, type Sink } from "./combine.js";
import { contiguous } from "./copy.js";
import { activationBackward } from "./elementwise.js";
import { sumTo } from "./reduce.js";
import { type InTable, type Numbers, pick, type Variant } from "./variants.js";

/** The function applied to a product before the residual is added; gelu2 is x·sigmoid(1.702 x). */
export type Activation = "none" | "gelu2" | "silu" | "relu";

/** Codes of the activations in the kernels. */
const activationCodes: Readonly<Record<Activation, number>> = { none: 0, gelu2: 1, silu: 2, relu: 3 };

/** A stack of matrices in memory: strides in elements, two batch axes. */
interface Operand {
  storage: Storage;
  dtype: Float;
  offset: number;
  rows: number;
  columns: number;
  rowStride: number;
  columnStride: number;
  batch: readonly [number, number];
  batchStride: readonly [number, number];
}

interface Epilogue {
  accumulate?: boolean;
  bias?: Tensor | null;
  residual?: Tensor | null;
  activation?: Activation;
  /** Offset in `c`, in elements (a multiple of four), of the values before the activation; 0 if they are not kept. */
  keepAt?: number;
  splits?: number;
  columnSums?: boolean;
}

interface ProductVariant extends Variant<void> {
  readonly family: {
    readonly product: InTable<typeof kernels.matmul.product>;
    /** Writes vectors of four. */
    readonly productVectors?: InTable<
      typeof kernels.matmulSubgroup.productVectors | typeof kernels.matmulRegisters.productVectors
    >;
  };
  /** Additional compile-time choices, for sums over `k` and what `params` switch on; `aligned` states whether A and B can be read as vectors. */
  variant(
    aligned: Record<"A_VECTORS" | "B_VECTORS", boolean>,
    k: number,
    params: Record<"residual_on" | "keep" | "activation", number>,
  ): Record<string, boolean>;
  /** Rows and columns of C per workgroup, for a C of `m` rows, and the tunables that set them. */
  tile(gpu: Gpu, tuned: Numbers, m: number): { rows: number; columns: number; tune?: Numbers };
}

const variants: readonly ProductVariant[] = [
  {
    name: "subgroup",
    family: kernels.matmulSubgroup,
    applies: ({ certainLanes }) => certainLanes >= 8,
    variant: (aligned) => aligned,
    tile({ certainLanes }, tuned, m) {
      const LANES = Math.min(tuned.LANES!, certainLanes);
      // A tile need not be much higher than the matrix.
      const ROW_GROUPS = Math.min(tuned.ROW_GROUPS!, 2 ** Math.ceil(Math.log2(Math.ceil(m / LANES))));
      return { rows: LANES * ROW_GROUPS, columns: 4 * LANES, tune: { LANES, ROW_GROUPS } };
    },
  },
  {
    name: "registers",
    family: kernels.matmulRegisters,
    applies: ({ certainLanes }) => certainLanes >= 4,
    variant: (aligned, k, { residual_on, keep, activation }) => ({
      ...aligned,
      TAIL: k % 4 !== 0,
      EPILOGUE: (residual_on || keep || activation) !== 0,
    }),
    tile: () => ({ rows: 16, columns: 16 }),
  },
  {
    name: "workgroup",
    family: kernels.matmul,
    applies: () => true,
    variant: () => ({}),
    tile: (_, tune) => ({ rows: tune.TILE!, columns: tune.TILE!, tune }),
  },
];

/** Selects the kernels for a shape [rows of all matrices, columns, length of the sums]. */
function variantFor(gpu: Gpu, shape?: readonly number[]): ProductVariant {
  return pick(variants, gpu.tunables(choices.matmul, shape).KERNEL, gpu, undefined);
}

/** The name of the variant that runs for a shape, for tests. */
export function matmulKernel(gpu: Gpu, shape?: readonly number[]): string {
  return variantFor(gpu, shape).name;
}

/** Computes C = epilogue(A·B) into the dense tensor `c`. Only this function launches the kernels. */
function product(gpu: Gpu, a: Operand, b: Operand, c: Tensor<Float>, epilogue: Epilogue = {}): void {
  const m = a.rows;
  const k = a.columns;
  const n = b.columns;
  const splits = epilogue.splits ?? 1;
  const [batch0, batch1] = a.batch;
  // The contiguous axis of A is k unless elements of a column are adjacent; that of B is n unless its columns are contiguous.
  const aTransposed = !(a.columnStride === 1 || k === 1);
  const bTransposed = !(b.columnStride === 1 || n === 1);
  const params = {
    m,
    n,
    k,
    a_offset: a.offset,
    a_row: a.rowStride,
    a_column: a.columnStride,
    a_batch_0: a.batchStride[0],
    a_batch_1: a.batchStride[1],
    b_offset: b.offset,
    b_row: b.rowStride,
    b_column: b.columnStride,
    b_batch_0: b.batchStride[0],
    b_batch_1: b.batchStride[1],
    batch_1: batch1,
    splits,
    split_length: Math.ceil(k / splits / 16) * 16,
    c_size: m * n + (epilogue.columnSums ? n : 0),
    bias_on: Number(epilogue.bias != null),
    residual_on: Number(epilogue.residual != null),
    accumulate: Number(epilogue.accumulate ?? false),
    keep: Number(epilogue.keepAt !== undefined),
    kept_offset: epilogue.keepAt ?? 0,
    activation: activationCodes[epilogue.activation ?? "none"],
    column_sums: Number(epilogue.columnSums ?? false),
    layers: batch0 * batch1 * splits,
  };
  // Variants have different names for the same memory, and bindings that a call does not use still need a buffer.
  const bias = epilogue.bias ?? a.storage;
  const residual = epilogue.residual ?? a.storage;
  const bindings = {
    a: a.storage,
    b: b.storage,
    a_numbers: a.storage,
    b_numbers: b.storage,
    c,
    c_vectors: c,
    bias,
    bias_vectors: bias,
    residual,
    residual_vectors: residual,
  };
  const shape = [batch0 * batch1 * m, n, k];
  const { family, variant, tile } = variantFor(gpu, shape);
  const { rows, columns, tune } = tile(gpu, gpu.tunables<Numbers>(family.product, shape), m);
  const divisible = (operand: Operand, stride: number, line: number) =>
    [operand.offset, stride, line, ...operand.batchStride].every((value) => value % 4 === 0);
  const aligned = {
    A_VECTORS: divisible(a, aTransposed ? a.columnStride : a.rowStride, aTransposed ? m : k),
    B_VECTORS: divisible(b, bTransposed ? b.columnStride : b.rowStride, bTransposed ? k : n),
  };
  gpu.run((n % 4 === 0 && family.productVectors) || family.product, bindings, params, {
    groups: gpu.groups1d(Math.ceil(m / rows) * Math.ceil(n / columns) * params.layers, 1),
    variant: {
      A: a.dtype,
      B: b.dtype,
      C: c.dtype,
      COLUMN_SUMS: epilogue.columnSums ?? false,
      EPILOGUE: (params.bias_on || params.residual_on || params.keep || params.activation) !== 0,
      A_TRANSPOSED: aTransposed,
      B_TRANSPOSED: bTransposed,
      ...variant(aligned, k, params),
    },
    tune,
  });
}

/** The elements of a tensor as a matrix [rows, columns]. */
function matrix(tensor: Tensor<Float>, rows: number, columns: number): Operand {
  const { storage, dtype, offset } = tensor.contiguous ? tensor : noGrad(() => contiguous(tensor));
  return {
    storage,
    dtype,
    offset,
    rows,
    columns,
    rowStride: columns,
    columnStride: 1,
    batch: [1, 1],
    batchStride: [0, 0],
  };
}

function transposed(operand: Operand): Operand {
  const { rows, columns, rowStride, columnStride } = operand;
  return { ...operand, rows: columns, columns: rows, rowStride: columnStride, columnStride: rowStride };
}

/**
 * Merges the batch axes of two operands into as few axes as their strides allow. Returns lengths and both operands' strides,
 * outermost first, with 0 where an operand repeats.
 */
function commonBatch(
  a: Tensor<Float>,
  b: Tensor<Float>,
  shape: readonly number[],
): { lengths: number[]; a: number[]; b: number[] } {
  const strideOf = (tensor: Tensor<Float>, axis: number) => {
    const own = axis - (shape.length - (tensor.rank - 2));
    return own < 0 || tensor.shape[own] === 1 ? 0 : tensor.strides[own]!;
  };
  const merged: { length: number; a: number; b: number }[] = [];
  shape.forEach((length, axis) => {
    if (length === 1) return;
    const next = { length, a: strideOf(a, axis), b: strideOf(b, axis) };
    const last = merged.at(-1);
    if (last && last.a === next.a * length && last.b === next.b * length) {
      merged[merged.length - 1] = { length: last.length * length, a: next.a, b: next.b };
    } else {
      merged.push(next);
    }
  });
  return {
    lengths: merged.map((axis) => axis.length),
    a: merged.map((axis) => axis.a),
    b: merged.map((axis) => axis.b),
  };
}

/** Returns a tensor that the kernels can read: one of its two inner strides is 1. Copies only if neither is. */
function readable(tensor: Tensor<Float>): Tensor<Float> {
  const [rowStride, columnStride] = tensor.strides.slice(-2);
  const [rows, columns] = tensor.shape.slice(-2);
  const lines = columnStride === 1 || columns === 1 || rowStride === 1 || rows === 1;
  return lines ? tensor : contiguous(tensor);
}

/** Computes the batched product of two tensors' inner matrices, each optionally transposed, into `into.tensor`. */
function multiply(
  a: Tensor<Float>,
  aT: boolean,
  b: Tensor<Float>,
  bT: boolean,
  into: { tensor: Tensor<Float>; accumulate: boolean },
): void {
  const shape = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2))!;
  let left = readable(a);
  let right = readable(b);
  let batch = commonBatch(left, right, shape);
  if (batch.lengths.length > 2) {
    left = contiguous(expanded(left, shape));
    right = contiguous(expanded(right, shape));
    batch = commonBatch(left, right, shape);
  }
  const pair = (values: readonly number[], filler: number): [number, number] => [
    values.at(-2) ?? filler,
    values.at(-1) ?? filler,
  ];
  const operand = (tensor: Tensor<Float>, strides: readonly number[], flip: boolean): Operand => {
    const [rowStride, columnStride] = tensor.strides.slice(-2) as [number, number];
    const [rows, columns] = tensor.shape.slice(-2) as [number, number];
    const plain: Operand = {
      storage: tensor.storage,
      dtype: tensor.dtype,
      offset: tensor.offset,
      rows,
      columns,
      rowStride,
      columnStride,
      batch: pair(batch.lengths, 1),
      batchStride: pair(strides, 0),
    };
    return flip ? transposed(plain) : plain;
  };
  const x = operand(left, batch.a, aT);
  const y = operand(right, batch.b, bT);
  product(a.gpu, x, y, into.tensor, { accumulate: into.accumulate });
}

/** A view that repeats a tensor's matrices to a batch shape. */
function expanded(tensor: Tensor<Float>, batch: readonly number[]): Tensor<Float> {
  const shape = [...batch, ...tensor.shape.slice(-2)];
  const lead = shape.length - tensor.rank;
  const strides = shape.map((_, axis) =>
    axis < lead || tensor.shape[axis - lead] === 1 ? 0 : tensor.strides[axis - lead]!,
  );
  const view = tensor.alias(shape, strides);
  tensor.gpu.track(view);
  return view;
}

/** Options of `matmul`. */
export interface MatmulOptions<D extends Float = "f32"> {
  /** Takes `a` as [..., k, m]. */
  transposeA?: boolean;
  /** Takes `b` as [..., n, k]. */
  transposeB?: boolean;
  /** Element type of the product; default float32. */
  output?: D;
}

/**
 * The product of [..., m, k] and [..., k, n]: [..., m, n]. Batch axes broadcast. Operands may be strided views;
 * transposed ones (by option or by `transpose()`) cost no copy. Either may be float16; sums are float32.
 */
export function matmul<D extends Float = "f32">(
  a: Tensor<Float>,
  b: Tensor<Float>,
  options: MatmulOptions<D> = {},
): Tensor<D> {
  checkTensors("matmul", "float", a, b);
  const { transposeA = false, transposeB = false, output = "f32" as D } = options;
  if (a.rank < 2 || b.rank < 2)
    throw new ShapeError("matmul", `a ${a} and b ${b}: both need at least two axes`);
  const k = a.shape.at(transposeA ? -2 : -1)!;
  const kOfB = b.shape.at(transposeB ? -1 : -2)!;
  if (k !== kOfB)
    throw new ShapeError("matmul", `a ${a} and b ${b}: inner dimensions ${k} and ${kOfB} differ`);
  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (!batch) {
    throw new ShapeError("matmul", `a ${a} and b ${b}: batch axes do not broadcast`);
  }
  const rows = a.shape.at(transposeA ? -1 : -2)!;
  const columns = b.shape.at(transposeB ? -2 : -1)!;
  const c = empty(a.gpu, [...batch, rows, columns], output, "matmul");
  multiply(a, transposeA, b, transposeB, { tensor: c, accumulate: false });
  return record("matmul", [a, b], c, (save) => {
    const x = save(a);
    const y = save(b);
    return (dy, grads) => {
      // dA = dC·Bᵀ and dB = Aᵀ·dC; the gradient of a transposed operand is the transposed product.
      if (grads.needs(0)) {
        if (transposeA) gradient(0, x, y, transposeB, dy, true);
        else gradient(0, x, dy, false, y, !transposeB);
      }
      if (grads.needs(1)) {
        if (transposeB) gradient(1, y, dy, true, x, transposeA);
        else gradient(1, y, x, !transposeA, dy, false);
      }
      function gradient(
        i: number,
        input: Tensor<Float>,
        left: Tensor<Float>,
        leftT: boolean,
        right: Tensor<Float>,
        rightT: boolean,
      ): void {
        const batch = broadcast(left.shape.slice(0, -2), right.shape.slice(0, -2))!;
        const full = [...batch, ...input.shape.slice(-2)];
        const repeated =
          full.length !== input.rank || full.some((length, axis) => length !== input.shape[axis]);
        if (!repeated) {
          multiply(left, leftT, right, rightT, grads.sink(i));
          return;
        }
        const each = empty(input.gpu, full, "f32", "gradients of a repeated operand");
        multiply(left, leftT, right, rightT, { tensor: each, accumulate: false });
        grads.give(i, sumTo(each, input.shape));
      }
    };
  });
}

/** Options of `linear`. */
export interface LinearOptions<D extends Float = "f32"> {
  activation?: Activation;
  /** Added after the activation; of the output's shape. */
  residual?: Tensor;
  /** Element type of the result and of the values kept for the gradient; default float32. */
  output?: D;
}

/** The number of parts to split a sum over `k` into, so that `tiles` tiles of C keep the whole adapter busy. */
function splitsFor(gpu: Gpu, tiles: number, k: number): number {
  const wanted = gpu.software ? 8 : 256;
  return Math.max(1, Math.min(Math.floor(wanted / tiles), Math.floor(k / 128)));
}

/**
 * activation(x·weight + bias) + residual, in one dispatch: x [..., in], weight [in, out], bias [out] or null.
 * Backward: one dispatch for x, one or two for weight and bias together, and one more for an activation, whose argument is
 * kept from the forward pass; the residual's gradient is the output's. x and weight may be float16; sums are float32.
 */
export function linear<D extends Float = "f32">(
  x: Tensor<Float>,
  weight: Tensor<Float>,
  bias: Tensor | null,
  options: LinearOptions<D> = {},
): Tensor<D> {
  checkTensors("linear", "float", x, weight, ...optional(bias), ...optional(options.residual));
  const { activation = "none", residual = null, output = "f32" as D } = options;
  const { gpu } = x;
  const [inputs, outputs] = weight.shape as [number, number];
  if (weight.rank !== 2 || x.shape.at(-1) !== inputs) {
    throw new ShapeError("linear", `x ${x} and weight ${weight}: x is [..., in], the weight [in, out]`);
  }
  if (bias && (bias.rank !== 1 || bias.size !== outputs)) {
    throw new ShapeError("linear", `bias ${bias} for weight ${weight}: it needs [${outputs}]`);
  }
  const shape = [...x.shape.slice(0, -1), outputs];
  if (
    residual &&
    (residual.rank !== shape.length || residual.shape.some((length, axis) => length !== shape[axis]))
  ) {
    throw new ShapeError("linear", `residual ${residual} for an output [${shape.join(", ")}]`);
  }
  const rows = x.size / inputs;
  const size = rows * outputs;
  const [input, factor, shift, added] = noGrad(() => [
    x.contiguous ? x : contiguous(x),
    weight.contiguous ? weight : contiguous(weight),
    bias && contiguous(bias),
    residual && contiguous(residual),
  ]) as [Tensor<Float>, Tensor<Float>, Tensor | null, Tensor | null];
  const differentiable = [x, weight, bias, residual].some((tensor) => tensor?.requiresGrad);
  // The activation's argument lies behind the output in one buffer, so that one dispatch writes both. The derivative of relu
  // follows from its output, unless a residual is added to that.
  const keepsPre = differentiable && activation !== "none" && (activation !== "relu" || residual !== null);
  const alignment = 256 / bytesPerElement[output];
  const preOffset = Math.ceil(size / alignment) * alignment;
  const memory = keepsPre ? empty(gpu, [preOffset + size], output, "linear") : null;
  const y = memory ? memory.slice(0, 0, size).reshape(shape) : empty(gpu, shape, output, "linear");
  product(gpu, matrix(input, rows, inputs), matrix(factor, inputs, outputs), memory ?? y, {
    bias: shift,
    residual: added,
    activation,
    keepAt: keepsPre ? preOffset : undefined,
  });
  return record("linear", [x, weight, bias, residual], y, (save) => {
    const savedInput = save(input);
    const savedWeight = save(factor);
    const savedArgument = activation === "none" ? null : save(argument());
    return (dy, grads) => {
      if (grads.needs(3)) grads.give(3, dy);
      const dz =
        savedArgument && activation !== "none" ? activationBackward(activation, savedArgument, dy) : dy;
      linearGradients(savedInput, savedWeight, dz, {
        input: grads.needs(0) ? grads.sink(0) : null,
        weight: grads.needs(1) ? grads.sink(1) : null,
        bias: bias && grads.needs(2) ? grads.sink(2) : null,
      });
    };
    function argument(): Tensor<Float> {
      return memory ? memory.slice(0, preOffset, size).reshape(shape) : y;
    }
  });
}

/** Computes the gradients of z = x·weight + bias from dz that have a sink; x [..., in], weight [in, out], both dense. */
export function linearGradients(
  x: Tensor<Float>,
  weight: Tensor<Float>,
  dz: Tensor,
  sinks: { input: Sink | null; weight: Sink | null; bias: Sink | null },
): void {
  const [inputs, outputs] = weight.shape as [number, number];
  const rows = x.size / inputs;
  if (sinks.input) {
    const { tensor, accumulate } = sinks.input;
    product(x.gpu, matrix(dz, rows, outputs), transposed(matrix(weight, inputs, outputs)), tensor, {
      accumulate,
    });
  }
  parameterGradients(x, dz, rows, inputs, outputs, sinks);
}

/**
 * Computes the gradients of a linear layer's parameters in one tensor and one dispatch, for sums over several calls:
 * [in + 1, out], dW with db as the last row; for a layer without bias, [in, out].
 */
export function stackedParameterGradients(x: Tensor<Float>, dz: Tensor, stack: Sink, bias: boolean): void {
  const inputs = x.shape.at(-1)!;
  const outputs = dz.shape.at(-1)!;
  const rows = x.size / inputs;
  product(x.gpu, transposed(matrix(x, rows, inputs)), matrix(dz, rows, outputs), stack.tensor, {
    columnSums: bias,
    accumulate: stack.accumulate,
  });
}

/** Computes dW = Xᵀ·dZ and db = column sums of dZ in one pass over dZ. */
function parameterGradients(
  x: Tensor<Float>,
  dz: Tensor,
  rows: number,
  inputs: number,
  outputs: number,
  sinks: { weight: Sink | null; bias: Sink | null },
): void {
  const { gpu } = x;
  const left = transposed(matrix(x, rows, inputs));
  const right = matrix(dz, rows, outputs);
  const { weight, bias } = sinks;
  if (!weight) {
    if (bias) sumTo(dz.reshape([rows, outputs]), [outputs], bias);
    return;
  }
  const { SPLITS } = gpu.tunables(choices.weightGradient, [inputs, outputs, rows]);
  const splits = SPLITS || splitsFor(gpu, Math.ceil(inputs / 64) * Math.ceil(outputs / 64), rows);
  if (!bias && splits === 1) {
    product(gpu, left, right, weight.tensor, { accumulate: weight.accumulate });
    return;
  }
  const both = bias && splits <= fewSplits ? stacked(weight, bias, inputs, outputs) : null;
  if (both) {
    product(gpu, left, right, both, { columnSums: true });
    both.dispose();
    return;
  }
  const rowsAbove = inputs + (bias ? 1 : 0);
  const parts = empty(gpu, [splits, rowsAbove * outputs], "f32", "parts of a weight gradient");
  product(gpu, left, right, parts, { splits, columnSums: bias !== null });
  combineParts(parts, inputs * outputs, weight, bias);
}

/** Splitting the sum into this number of parts or fewer is not worth the dispatch that adds them up, if it can be avoided. */
const fewSplits = 2;

/**
 * Both gradients as one tensor [in + 1, out], if the bias directly follows its weight in memory, as in the packed gradients
 * of a model: a product with column sums then writes them in place. null if they lie elsewhere or are accumulated.
 */
function stacked(weight: Sink, bias: Sink, inputs: number, outputs: number): Tensor | null {
  const [head, tail] = [weight.tensor, bias.tensor];
  const adjacent = head.storage === tail.storage && tail.offset === head.offset + inputs * outputs;
  if (!adjacent || weight.accumulate || bias.accumulate) return null;
  return head.alias([inputs + 1, outputs], [outputs, 1]);
}
