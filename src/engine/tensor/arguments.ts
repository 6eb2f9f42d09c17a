/** Checks that every op makes on its tensor arguments before using them. */

import type { DType } from "../gpu/kernel.js";
import { ArgumentError } from "./errors.js";
import { Tensor } from "./tensor.js";

/** Element types that an op may take: real numbers as "float", all four as "any". */
export type Taken = DType | "float" | "any";

function takes(taken: Taken, dtype: DType): boolean {
  return taken === "any" || taken === dtype || (taken === "float" && dtype.startsWith("f"));
}

/**
 * Throws an `ArgumentError` unless every argument is a tensor of the element type taken and all are of one `Gpu`, and a
 * `UseAfterFreeError` if one was freed.
 */
export function checkTensors(op: string, taken: Taken, ...given: readonly unknown[]): void {
  given.forEach((tensor, i) => {
    if (!(tensor instanceof Tensor)) {
      const shown = Object(tensor) === tensor ? "an object" : tensor;
      // A loss comes with figures of its rows.
      const hint = (tensor as { loss?: unknown } | null | undefined)?.loss ? "; its loss is one" : "";
      throw new ArgumentError(op, `argument ${i + 1} is ${shown}, not a tensor${hint}`);
    }
    void tensor.storage;
    if (!takes(taken, tensor.dtype)) {
      const hint = taken === "u32" ? '; give fromArray the type "u32"' : "";
      throw new ArgumentError(op, `${tensor} is ${tensor.dtype}, the op takes ${taken}${hint}`);
    }
    const [first] = given as Tensor[];
    if (tensor.gpu !== first!.gpu)
      throw new ArgumentError(op, `${tensor} is not on the Gpu of ${first!.label}`);
  });
}

/** An optional argument, for the list of `checkTensors`. */
export function optional<T>(value: T | null | undefined): T[] {
  return value === null || value === undefined ? [] : [value];
}
