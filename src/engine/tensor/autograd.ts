/** Reverse-mode differentiation along the tape (tape.ts). Gradients are float32, including those of float16 tensors. */

import type { Gpu } from "../gpu/gpu.js";
import type { Float } from "../gpu/kernel.js";
import { checkTensors } from "./arguments.js";
import { AutogradError, ShapeError } from "./errors.js";
import { copyStrided, denseStrides, sameShape, sizeOf } from "./strided.js";
import { GradNode, type GradWriter, noGrad, recording, withGradients } from "./tape.js";
import { empty, Tensor, untracked } from "./tensor.js";

class NodeGradWriter implements GradWriter {
  readonly #node: GradNode;
  readonly #sinks: Tensor[] = [];
  readonly #late: [i: number, gradient: Tensor][] = [];

  constructor(node: GradNode) {
    this.#node = node;
  }

  needs(i: number): boolean {
    return this.#node.inputs[i] != null;
  }

  #input(i: number): Tensor<Float> | GradNode {
    const input = this.#node.inputs[i];
    if (!input) throw new AutogradError(this.#node.op, `input ${i} wants no gradient`);
    return input;
  }

  sink(i: number): { tensor: Tensor; accumulate: boolean } {
    const { tensor, accumulate } = this.#place(i);
    const { storage, offset, size } = tensor;
    const overlaps = (other: Tensor) =>
      other.storage === storage && other.offset < offset + size && offset < other.offset + other.size;
    if (!this.#sinks.some(overlaps)) {
      this.#sinks.push(tensor);
      return { tensor, accumulate };
    }
    // The same tensor twice, for example as weight and bias: one dispatch may write both, so the second share is added later.
    const apart = untracked(tensor.gpu, tensor.shape, "f32", tensor.label);
    this.#late.push([i, apart]);
    return { tensor: apart, accumulate: false };
  }

