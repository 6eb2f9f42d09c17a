/** Views of all kinds, and the test that an op takes each of them. */

import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import type { DType, Float } from "../../../dist/engine/gpu/kernel.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../../harness.js";

/** An input of an op: its shape, and its elements if random floats will not do. */
export interface Input {
  shape: number[];
  data?: ArrayLike<number>;
  dtype?: DType;
}

export interface Case<Name extends string = string> {
  /** The functions that the case covers, as the modules export them. */
  names: readonly Name[];
  inputs: readonly Input[];
  /** Results; the gradient of the first one is compared if it has any. */
  run(gpu: Gpu, ...inputs: Tensor[]): readonly Tensor<DType>[];
}

export function size(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** A tensor that holds the elements of an input, where in it they lie, and the view of it that is the input. */
interface Laid {
  whole: Tensor;
  at: number[];
  view(whole: Tensor): Tensor;
}

/** Memory of a shape with the elements at their places and threes elsewhere. */
function lay(gpu: Gpu, { data, dtype }: Required<Input>, shape: number[], at: number[]): Tensor {
  const all = new Float64Array(size(shape)).fill(3);
  at.forEach((place, i) => {
    all[place] = data[i]!;
  });
  const whole = fromArray(gpu, all, shape, dtype as "f32", "whole");
  return dtype === "f32" ? whole.requireGrad() : whole;
}

type Layout = (gpu: Gpu, input: Required<Input>) => Laid;

const dense: Layout = (gpu, input) => {
  const at = Array.from(input.data, (_, i) => i);
  return { whole: lay(gpu, input, input.shape, at), at, view: (whole) => whole };
};

const layouts: Record<string, Layout> = {
  "a stretch from an odd offset": (gpu, input) => {
    const { shape } = input;
    const count = size(shape);
    const at = Array.from(input.data, (_, i) => i + 5);
    const whole = lay(gpu, input, [count + 8], at);
    return { whole, at, view: (from) => from.slice(0, 5, count).reshape(shape) };
  },
  "a slice of every row": (gpu, input) => {
    const { shape } = input;
    const width = shape.at(-1)!;
    const at = Array.from(input.data, (_, i) => Math.floor(i / width) * (width + 3) + 1 + (i % width));
    const whole = lay(gpu, input, [...shape.slice(0, -1), width + 3], at);
    return { whole, at, view: (from) => from.slice(-1, 1, width) };
  },
  "a transposed slice": (gpu, input) => {
    // [..., rows, width] lies as [..., width, rows + 1]; a vector as a column.
    const { shape } = input;
    const width = shape.at(-1)!;
    const height = shape.at(-2) ?? 1;
    const at = Array.from(input.data, (_, i) => {
      const block = Math.floor(i / (height * width));
      const [row, column] = [Math.floor(i / width) % height, i % width];
      return (block * width + column) * (height + 1) + row + 1;
    });
    const whole = lay(gpu, input, [...shape.slice(0, -2), width, height + 1], at);
    const view = (from: Tensor) => from.slice(-1, 1, height).transpose();
    return { whole, at, view: shape.length > 1 ? view : (from) => view(from).reshape(shape) };
  },
};

interface Outcome {
  results: number[][];
  /** Of each input, or null. */
  gradients: (number[] | null)[];
  /** Whether the gradient of what the view leaves out is zero. */
  clean: boolean;
}

async function outcome(gpu: Gpu, { inputs, run }: Case, layout: Layout): Promise<Outcome> {
  const made = inputs.map(({ shape, data, dtype = "f32" }, i) =>
    layout(gpu, { shape, data: data ?? randomArray(i + 1, size(shape)), dtype }),
  );
  const results = gpu.scope(() => {
    const all = run(gpu, ...made.map(({ whole, view }) => view(whole)));
    const [first] = all as [Tensor<Float>];
    if (first.node) backwardFrom(first, fromArray(gpu, randomArray(99, first.size), first.shape));
    return all.map((tensor) => tensor.detach().keep());
  });
  const found: Outcome = { results: [], gradients: [], clean: true };
  for (const tensor of results) found.results.push(Array.from(await tensor.read()));
  for (const { whole, at } of made) {
    const gradient = whole.grad ? await whole.grad.read() : null;
    found.gradients.push(gradient && at.map((place) => gradient[place]!));
    const own = new Set(at);
    found.clean &&= !gradient || gradient.every((value, i) => own.has(i) || value === 0);
    whole.grad?.dispose();
    whole.dispose();
  }
  for (const tensor of results) tensor.dispose();
  return found;
}

/** A test that an op takes every view: results and gradients are those of dense tensors with the same elements. */
export function checkViews(each: Case): void {
  test(`${each.names.join(", ")} of [${each.inputs.map(({ shape }) => shape.join("×")).join("], [")}]`, async (t, gpu) => {
    const expected = await outcome(gpu, each, dense);
    t.ok(expected.results.flat().every(Number.isFinite), "dense: finite");
    for (const [name, layout] of Object.entries(layouts)) {
      const actual = await outcome(gpu, each, layout);
      const tolerance = { abs: 1e-5, rel: 1e-5 };
      t.near(actual.results.flat(), expected.results.flat(), tolerance, `${name}: results`);
      t.near(
        actual.gradients.flatMap((values) => values ?? []),
        expected.gradients.flatMap((values) => values ?? []),
        tolerance,
        `${name}: gradients`,
      );
      t.ok(actual.clean, `${name}: no gradient beside it`);
    }
  });
}
