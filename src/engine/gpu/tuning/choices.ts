/**
 * Choices that ops make in TypeScript and that a tuning table may set: the kernel that does the work, and the number of parts
 * into which it is split. The first candidate of each is the default. An op overrides a choice that the device cannot run.
 */

import * as kernels from "../kernels.generated.js";
import type { Tunable, TuningValue } from "./tuning-table.js";

type Candidates = Readonly<Record<string, readonly TuningValue[]>>;
export type Choice<C extends Candidates> = Tunable<{ readonly [N in keyof C]: C[N][number] }>;

/** Defines a choice among implementations with these kernels. It is a function so that a bundle can omit unused choices. */
function choice<const C extends Candidates>(
  name: string,
  among: () => readonly { source: string }[],
  candidates: C,
): Choice<C> {
  const tunables = Object.fromEntries(
    Object.entries(candidates).map(([key, values]) => [key, { fallback: values[0]!, candidates: values }]),
  );
  const source = [...new Set(among().map(({ source }) => source))].join("\n");
  return { source, spec: { name, tunables } };
}

const attentionKernels = ["portable", "subgroup", "registers"] as const;

/** Shape: rows of all matrices of the batch, columns, length of the sums. */
export const matmul = /* @__PURE__ */ choice(
  "choice matmul",
  () => [kernels.matmul.product, kernels.matmulSubgroup.product, kernels.matmulRegisters.product],
  { KERNEL: ["workgroup", "subgroup", "registers"] },
);

/**
 * Parts of the sum over rows in a linear layer's weight gradient; 0: enough parts to keep the adapter busy.
 * Shape: inputs, outputs, rows.
 */
export const weightGradient = /* @__PURE__ */ choice(
  "choice weight-gradient",
  () => [kernels.combine.combine],
  { SPLITS: [0, 1, 2, 4, 8, 16, 32] },
);

/** Shape of both: batch · heads, queries, keys, width of a head. */
export const attentionForward = /* @__PURE__ */ choice(
  "choice attention-forward",
  () => [kernels.attention.forward, kernels.attentionSubgroup.forward, kernels.attentionRegisters.forward],
  { KERNEL: attentionKernels },
);

export const attentionBackward = /* @__PURE__ */ choice(
  "choice attention-backward",
  () => [
    kernels.attention.backwardQuery,
    kernels.attentionSubgroup.backward,
    kernels.attentionRegisters.backward,
  ],
  { KERNEL: attentionKernels },
);

/** Shape: pixels of the output, channels in, channels out. */
export const conv2d = /* @__PURE__ */ choice(
  "choice conv2d",
  () => [kernels.conv2d.forward, kernels.conv2dSubgroups.forward],
  { KERNEL: ["subgroup", "portable"] },
);

/** Shape: vectors, codes, width. */
export const nearestCodes = /* @__PURE__ */ choice(
  "choice nearest-codes",
  () => [kernels.codebook.nearest, kernels.codebookSubgroups.nearest],
  { KERNEL: ["subgroup", "portable"] },
);