  sinkOrUnused(i: number, shape: readonly number[]): { tensor: Tensor; accumulate: boolean } {
    if (this.needs(i)) return this.sink(i);
    return { tensor: empty(this.#node.gradient!.gpu, shape, "f32", "unused gradient"), accumulate: false };
  }

  /** Adds the gradients that could not be written in place. */
  finish(): void {
    for (const [i, gradient] of this.#late) {
      this.give(i, gradient);
      gradient.dispose();
    }
  }

  /** The tensor in which the gradient of input `i` is accumulated. */
  #place(i: number): { tensor: Tensor; accumulate: boolean } {
    const input = this.#input(i);
    const { gpu } = this.#node.gradient!;
    const shape = this.#node.inputShapes[i]!;
    if (input instanceof Tensor) {
      input.grad ??= untracked(gpu, shape, "f32", `grad ${input.label}`);
      const accumulate = input.gradIsCurrent;
      input.gradIsCurrent = true;
      return { tensor: input.grad, accumulate };
    }
    const existing = input.gradient;
    if (!existing) {
      input.gradient = newGradient(gpu, input, shape);
      return { tensor: input.gradient, accumulate: false };
    }
    if (input.written) clearGaps(input, existing);
    // A gradient passed to `give` may be shared: it is copied before it is added to.
    else if (existing.storage.shared && !input.inPlace) {
      input.gradient = untracked(gpu, shape, "f32", `grad of ${input.op}`);
      copyStrided(existing, input.gradient, { accumulate: false });
      existing.dispose();
    }
    return { tensor: input.gradient!, accumulate: true };
  }

  give(i: number, gradient: Tensor): void {
    const input = this.#input(i);
    const shape = this.#node.inputShapes[i]!;
    if (!sameShape(gradient.shape, shape)) {
      throw new ShapeError(
        this.#node.op,
        `its gradient for input ${i} is [${gradient.shape.join(", ")}], the input [${shape.join(", ")}]`,
      );
    }
    if (!(input instanceof Tensor) && !input.gradient && gradient.gpu.binds(gradient)) {
      input.gradient = gradient.alias();
      return;
    }
    const { tensor, accumulate } = this.#place(i);
    copyStrided(gradient, tensor, { accumulate });
  }
}

/** Memory for the gradient of a result: inside the gradient of the tensor that it views, if possible, else separate memory. */
function newGradient(gpu: Gpu, node: GradNode, shape: readonly number[]): Tensor {
  const parent = node.inputs[0];
  const start = node.viewStart;
  if (start !== null && parent instanceof GradNode) {
    const end = start + sizeOf(shape);
    const bindable = (start * 4) % gpu.limits.minStorageBufferOffsetAlignment === 0;
    const fresh = !parent.gradient;
    const apart = parent.written?.every((stretch) => stretch.end <= start || end <= stretch.start);
    if (bindable && (fresh || apart)) {
      parent.gradient ??= newGradient(gpu, parent, node.inputShapes[0]!);
      parent.written ??= [];
      parent.written.push({ start, end, view: node });
      node.inPlace = true;
      return parent.gradient.alias(shape, denseStrides(shape), parent.gradient.offset + start);
    }
  }
  return untracked(gpu, shape, "f32", `grad of ${node.op}`);
}

/** Fills the parts of a gradient with zeros that no view, or view of a view, has written. It is then complete. */
function clearGaps(node: GradNode, gradient: Tensor): void {
  for (const { view } of node.written!) if (view?.written && view.gradient) clearGaps(view, view.gradient);
  let from = 0;
  const gap = (end: number) => {
    if (end > from)
      gradient.gpu.clearBuffer(gradient.storage, (gradient.offset + from) * 4, (end - from) * 4);
  };
  for (const { start, end } of [...node.written!].sort((a, b) => a.start - b.start)) {
    gap(start);
    from = end;
  }
  gap(gradient.size);
  node.written = [{ start: 0, end: gradient.size }];
}

/** Propagates the gradient of `root`, which is set, through all ops that it depends on, and frees them on the way. */
function propagate(root: GradNode): void {
  const reachable = new Set<GradNode>();
  const pending = [root];
  while (pending.length > 0) {
    const node = pending.pop()!;
    if (reachable.has(node)) continue;
    reachable.add(node);
    for (const input of node.inputs) if (input instanceof GradNode) pending.push(input);
  }
  let why = "a backward pass through it failed; run the forward pass again";
  try {
    for (const node of [...reachable].sort((a, b) => b.order - a.order)) {
      const dy = node.gradient;
      if (dy && node.written) clearGaps(node, dy);
      if (dy && !node.inPlace) {
        node.check();
        const { backward } = node;
        const grads = new NodeGradWriter(node);
        dy.gpu.scope(() => backward!(dy, grads));
        grads.finish();
      }
      node.end("");
    }
    why = "its gradient was taken; run the forward pass again";
  } finally {
    for (const node of reachable) node.end(why);
  }
}

/**
 * Adds d(loss)/d(leaf) to `leaf.grad` of every leaf that `loss` (one element) depends on. The pass consumes the tape: it frees
 * the memory that ops saved on the way.
 */
export function backward(loss: Tensor): void {
  checkTensors("backward", "f32", loss);
  if (loss.size !== 1)
    throw new AutogradError("backward", `${loss} has ${loss.size} elements; a loss has one`);
  const { one } = loss.gpu;
  one.retain();
  const seed = new Tensor(loss.gpu, one, "f32", loss.shape, denseStrides(loss.shape), 0, "grad of loss");
  backwardFrom(loss, seed);
  seed.dispose();
}

/** Like `backward`, from a tensor of any shape and the gradient `dy` with respect to it, a tensor of the same shape. */
export function backwardFrom(output: Tensor<Float>, dy: Tensor): void {
  checkTensors("backward", "float", output, dy);
  if (!sameShape(output.shape, dy.shape)) {
    throw new ShapeError("backward", `${output} has the gradient ${dy}`);
  }
  if (!output.requiresGrad)
    throw new AutogradError("backward", `${output.label} depends on nothing that requires a gradient`);
  let { node } = output;
  if (!node) {
    // For a leaf, the gradient is dy itself.
    node = new GradNode("leaf", [output]);
    node.backward = (gradient, grads) => grads.give(0, gradient);
  }
  node.gradient?.dispose();
  // Every kernel must be able to bind the gradient.
  node.gradient = dy.gpu.binds(dy) ? dy.alias() : dy.packed();
  withGradients(false, () => propagate(node));
}

/** Marks the gradient of a leaf as stale: the next backward pass overwrites it instead of adding to it. */
export function zeroGrad(leaf: Tensor<Float>): void {
  leaf.gradIsCurrent = false;
}

/** State outside the tape that must be the same in a second run of a function as in the first (positions in random streams). */
export interface ReplayableState {
  position(): number;
  setPosition(position: number): void;
}

/**
 * Activation checkpointing: runs `body(...inputs)` without saving anything inside it, and runs it a second time when the
 * gradient is taken. Keeps only the inputs in memory, instead of all tensors that the ops in `body` save. Rewinds `random` for
 * the second run, so that dropout draws the same masks.
 */
export function checkpoint<const T extends readonly Tensor<Float>[]>(
  body: (...inputs: T) => Tensor,
  inputs: T,
  random?: ReplayableState,
): Tensor {
  if (!recording()) return body(...inputs);
  const start = random?.position() ?? 0;
  const { gpu } = inputs[0]!;
  const result = noGrad(() => gpu.scope(() => body(...inputs)));
  // A tensor that the body returns unchanged keeps its own node on the tape.
  const output = result.requiresGrad ? result.detach() : result;
  // A body that uses parameters needs the gradient of its result even if no input requires one.
  const node = new GradNode("checkpoint", inputs);
  const saved = inputs.map((input) => node.save(input));
  const wanted = inputs.map((input) => input.requiresGrad);
  node.backward = (dy, grads) => {
    const end = random?.position() ?? 0;
    random?.setPosition(start);
    const leaves = saved.map((tensor, i) => {
      const leaf = tensor.detach();
      leaf.isLeafWithGrad = wanted[i]!;
      return leaf;
    });
    withGradients(true, () => {
      const again = body(...(leaves as unknown as T));
      if (again.requiresGrad) backwardFrom(again, dy);
    });
    random?.setPosition(end);
    leaves.forEach((leaf, i) => {
      if (leaf.grad && grads.needs(i)) grads.give(i, leaf.grad);
      leaf.grad?.dispose();
    });
  };
  output.node = node;
  gpu.endWithCapture(node);
  return output;
}
