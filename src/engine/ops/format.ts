/** Tensors as text, and comparison within a tolerance. */

import type { DType, Float } from "../gpu/kernel.js";
import { checkTensors } from "../tensor/arguments.js";
import type { Tensor } from "../tensor/tensor.js";
import { eq, le, lt } from "./compare.js";
import { cast } from "./copy.js";
import { abs, maximum, mul, scale, sub } from "./elementwise.js";
import { min } from "./reductions.js";

/** Element type, shape and name: `f32 [2, 3] weights`. Does not read the tensor. */
export function describe(x: Tensor<DType>): string {
  return `${x.dtype} [${x.shape.join(", ")}] ${x.label}${x.disposed ? " (freed)" : ""}`;
}

/** Options of `format` and `print`. */
export interface FormatOptions {
  /** Significant digits of a real number; default 4. */
  digits?: number;
  /** Number of indices shown at either end of a shortened axis; default 3. */
  edge?: number;
  /** Number of elements from which axes longer than both ends are shortened; default 100. */
  most?: number;
}

/** `describe`, and the elements in nested brackets, in columns; large tensors show the ends of each axis. Waits for the GPU. */
export async function format(x: Tensor<DType>, options: FormatOptions = {}): Promise<string> {
  checkTensors("format", "any", x);
  const { digits = 4, edge = 3, most = 100 } = options;
  const values = await x.read();
  const { shape } = x;
  const shortened = x.size > most;
  const indices = shape.map((length) => {
    const all = Array.from({ length }, (_, i) => i);
    return shortened && length > 2 * edge ? [...all.slice(0, edge), -1, ...all.slice(length - edge)] : all;
  });
  const shown = (value: number) =>
    x.dtype === "f32" || x.dtype === "f16" ? `${Number(value.toPrecision(digits))}` : `${value}`;
  const rows = (axis: number, base: number, visit: (text: string) => string): string => {
    if (axis === shape.length) return visit(shown(values[base]!));
    const parts = indices[axis]!.map((i) => (i < 0 ? "…" : rows(axis + 1, base * shape[axis]! + i, visit)));
    const between =
      axis === shape.length - 1 ? " " : `${"\n".repeat(shape.length - 1 - axis)}${" ".repeat(axis + 1)}`;
    return `[${parts.join(between)}]`;
  };
  let width = 0;
  rows(0, 0, (text) => {
    width = Math.max(width, text.length);
    return text;
  });
  return `${describe(x)}\n${rows(0, 0, (text) => text.padStart(width))}`;
}

/** Writes `format` to the console. */
export async function print(x: Tensor<DType>, options: FormatOptions = {}): Promise<void> {
  console.log(await format(x, options));
}

/** Options of `allclose`. */
export interface CloseOptions {
  /** Tolerance relative to the element of the second tensor; default 10⁻⁵. */
  rel?: number;
  /** Additional absolute tolerance; default 10⁻⁸. */
  abs?: number;
}

/**
 * Whether |x − y| ≤ abs + rel·|y| for every pair of elements; shapes broadcast. Equal infinities are close, NaN is close to
 * nothing. Compares on the GPU and reads one number.
 */
export async function allclose(
  x: Tensor<Float>,
  y: Tensor<Float>,
  options: CloseOptions = {},
): Promise<boolean> {
  checkTensors("allclose", "float", x, y);
  const { rel = 1e-5, abs: most = 1e-8 } = options;
  const { gpu } = x;
  const all = gpu.scope(() => {
    const [p, q] = [x, y].map((each) =>
      each.dtype === "f32" ? (each.detach() as Tensor) : cast(each.detach(), "f32"),
    );
    const distance = abs(sub(p!, q!));
    const within = mul(le(distance, scale(abs(q!), rel, most)), lt(distance, Number.POSITIVE_INFINITY));
    return min(maximum(eq(p!, q!), within)).keep();
  });
  return (await all.item().finally(() => all.dispose())) === 1;
}
