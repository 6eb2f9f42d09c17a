/** How a network learns: the loss of a batch, and the state kept from step to step beside its weights. */

import type { Tensor } from "../engine/tensor/tensor.js";

/** Logged numbers of a step: the elements of a tensor by name, null for one that is not logged. */
export type Figures = readonly { readonly tensor: Tensor; readonly names: readonly (string | null)[] }[];

/** The process's part of each batch where `count` processes train together: its samples are number `index` of as many equal parts. */
export interface Part {
  readonly index: number;
  readonly count: number;
}

/** Values of which each process holds a share, and what follows once they are added up over all processes. */
export interface Shared {
  readonly sums: readonly Tensor[];
  /** Values that `apply` reads; kept until it has run. */
  readonly kept: readonly (Tensor | Tensor<"u32">)[];
  apply(): void;
}

/** The first phase of a step, from which the gradients come. */
export interface BatchLoss {
  /** The mean over the batch, a scalar: its gradient trains the network. */
  readonly total: Tensor;
  /** Its parts. Not recorded on the tape. */
  readonly figures: Figures;
  /** Not recorded on the tape. Processes that train together add them up, element by element, before `apply`. */
  readonly sums?: readonly Tensor[];
  /** Values that `apply` reads; kept until it has run. */
  readonly kept?: readonly Tensor[];
  /**
   * The second phase, after the gradients are complete: changes values that have no gradient, such as moving averages, given the
   * sums over all of `processes`. Returns further figures.
   */
  apply?(processes: number): Figures;
  /** Called after `apply` where several processes train together, for what needs values of all of them. */
  share?(part: Part): Shared;
}

/** The objective of a network that learns from batches of `Inputs`. */
export interface Objective<Inputs extends readonly unknown[]> {
  /** Whether a batch of captions also says what its words are about, as data that know it tell. */
  readonly grounded?: boolean;
  /** Called once before the first step with its batch, to initialise statistics. */
  start?(...batch: Inputs): void;
  /** The same where several processes train together, each with its part of the batch. */
  startShared?(part: Part, ...batch: Inputs): Shared;
  /** Records the loss of a batch. Random numbers come from the stream that the objective was made with. */
  loss(...batch: Inputs): BatchLoss;
  /** State beside the network's parameters, by name: saved with a checkpoint, restored after a failed step. */
  readonly state?: ReadonlyMap<string, Tensor>;
  /** Frees its state. */
  dispose?(): void;
}
