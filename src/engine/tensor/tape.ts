/**
 * The tape: for each tensor, the op that made it, the tensors that the op saved, and its backward function. Ops add themselves
 * by `record`; autograd.ts traverses the tape backwards. An op stays on the tape, and its saved tensors in memory, until all
 * results that depend on it are freed. A scope does not end the tape of the results that it returns.
 */

import type { DType, Float } from "../gpu/kernel.js";
import type { Watch } from "../gpu/pool.js";
import { ArgumentError, AutogradError } from "./errors.js";
import type { Tensor } from "./tensor.js";

/** The interface by which a backward function passes on the gradients of its op's inputs, by their position. */
export interface GradWriter {
  /** Whether the gradient of input `i` is needed. */
  needs(i: number): boolean;
  /**
   * The target for the gradient of input `i`: a dense tensor of its shape, to be overwritten, or added to if `accumulate`.
   * Costs no extra dispatch.
   */
  sink(i: number): { tensor: Tensor; accumulate: boolean };
  /** Like `sink`. An unneeded gradient goes into memory of `shape` that is freed with the scope of the backward pass. */
  sinkOrUnused(i: number, shape: readonly number[]): { tensor: Tensor; accumulate: boolean };
  /** Passes on an existing gradient: a new tensor, a view of one, or `dy` itself. */
  give(i: number, gradient: Tensor): void;
}

/** Gives the gradients of an op's inputs, by `grads`, from dy, that of its output. */
export type BackwardFunction = (dy: Tensor, grads: GradWriter) => void;
/** Keeps a tensor for the backward pass and detects whether its memory is written before that. */
export type Save = <D extends DType>(tensor: Tensor<D>) => Tensor<D>;

let gradientsOn = true;
let nextOrder = 0;

/** One op on the tape: its inputs, its saved tensors and its backward function. */
export class GradNode {
  readonly op: string;
  readonly order = nextOrder++;
  readonly inputs: readonly (Tensor<Float> | GradNode | null)[];
  readonly inputShapes: readonly (readonly number[])[];
  backward: BackwardFunction | null = null;
  /** The gradient of the op's result, while it is being accumulated. */
  gradient: Tensor | null = null;
  /** For a dense view of all or a contiguous part of the input: its first element there. */
  viewStart: number | null = null;
  /** Whether `gradient` is a view of the input's gradient, so that nothing is left to do in the backward pass. */
  inPlace = false;
  /**
   * The ranges of `gradient` that views write in place, with the view if that has views itself; null if the op's own consumers
   * wrote the gradient.
   */
  written: { start: number; end: number; view?: GradNode }[] | null = null;
  /** The reason why the op can no longer be differentiated. */
  #ended = "";
  /** The number of tensors and later ops that refer to this node. */
  #references = 0;
  #saved: { tensor: Tensor<DType>; watch: Watch }[] = [];

  constructor(op: string, inputs: readonly (Tensor<Float> | null)[]) {
    this.op = op;
    // Store a leaf as the tensor that receives the gradient, a result as the op that made it.
    this.inputs = inputs.map((input) => (input?.requiresGrad ? (input.node ?? input) : null));
    this.inputShapes = inputs.map((input) => input?.shape ?? []);
    for (const input of this.inputs) if (input instanceof GradNode) input.retain();
  }

  retain(): void {
    this.#references++;
  }

  /** Removes the op from the tape if nothing else refers to it, and then the ops that only it referred to. */
  release(): void {
    const pending: GradNode[] = [this];
    for (const node of pending) {
      node.#references--;
      if (node.#references > 0) continue;
      node.end("no tensor leads to it any more");
      for (const input of node.inputs) if (input instanceof GradNode) pending.push(input);
    }
  }

  save<D extends DType>(tensor: Tensor<D>): Tensor<D> {
    const alias = tensor.alias();
    this.#saved.push({
      tensor: alias as unknown as Tensor<DType>,
      watch: tensor.storage.watch(tensor.region),
    });
    return alias;
  }

  /** Throws an `AutogradError` unless the op can be differentiated. */
  check(): void {
    if (!this.backward) throw new AutogradError(this.op, this.#ended);
    for (const { tensor, watch } of this.#saved) {
      if (watch.changed) {
        throw new AutogradError(this.op, `${tensor} was changed in place after the op saved it`);
      }
    }
  }

  /** Releases all saved tensors; the op can no longer be differentiated, for the reason given the first time. */
  end(why: string): void {
    this.#ended ||= why;
    for (const { tensor, watch } of this.#saved) {
      tensor.storage.unwatch(watch);
      tensor.dispose();
    }
    this.#saved = [];
    this.backward = null;
    this.gradient?.dispose();
    this.gradient = null;
  }

  /** Called at the end of a capture. */
  dispose(): void {
    this.end("it was recorded in captured work; take its gradient inside the capture");
  }
}

/**
 * Records an op on the tape, if gradients are on and some input requires one; returns `output`. `makeBackward` receives
 * `save`, through which it must pass every tensor that the backward function reads. Throws an `ArgumentError` for a parameter
 * that was never given values.
 */
export function record<O extends Tensor<Float>>(
  op: string,
  inputs: readonly (Tensor<Float> | null)[],
  output: O,
  makeBackward: (save: Save) => BackwardFunction,
): O {
  const unset = inputs.find((input) => input?.watch?.changed === false);
  if (unset)
    throw new ArgumentError(
      op,
      `${unset} has no values yet; call initialise(seed) on a model that declares it by this.child, or load weights`,
    );
  if (!gradientsOn || !inputs.some((input) => input?.requiresGrad)) return output;
  const node = new GradNode(op, inputs);
  node.backward = makeBackward((tensor) => node.save(tensor));
  output.node = node;
  output.gpu.endWithCapture(node);
  return output;
}

/** Whether ops are recorded on the tape. */
export function recording(): boolean {
  return gradientsOn;
}

/** Runs `body` without recording ops on the tape. */
export function noGrad<T>(body: () => T): T {
  return withGradients(false, body);
}

/** `x` as the result of an identity op: under `noGrad` off the tape, like every result there. */
export function passedOn<D extends DType>(x: Tensor<D>): Tensor<D> {
  return gradientsOn || !x.requiresGrad ? x : x.detach();
}

/** Runs `body` with the tape on or off. */
export function withGradients<T>(on: boolean, body: () => T): T {
  const before = gradientsOn;
  gradientsOn = on;
  try {
    return body();
  } finally {
    gradientsOn = before;
  }
}
