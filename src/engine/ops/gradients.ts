/** Gradients during the backward pass: hooks that read or replace them, and gradients of results. */

import type { Float } from "../gpu/kernel.js";
import { checkTensors } from "../tensor/arguments.js";
import { AutogradError, ShapeError } from "../tensor/errors.js";
import { sameShape } from "../tensor/strided.js";
import { type GradNode, recording } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import { contiguous } from "./copy.js";

/** Receives the complete gradient of a result, once per backward pass. A tensor returned, of the same shape, replaces it. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook that only reads returns nothing.
export type GradientHook = (gradient: Tensor) => Tensor | void;

const hooks = new WeakMap<GradNode, Set<GradientHook>>();

/**
 * Calls `hook` with the gradient of `x`, the result of an op, when a backward pass reaches it: off the tape, before the pass
 * goes on to the op's inputs. Several hooks run in the order in which they were added, each with the gradient from the
 * previous one. The gradient is freed after the hook; keep a copy (`scale(gradient, 1).keep()`) or use `retainGrad`. Does
 * nothing under `noGrad`. Returns a function that removes the hook.
 *
 * A leaf has no hook: read or change its `grad` after the backward pass.
 */
export function onGradient(x: Tensor<Float>, hook: GradientHook): () => void {
  checkTensors("onGradient", "float", x);
  if (!recording()) return () => {};
  const { node } = x;
  if (!node) {
    const why = x.isLeafWithGrad
      ? "is a leaf; read or change its grad after the backward pass"
      : "depends on nothing that requires a gradient";
    throw new AutogradError("onGradient", `${x.label} ${why}`);
  }
  node.check();
  let added = hooks.get(node);
  if (!added) {
    added = new Set();
    hooks.set(node, added);
    hookUp(node, x.shape, added);
  }
  added.add(hook);
  return () => added.delete(hook);
}

/** Inserts the hooks before the backward function of a node. */
function hookUp(node: GradNode, shape: readonly number[], added: ReadonlySet<GradientHook>): void {
  const goOn = node.backward!;
  // The gradient of a view must not be written in place inside another one: the hooks would never be called.
  node.viewStart = null;
  node.backward = (dy, grads) => {
    let gradient = dy;
    for (const hook of added) {
      const replaced = hook(gradient);
      if (!replaced) continue;
      checkTensors("onGradient", "f32", replaced);
      if (!sameShape(replaced.shape, shape)) {
        throw new ShapeError(
          "onGradient",
          `the hook returned [${replaced.shape.join(", ")}] for a gradient of [${shape.join(", ")}]`,
        );
      }
      gradient = contiguous(replaced);
    }
    goOn(gradient, grads);
  };
}

/**
 * Keeps the gradient of `x`, the result of an op, in `x.grad` after a backward pass, as for a leaf; `x.grad.dispose()`
 * frees it. The next pass through x replaces it. Hooks that were added earlier run first. Returns `x`.
 */
export function retainGrad<T extends Tensor<Float>>(x: T): T {
  if (x.isLeafWithGrad) return x;
  onGradient(x, (gradient) => {
    x.grad?.dispose();
    x.grad = gradient.detach().keep();
  });
  return x;
}
