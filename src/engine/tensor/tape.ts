/**
 * The tape: which op made a tensor, what it saved, and how to go back through it. Ops put themselves on it by `record`;
 * autograd.ts goes back along it. An op stays on the tape, and what it saved in memory, as long as a result that came from it
 * is not freed: scopes end without it, and what they return takes its part of the tape along.
 */

import type { DType, Float } from "../gpu/kernel.js";
import type { Watch } from "../gpu/pool.js";
import { AutogradError } from "./errors.js";
import type { Tensor } from "./tensor.js";

/** How a backward function hands over the gradients of its op's inputs, by their position. */
export interface GradWriter {
  /** Whether anyone wants the gradient of input `i`. */
  needs(i: number): boolean;
  /**
   * Where to write the gradient of input `i`: a dense tensor of its shape, to be overwritten, or added to if
   * `accumulate`. Costs no dispatch of its own.
   */
  sink(i: number): { tensor: Tensor; accumulate: boolean };
  /** Like `sink`. A gradient that nobody wants goes into memory of `shape` that is freed with the scope of the backward pass. */
  sinkOrUnused(i: number, shape: readonly number[]): { tensor: Tensor; accumulate: boolean };
  /** Hands over a gradient that exists already: a fresh tensor, a view of one, or `dy` itself. */
  give(i: number, gradient: Tensor): void;
}

export type BackwardFunction = (dy: Tensor, grads: GradWriter) => void;
/** Keeps a tensor for the backward pass and notices if its memory is written before that. */
export type Save = <D extends DType>(tensor: Tensor<D>) => Tensor<D>;

let gradientsOn = true;
let nextOrder = 0;

/** One op on the tape: what it read, what it saved, how to go back through it. */
export class GradNode {
  readonly op: string;
  readonly order = nextOrder++;
  readonly inputs: readonly (Tensor<Float> | GradNode | null)[];
  readonly inputShapes: readonly (readonly number[])[];
  backward: BackwardFunction | null = null;
  /** The gradient of the op's result, while it is being gathered. */
  gradient: Tensor | null = null;
  /** For a dense view of the whole or a stretch of the input: its first element there. */
  viewStart: number | null = null;
  /** Whether `gradient` is a view of the input's gradient, so that nothing is left to do in the backward pass. */
  inPlace = false;
  /**
   * The stretches of `gradient` that views write in place, and of a view that has views of its own, which; null if the op's
   * own consumers wrote it.
   */
  written: { start: number; end: number; view?: GradNode }[] | null = null;
  /** Why there is no way back through the op any more. */
  #ended = "";
  /** Tensors and later ops that lead here. */
  #references = 0;
  #saved: { tensor: Tensor<DType>; watch: Watch }[] = [];

  constructor(op: string, inputs: readonly (Tensor<Float> | null)[]) {
    this.op = op;
    // A leaf is kept as the tensor that receives the gradient, a result as the op that made it.
    this.inputs = inputs.map((input) => (input?.requiresGrad ? (input.node ?? input) : null));
    this.inputShapes = inputs.map((input) => input?.shape ?? []);
    for (const input of this.inputs) if (input instanceof GradNode) input.retain();
  }

  retain(): void {
    this.#references++;
  }

  /** Takes the op off the tape if nothing else leads to it, and then what only it led to. */
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

  /** Throws an `AutogradError` unless the op can be gone back through. */
  check(): void {
    if (!this.backward) throw new AutogradError(this.op, this.#ended);
    for (const { tensor, watch } of this.#saved) {
      if (watch.changed) {
        throw new AutogradError(
          this.op,
          `${tensor} was changed in place after the op saved it for its gradient`,
        );
      }
    }
  }

  /** Lets go of everything saved; the op can no longer be differentiated, for the reason given the first time. */
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

  /** The end of captured work. */
  dispose(): void {
    this.end("it was recorded in captured work; take its gradient inside the capture");
  }
}

/**
 * Puts an op on the tape, if gradients are on and some input wants one; returns `output`. `makeBackward` receives
 * `save`, through which everything that the backward function reads has to go.
 */
export function record<O extends Tensor<Float>>(
  op: string,
  inputs: readonly (Tensor<Float> | null)[],
  output: O,
  makeBackward: (save: Save) => BackwardFunction,
): O {
  if (!gradientsOn || !inputs.some((input) => input?.requiresGrad)) return output;
  const node = new GradNode(op, inputs);
  node.backward = makeBackward((tensor) => node.save(tensor));
  output.node = node;
  output.gpu.endWithCapture(node);
  return output;
}

/** Whether ops are put on the tape. */
export function recording(): boolean {
  return gradientsOn;
}

/** Runs `body` without putting ops on the tape. */
export function noGrad<T>(body: () => T): T {
  return withGradients(false, body);
}

/** `x` as the result of an op that does nothing to it: under `noGrad` off the tape, as every result is there. */
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
