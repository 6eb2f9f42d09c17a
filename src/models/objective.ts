/** How a network learns: the loss of a batch, and what it remembers from step to step beside its weights. */

import type { Tensor } from "../engine/tensor/tensor.js";

/** Numbers of a step that are logged: the elements of a tensor by name, null for one that is not told. */
export type Figures = readonly { readonly tensor: Tensor; readonly names: readonly (string | null)[] }[];

/** The first phase of a step: what the gradients come from. */
export interface BatchLoss {
  /** The mean over the batch, a scalar: its gradient trains the network. */
  readonly total: Tensor;
  /** Its parts. Off the tape. */
  readonly figures: Figures;
  /** Off the tape; processes that train together add them up, element by element, before `apply`. */
  readonly sums?: readonly Tensor[];
  /** Values that `apply` reads; they are kept until it has run. */
  readonly kept?: readonly Tensor[];
  /**
   * The second phase, after the gradients are complete: changes what no gradient changes, such as moving averages, given the sums over all
   * of `processes`. Returns further figures.
   */
  apply?(processes: number): Figures;
}

/** What a network learns from batches of `Inputs`. */
export interface Objective<Inputs extends readonly unknown[]> {
  /** Called once before the first step with its batch, as statistics may begin there. */
  start?(...batch: Inputs): void;
  /** Records the loss of a batch. Random numbers come from the stream that the objective was made with. */
  loss(...batch: Inputs): BatchLoss;
  /** What it remembers beside the network's parameters, by name: saved with a checkpoint, taken back with a step that failed. */
  readonly state?: ReadonlyMap<string, Tensor>;
  /** Frees its state. */
  dispose?(): void;
}
