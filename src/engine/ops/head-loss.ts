/**
 * The last layer of a network over a vocabulary and its loss in one op, so that the logits of all rows need not exist at once:
 * at M = 49 408 those of 128 captions of 77 tokens are 1.95 GB, while a buffer holds 128 MiB under WebGPU's default limits.
 *
 * Rows are processed in chunks. If one chunk holds all rows, the logits stay until the backward pass, which replaces them by
 * their gradient in place. With more chunks, the logits of each are freed before the next. As the loss is a scalar, gradients
 * are linear in the factor from the backward pass, so the forward pass computes them for a factor of 1 and adds them up over
 * the chunks; the backward pass multiplies them. That saves computing the logits twice; it holds a copy of the gradients,
 * [rows, d] and [d + 1, M], instead of the logits.
 *
 * A binding must then hold (d + 1)·M floats: under the default 128 MiB, d up to 678 at M = 49 408.
 */

import type { Float } from "../gpu/kernel.js";
import * as kernels from "../gpu/kernels.generated.js";
import { sizeClass } from "../gpu/pool.js";
import { checkTensors, optional } from "../tensor/arguments.js";
import { ShapeError } from "../tensor/errors.js";
import { noGrad, record } from "../tensor/tape.js";
import { empty, type Tensor } from "../tensor/tensor.js";
import type { Sink } from "./combine.js";
import { contiguous } from "./copy.js";
import { type CrossEntropyOptions, type CrossEntropyResult, crossEntropyRows } from "./cross-entropy.js";
import { linear, linearGradients, stackedParameterGradients } from "./matmul.js";
import type { RowLoss, RowLossMaker, RowLossResult } from "./row-loss.js";

/** Logits = hidden·weight + bias. */
export interface Head {
  /** [..., d] */
  readonly hidden: Tensor<Float>;
  /** [d, M] */
  readonly weight: Tensor<Float>;
  /** [M] */
  readonly bias: Tensor | null;
}

/** How head and loss are cut into chunks of rows. */
export interface ChunkOptions {
  /** Maximum bytes of the logits of a chunk; default `defaultChunkBytes`, at most the size limit of a binding. */
  chunkBytes?: number;
}

/**
 * 32 MiB: 169 rows at M = 49 408, enough for the products to be bound by arithmetic, not by the memory traffic of adding up
 * the weight's gradient; for a small model, all rows.
 */
export const defaultChunkBytes = 2 ** 25;

/** The alignment in elements of a binding's offset that every device accepts. */
const alignment = 64;

/**
 * Rows in a chunk. Chunks are as equal as possible, within `chunkBytes` and the largest storage binding, and each begins where
 * a row of `dim` hidden values may be bound. Throws a `ShapeError` if not even the fewest such rows fit.
 */
export function chunkRows(
  rows: number,
  dim: number,
  width: number,
  limits: Pick<GPUSupportedLimits, "maxBufferSize" | "maxStorageBufferBindingSize">,
  chunkBytes = defaultChunkBytes,
): number {
  const limit = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  const fits = (count: number) => sizeClass(4 * count * width) <= limit;
  if (rows * width * 4 <= chunkBytes && fits(rows)) return rows;
  let unit = 1;
  while ((unit * dim) % alignment !== 0) unit *= 2;
  let most = Math.max(1, Math.floor(chunkBytes / (4 * width * unit)));
  while (most > 1 && !fits(most * unit)) most--;
  if (!fits(Math.min(rows, most * unit))) {
    throw new ShapeError(
      "headLoss",
      `logits of ${Math.min(rows, unit)} rows of ${width} exceed the ${limit} bytes that this device allows a buffer`,
    );
  }
  const chunks = Math.ceil(rows / (most * unit));
  return Math.min(rows, Math.ceil(rows / chunks / unit) * unit);
}

/** `crossEntropy` of the head's logits, in chunks of rows: differentiable in hidden, weight and bias. */
export function headCrossEntropy(
  head: Head,
  targets: Tensor<"u32">,
  options: CrossEntropyOptions & ChunkOptions = {},
): CrossEntropyResult {
  const { loss, terms } = headLoss("headCrossEntropy", head, crossEntropyRows(targets, options), options);
  return { loss, rows: terms };
}

/**
 * Any loss of the rows of a head's logits, `chunkBytes` of them at a time: differentiable in hidden, weight and bias. Throws a
 * `ShapeError` of `op` if the shapes of the head do not fit.
 */
