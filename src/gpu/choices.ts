/**
 * What ops choose in TypeScript and a tuning table may set: which of several kernels does the work, and into how many
 * parts it is cut. The first candidate of each is the default. An op overrules a choice that the device cannot do.
 */

import { kernels } from "./kernels.generated.js";
import type { Tunable, TuningValue } from "./tuning-table.js";

type Candidates = Readonly<Record<string, readonly TuningValue[]>>;
export type Choice<C extends Candidates> = Tunable<{ readonly [N in keyof C]: C[N][number] }>;

/** A choice named `name`, between things made of these kernels. */
function choice<const C extends Candidates>(
  name: string,
  among: readonly { source: string }[],
  candidates: C,
): Choice<C> {
  const tunables = Object.fromEntries(
    Object.entries(candidates).map(([key, values]) => [key, { fallback: values[0]!, candidates: values }]),
  );
  return { source: [...new Set(among.map(({ source }) => source))].join("\n"), spec: { name, tunables } };
}

const { attention, attentionSubgroup, codebook, codebookSubgroups, conv2d, conv2dSubgroups } = kernels;

const attentionKernels = ["portable", "subgroup"] as const;

export const choices = {
  /** Shape: rows of all matrices of the batch, columns, length of the sums. */
  matmul: choice(
    "choice matmul",
    [kernels.matmul.product, kernels.matmulSubgroup.product, kernels.matmulRegisters.product],
    { KERNEL: ["workgroup", "subgroup", "registers"] },
  ),
  /**
   * Parts of the sum over rows in a linear layer's weight gradient; 0: as many as keep the adapter busy.
   * Shape: inputs, outputs, rows.
   */
  weightGradient: choice("choice weight-gradient", [kernels.combine.combine], {
    SPLITS: [0, 1, 2, 4, 8, 16, 32],
  }),
  /** Shape of all three: batch · heads, queries, keys, width of a head. */
  attentionForward: choice("choice attention-forward", [attention.forward, attentionSubgroup.forward], {
    KERNEL: attentionKernels,
  }),
  attentionBackwardQuery: choice(
    "choice attention-backward-query",
    [attention.backwardQuery, attentionSubgroup.backwardQuery],
    { KERNEL: attentionKernels },
  ),
  attentionBackwardKeyValue: choice(
    "choice attention-backward-key-value",
    [attention.backwardKeyValue, attentionSubgroup.backwardKeyValue],
    { KERNEL: attentionKernels },
  ),
  /** Shape: pixels of the output, channels in, channels out. */
  conv2d: choice("choice conv2d", [conv2d.forward, conv2dSubgroups.forward], {
    KERNEL: ["subgroup", "portable"],
  }),
  /** Shape: vectors, codes, width. */
  nearestCodes: choice("choice nearest-codes", [codebook.nearest, codebookSubgroups.nearest], {
    KERNEL: ["subgroup", "portable"],
  }),
};

/** Every kernel and every choice by the name it has in a tuning table. */
export const tunablesByName: ReadonlyMap<string, Tunable> = new Map(
  [...Object.values(kernels).flatMap((family) => Object.values(family)), ...Object.values(choices)].map(
    (tunable) => [tunable.spec.name, tunable as Tunable],
  ),
);