export function headLoss(
  op: string,
  head: Head,
  rowLossOf: RowLossMaker,
  { chunkBytes }: ChunkOptions = {},
): RowLossResult {
  const { hidden, weight, bias } = head;
  const { gpu } = hidden;
  return gpu.scope(() => {
    checkTensors(op, "float", hidden, weight, ...optional(bias));
    const [dim, width] = weight.shape as [number, number];
    const shown = `hidden [${hidden.shape.join(", ")}] times weight [${weight.shape.join(", ")}]`;
    if (weight.rank !== 2 || hidden.shape.at(-1) !== dim || (bias && bias.size !== width)) {
      const added = bias ? ` plus bias [${bias.shape.join(", ")}]` : "";
      throw new ShapeError(op, `${shown}${added}: needs [..., d], [d, M] and [M]`);
    }
    const rows = hidden.size / dim;
    const rowLoss = rowLossOf(rows, width, shown);
    const chunk = chunkRows(rows, dim, width, gpu.limits, chunkBytes);
    const dense = noGrad(() => ({
      hidden: contiguous(hidden).reshape([rows, dim]),
      weight: contiguous(weight),
      bias: bias && contiguous(bias),
    }));
    const loss = empty(gpu, [1], "f32", rowLoss.name);
    const recorded =
      chunk === rows ? inOneChunk(head, dense, rowLoss, loss) : inChunks(head, dense, rowLoss, loss, chunk);
    return { loss: recorded, terms: rowLoss.terms };
  });
}

/** For few rows: `linear` and then the loss, except that one buffer holds the logits and later their gradient. */
function inOneChunk(head: Head, dense: Head, rowLoss: RowLoss, loss: Tensor): Tensor {
  const logits = noGrad(() => linear(dense.hidden, dense.weight, dense.bias));
  rowLoss.forward(logits, 0);
  rowLoss.total(loss);
  return record("headLoss", [head.hidden, head.weight, head.bias], loss, (save) => {
    const [hidden, weight, kept] = [save(dense.hidden), save(dense.weight), save(logits)];
    const gradient = rowLoss.differentiable(save);
    return (dloss, grads) => {
      gradient.inPlace(kept, 0, dloss);
      const sink = (i: number) => (grads.needs(i) ? grads.sink(i) : null);
      linearGradients(hidden, weight, kept, { input: sink(0), weight: sink(1), bias: sink(2) });
    };
  });
}

function inChunks(head: Head, dense: Head, rowLoss: RowLoss, loss: Tensor, chunk: number): Tensor {
  const { gpu } = loss;
  const { hidden, weight, bias } = dense;
  const { rows } = rowLoss;
  const [dim, width] = weight.shape as [number, number];
  /** Computes the logits of each chunk, which are freed after `then`. */
  const eachChunk = (then?: (logits: Tensor, part: Tensor<Float>, firstRow: number) => void) =>
    noGrad(() => {
      for (let firstRow = 0; firstRow < rows; firstRow += chunk) {
        gpu.scope(() => {
          const part = hidden.slice(0, firstRow, Math.min(chunk, rows - firstRow));
          const logits = linear(part, weight, bias);
          rowLoss.forward(logits, firstRow);
          then?.(logits, part, firstRow);
        });
      }
    });
  let taken = false;
  const recorded = record("headLoss", [head.hidden, head.weight, head.bias], loss, (save) => {
    taken = true;
    const one = empty(gpu, [1], "f32", "headLoss factor");
    gpu.fillOne(one.storage);
    const dhidden = head.hidden.requiresGrad ? empty(gpu, [rows, dim], "f32", "headLoss dhidden") : null;
    const stack =
      head.weight.requiresGrad || head.bias?.requiresGrad
        ? empty(gpu, [bias ? dim + 1 : dim, width], "f32", "headLoss dweight")
        : null;
    rowLoss.beforeLastRow?.();
    const gradient = rowLoss.differentiable((tensor) => tensor);
    eachChunk((logits, part, firstRow) => {
      gradient.inPlace(logits, firstRow, one);
      if (dhidden) {
        const target = dhidden.slice(0, firstRow, part.shape[0]!);
        linearGradients(part, weight, logits, {
          input: { tensor: target, accumulate: false },
          weight: null,
          bias: null,
        });
      }
      if (stack)
        stackedParameterGradients(part, logits, { tensor: stack, accumulate: firstRow > 0 }, bias !== null);
    });
    const [kept, keptStack] = [dhidden && save(dhidden), stack && save(stack)];
    return (dloss, grads) => {
      const multiply = (source: Tensor | null, offset: number, i: number) => {
        if (source && grads.needs(i)) scale(source, offset, dloss, grads.sink(i));
      };
      multiply(kept, 0, 0);
      multiply(keptStack, 0, 1);
      multiply(keptStack, dim * width, 2);
    };
  });
  if (!taken) eachChunk();
  rowLoss.total(loss);
  return recorded;
}

/** sink (+)= factor · the elements of `source` from `offset` on. */
function scale(source: Tensor, offset: number, factor: Tensor, { tensor: goal, accumulate }: Sink): void {
  const { gpu } = source;
  const kernel = kernels.headLoss.scale;
  gpu.run(
    kernel,
    { source: source.storage, factor, goal },
    { count: goal.size, source_offset: source.offset + offset },
    {
      groups: gpu.groups1d(goal.size, gpu.tunables(kernel).WORKGROUP),
      variant: { ACCUMULATE: accumulate },
    },
  );
}
