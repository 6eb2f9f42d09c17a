/** The ops that programs are made of: how each is drawn, written and computed in float64. */

import {
  affine,
  binaryRules,
  broadcastShape,
  clamp,
  flat,
  placesOf,
  type Tape,
  unaryRules,
  type Value,
} from "../reference/tape.js";
import type { Draw } from "./generate.js";
import type { Options } from "./program.js";

/** What an instruction is made with. */
export interface Drawn {
  readonly inputs: readonly string[];
  readonly options: Options;
}

export interface Kind {
  /** How often it is drawn, relative to others. */
  readonly weight: number;
  /** Whether the op changes a tensor instead of making one. */
  readonly statement?: true;
  /** Chooses inputs and options; null if nothing in sight fits. */
  draw(draw: Draw): Drawn | null;
  /** The call, as an expression. */
  code(inputs: readonly string[], options: Options): string;
  /** The same in float64. */
  apply(tape: Tape, inputs: readonly Value[], options: Options): Value | null;
}

function show(value: Options[string]): string {
  return Array.isArray(value) ? `[${value.join(", ")}]` : JSON.stringify(value);
}

/** As a literal of an object. */
function literal(options: Options): string {
  const parts = Object.entries(options).map(([name, value]) => `${name}: ${show(value)}`);
  return parts.length === 0 ? "{}" : `{ ${parts.join(", ")} }`;
}

const numbers = (value: Options[string] | undefined) => value as readonly number[];
const number = (value: Options[string] | undefined) => value as number;

/** With the axes from 0 on, negative ones counted from the last. */
const axisOf = (axis: Options[string] | undefined, rank: number) =>
  number(axis) < 0 ? number(axis) + rank : number(axis);

/** The axis itself, or now and then counted from the last. */
function anyAxis(draw: Draw, rank: number): number {
  const axis = draw.random.whole(0, rank - 1);
  return draw.random.chance(0.3) ? axis - rank : axis;
}

/** `P.op(a, b, { … })`; nothing of the options where there are none. */
function call(op: string, inputs: readonly string[], options: Options = {}): string {
  const parts = Object.keys(options).length > 0 ? [...inputs, literal(options)] : inputs;
  return `P.${op}(${parts.join(", ")})`;
}

// ---------------------------------------------------------------- views

const views: Record<string, Kind> = {
  reshape: {
    weight: 5,
    draw(draw) {
      const x = draw.any(({ value }) => value.dense);
      if (!x) return null;
      return { inputs: [x.name], options: { shape: draw.shapeOfSize(x.value.size) } };
    },
    code: ([x], { shape }) => `${x}.reshape([${numbers(shape).join(", ")}])`,
    apply: (tape, [x], { shape }) => tape.reshape(x!, numbers(shape)),
  },
  transpose: {
    weight: 5,
    draw(draw) {
      const x = draw.any(({ value }) => value.rank >= 2);
      if (!x) return null;
      return {
        inputs: [x.name],
        options: { a: anyAxis(draw, x.value.rank), b: anyAxis(draw, x.value.rank) },
      };
    },
    code: ([x], { a, b }) => `${x}.transpose(${a}, ${b})`,
    apply: (tape, [x], { a, b }) => tape.transpose(x!, axisOf(a, x!.rank), axisOf(b, x!.rank)),
  },
  slice: {
    weight: 9,
    draw(draw) {
      const x = draw.any(({ value }) => value.size > 1);
      if (!x) return null;
      // Cut from the front as a rule: what begins where its parent does is the delicate case.
      const axis = draw.random.chance(0.5) ? 0 : anyAxis(draw, x.value.rank);
      const full = x.value.shape[axisOf(axis, x.value.rank)]!;
      const length = draw.random.whole(1, full);
      const start = draw.random.chance(0.4) ? 0 : draw.random.whole(0, full - length);
      return { inputs: [x.name], options: { axis, start, length } };
    },
    code: ([x], { axis, start, length }) => `${x}.slice(${axis}, ${start}, ${length})`,
    apply: (tape, [x], { axis, start, length }) =>
      tape.slice(x!, axisOf(axis, x!.rank), number(start), number(length)),
  },
  contiguous: {
    weight: 1,
    draw(draw) {
      const x = draw.any(() => true);
      return x && { inputs: [x.name], options: {} };
    },
    code: (inputs) => call("contiguous", inputs),
    apply: (tape, [x]) =>
      tape.view(
        x!,
        x!.shape,
        placesOf(x!.shape, (at) => flat(x!.shape, at)),
      ),
  },
  detach: {
    weight: 1,
    draw(draw) {
      const x = draw.any(() => true);
      return x && { inputs: [x.name], options: {} };
    },
    code: ([x]) => `${x}.detach()`,
    apply: (tape, [x]) => tape.detach(x!),
  },
};

// ---------------------------------------------------------------- elementwise

function anyInput(draw: Draw): Drawn | null {
  const x = draw.any(() => true);
  return x && { inputs: [x.name], options: {} };
}

/** An input that is positive, made so if need be. */
function positive(draw: Draw): Drawn {
  const found = draw.any(({ value }) => value.data.every((number) => number > 0.1));
  if (found && draw.random.chance(0.5)) return { inputs: [found.name], options: {} };
  const x = draw.any(() => true)!;
  const squared = draw.insert("square", [x.name], {});
  const shifted = draw.insert("scale", [squared], { factor: 0.5, term: draw.random.of([0.25, 0.5, 2]) });
  return { inputs: [shifted], options: {} };
}

const unaryDraws: Record<string, (draw: Draw) => Drawn | null> = { log: positive, sqrt: positive };

const unary: Record<string, Kind> = Object.fromEntries(
  Object.entries(unaryRules)
    .filter(([op]) => op !== "logarithm")
    .map(([op, rule]) => [
      op,
      {
        weight: 2,
        draw: unaryDraws[op] ?? anyInput,
        code: (inputs) => call(op, inputs),
        apply: (tape, [x]) => tape.map(x!, rule),
      } satisfies Kind,
    ]),
);

const elementwise: Record<string, Kind> = {
  ...unary,
  scale: {
    weight: 3,
    draw(draw) {
      const x = draw.any(() => true)!;
      const options = { factor: draw.random.of([-2, -0.75, 0.5, 1.5]), term: draw.random.of([0, 0.25, -1]) };
      return { inputs: [x.name], options };
    },
    code: ([x], { factor, term }) => `P.scale(${x}, ${factor}, ${term})`,
    apply: (tape, [x], { factor, term }) => tape.map(x!, affine(number(factor), number(term))),
  },
  clamp: {
    weight: 2,
    draw(draw) {
      const x = draw.any(() => true)!;
      const options = { low: draw.random.of([-1.0625, -0.53125]), high: draw.random.of([0.65625, 1.3125]) };
      return { inputs: [x.name], options };
    },
    code: ([x], { low, high }) => `P.clamp(${x}, ${low}, ${high})`,
    apply: (tape, [x], { low, high }) => tape.map(x!, clamp(number(low), number(high))),
  },
  ...Object.fromEntries(
    Object.entries(binaryRules).map(([op, rule]) => [
      op,
      {
        weight: 4,
        draw(draw) {
          const x = draw.any(() => true)!;
          const y = draw.random.chance(0.1) ? x : draw.broadcastable(x, op === "div");
          if (!y) return null;
          const inputs = draw.random.chance(0.5) && op !== "div" ? [y.name, x.name] : [x.name, y.name];
          return { inputs, options: {} };
        },
        code: (inputs) => call(op, inputs),
        apply: (tape, [x, y]) => tape.zip(x!, y!, rule),
      } satisfies Kind,
    ]),
  ),
  straightThrough: {
    weight: 1,
    draw(draw) {
      const z = draw.any(() => true)!;
      return { inputs: [z.name, draw.like(z.value.shape)], options: {} };
    },
    code: (inputs) => call("straightThrough", inputs),
    apply(tape, [z, quantised]) {
      // z - detach(z) + detach(quantised), whose derivative by z is 1.
      const rule = { ...binaryRules.add, value: (_: number, y: number) => y, valueError: () => 0 };
      return tape.zip(z!, tape.detach(quantised!), rule);
    },
  },
};

// ---------------------------------------------------------------- reductions

const reductions: Record<string, (tape: Tape, x: Value, axes: readonly number[], keep: boolean) => Value> = {
  sum: (tape, x, axes, keep) => tape.sum(x, axes, keep),
  mean: (tape, x, axes, keep) => tape.mean(x, axes, keep),
  max: (tape, x, axes, keep) => tape.max(x, axes, keep),
  sumSquares: (tape, x, axes, keep) => tape.sum(tape.map(x, unaryRules.square), axes, keep),
  sumAbsolute: (tape, x, axes, keep) => tape.sum(tape.map(x, unaryRules.abs), axes, keep),
};

const reducing: Record<string, Kind> = {
  ...Object.fromEntries(
    Object.entries(reductions).map(([op, reduce]) => [
      op,
      {
        weight: op === "sum" || op === "mean" || op === "max" ? 3 : 1,
        draw(draw) {
          const x = draw.any(({ value }) => value.rank >= 1);
          if (!x) return null;
          const { rank } = x.value;
          const axes = draw.random.chance(0.2)
            ? null
            : Array.from({ length: rank }, (_, axis) => axis)
                .filter(() => draw.random.chance(0.5))
                .map((axis) => (draw.random.chance(0.3) ? axis - rank : axis));
          return { inputs: [x.name], options: { axes, keepDims: draw.random.chance(0.4) } };
        },
        code: ([x], { axes, keepDims }) =>
          `P.${op}(${x}, ${axes ? `[${numbers(axes).join(", ")}]` : undefined}, { keepDims: ${keepDims} })`,
        apply(tape, [x], { axes, keepDims }) {
          const all = axes
            ? numbers(axes).map((axis) => axisOf(axis, x!.rank))
            : x!.shape.map((_, axis) => axis);
          return reduce(tape, x!, all, keepDims as boolean);
        },
      } satisfies Kind,
    ]),
  ),
  ...Object.fromEntries(
    (
      [
        ["mse", unaryRules.square],
        ["l1", unaryRules.abs],
      ] as const
    ).map(([op, rule]) => [
      op,
      {
        weight: 1,
        draw(draw) {
          const x = draw.any(() => true)!;
          return { inputs: [x.name, draw.like(x.value.shape)], options: {} };
        },
        code: (inputs) => call(op, inputs),
        apply(tape, [a, b]) {
          const difference = tape.map(tape.sub(a!, b!), rule);
          return tape.mean(
            difference,
            a!.shape.map((_, axis) => axis),
          );
        },
      } satisfies Kind,
    ]),
  ),
};

// ---------------------------------------------------------------- over the last axis

const rows: Record<string, Kind> = {
  ...Object.fromEntries(
    (["softmax", "logSoftmax", "logSumExp"] as const).map((op) => [
      op,
      {
        weight: 2,
        draw(draw) {
          const x = draw.any(({ value }) => value.rank >= 1);
          return x && { inputs: [x.name], options: {} };
        },
        code: (inputs) => call(op, inputs),
        apply(tape, [x]) {
          const y = tape[op](x!);
          return op === "logSumExp" ? tape.reshape(y, x!.shape.slice(0, -1)) : y;
        },
      } satisfies Kind,
    ]),
  ),
  crossEntropy: {
    weight: 2,
    draw(draw) {
      const x = draw.any(({ value }) => value.rank >= 1);
      if (!x) return null;
      const width = x.value.shape.at(-1)!;
      const ignore = draw.random.chance(0.4) ? width : null;
      const targets = draw.ids(x.value.shape.slice(0, -1), ignore === null ? width : width + 1);
      if (targets.data[0] === ignore) return null; // some row has to count
      return { inputs: [x.name, targets.name], options: { ignore } };
    },
    code: (inputs, { ignore }) => `${call("crossEntropy", inputs, ignore == null ? {} : { ignore })}.loss`,
    apply(tape, [x, targets], { ignore }) {
      const width = x!.shape.at(-1)!;
      const counted = [...targets!.data].flatMap((target, row) =>
        target === ignore ? [] : [row * width + target],
      );
      const chosen = tape.gather(tape.logSoftmax(x!), [counted.length], Int32Array.from(counted));
      return tape.reshape(tape.map(tape.mean(chosen, [0]), unaryRules.neg), [1]);
    },
  },
  layerNorm: {
    weight: 2,
    draw(draw) {
      const x = draw.any(({ value }) => value.rank >= 1 && value.shape.at(-1)! > 1);
      if (!x) return null;
      const channels = x.value.shape.at(-1)!;
      return { inputs: [x.name, draw.like([channels]), draw.like([channels])], options: {} };
    },
    code: (inputs) => call("layerNorm", inputs),
    apply: (tape, [x, weight, bias]) =>
      tape.add(tape.mul(tape.normalised(x!, [x!.rank - 1], 1e-5), weight!), bias!),
  },
  adaLayerNorm: {
    weight: 1,
    draw(draw) {
      const x = draw.any(({ value }) => value.rank === 3 && value.shape[2]! > 1);
      if (!x) return null;
      const [batch, , channels] = x.value.shape as [number, number, number];
      return { inputs: [x.name, draw.like([batch, 2 * channels])], options: {} };
    },
    code: (inputs) => call("adaLayerNorm", inputs),
    apply(tape, [x, scaleShift]) {
      const [batch, , channels] = x!.shape as [number, number, number];
      const part = (start: number) =>
        tape.reshape(tape.slice(scaleShift!, 1, start, channels), [batch, 1, channels]);
      const factor = tape.map(part(0), affine(1, 1));
      return tape.add(tape.mul(tape.normalised(x!, [2], 1e-5), factor), part(channels));
    },
  },
  groupNorm: {
    weight: 1,
    draw(draw) {
      const x = draw.any(({ value }) => value.rank >= 2 && value.size > value.shape[0]!);
      if (!x) return null;
      const channels = x.value.shape.at(-1)!;
      const groups = draw.random.of([1, 2, 3, 4, channels].filter((count) => channels % count === 0));
      const options = { groups, activation: draw.random.of(["none", "silu"]) };
      return { inputs: [x.name, draw.like([channels]), draw.like([channels])], options };
    },
    code: ([x, weight, bias], { groups, activation }) =>
      `P.groupNorm(${x}, ${groups}, ${weight}, ${bias}, { activation: "${activation}" })`,
    apply(tape, [x, weight, bias], { groups, activation }) {
      const [batch, channels] = [x!.shape[0]!, x!.shape.at(-1)!];
      const grouped = tape.reshape(
        x!,
        [batch, -1, number(groups), channels / number(groups)].map((length) =>
          length < 0 ? x!.size / batch / channels : length,
        ),
      );
      const normal = tape.reshape(tape.normalised(grouped, [1, 3], 1e-5), x!.shape);
      const y = tape.add(tape.mul(normal, weight!), bias!);
      return activation === "silu" ? tape.map(y, unaryRules.silu) : y;
    },
  },
};

// ---------------------------------------------------------------- products

/** Exchanges the last two axes. */
const flipped = (tape: Tape, x: Value) => tape.transpose(x, x.rank - 2, x.rank - 1);

const products: Record<string, Kind> = {
  matmul: {
    weight: 5,
    draw(draw) {
      const a = draw.any(({ value }) => value.rank >= 2);
      if (!a) return null;
      const transposeA = draw.random.chance(0.3);
      const transposeB = draw.random.chance(0.3);
      const k = a.value.shape.at(transposeA ? -2 : -1)!;
      const fits = draw.any(
        ({ value }) =>
          value.rank >= 2 &&
          value.shape.at(transposeB ? -1 : -2) === k &&
          broadcastShape(value.shape.slice(0, -2), a.value.shape.slice(0, -2)) !== null,
      );
      const inner = draw.length();
      const matrix = transposeB ? [inner, k] : [k, inner];
      const batch = a.value.shape.slice(0, -2).map((length) => (draw.random.chance(0.3) ? 1 : length));
      const b =
        fits && draw.random.chance(0.6)
          ? fits.name
          : draw.like([...(draw.random.chance(0.5) ? batch : []), ...matrix]);
      return { inputs: [a.name, b], options: { transposeA, transposeB } };
    },
    code: (inputs, { transposeA, transposeB }) =>
      call("matmul", inputs, {
        ...(transposeA ? { transposeA } : {}),
        ...(transposeB ? { transposeB } : {}),
      }),
    apply: (tape, [a, b], { transposeA, transposeB }) =>
      tape.matmul(transposeA ? flipped(tape, a!) : a!, transposeB ? flipped(tape, b!) : b!),
  },
  linear: {
    weight: 4,
    draw(draw) {
      const x = draw.any(({ value }) => value.rank >= 1);
      if (!x) return null;
      const outputs = draw.length();
      const weight = draw.like([x.value.shape.at(-1)!, outputs]);
      const bias = draw.random.chance(0.7) ? draw.like([outputs]) : null;
      const residual = draw.random.chance(0.3) ? draw.like([...x.value.shape.slice(0, -1), outputs]) : null;
      const activation = draw.random.of(["none", "gelu2", "silu", "relu"]);
      return {
        inputs: [x.name, weight, ...(bias ? [bias] : []), ...(residual ? [residual] : [])],
        options: { activation, bias: bias !== null, residual: residual !== null },
      };
    },
    code([x, weight, ...more], { activation, bias, residual }) {
      const parts = [
        ...(activation === "none" ? [] : [`activation: "${activation}"`]),
        ...(residual ? [`residual: ${more.at(-1)}`] : []),
      ];
      return `P.linear(${x}, ${weight}, ${bias ? more[0] : null}${parts.length > 0 ? `, { ${parts.join(", ")} }` : ""})`;
    },
    apply(tape, [x, weight, ...more], { activation, bias, residual }) {
      const [inputs, outputs] = weight!.shape as [number, number];
      const rows = tape.reshape(x!, [x!.size / inputs, inputs]);
      let y = tape.reshape(tape.matmul(rows, weight!), [...x!.shape.slice(0, -1), outputs]);
      if (bias) y = tape.add(y, more[0]!);
      if (activation !== "none") y = tape.map(y, unaryRules[activation as "gelu2" | "silu" | "relu"]);
      return residual ? tape.add(y, more.at(-1)!) : y;
    },
  },
  modulation: {
    weight: 1,
    draw(draw) {
      const [layers, channels] = [draw.random.whole(1, 2), draw.length()];
      const outputs = 4 * draw.random.whole(1, 2);
      const fits = draw.any(({ value }) => value.rank === 2 && value.shape[1] === layers * channels);
      const h = fits ? fits.name : draw.like([draw.length(), layers * channels]);
      return {
        inputs: [h, draw.like([layers, channels, outputs]), draw.like([layers, 1, outputs])],
        options: {},
      };
    },
    code: (inputs) => call("modulation", inputs),
    apply(tape, [h, weight, bias]) {
      const [layers, channels] = weight!.shape as [number, number, number];
      const rows = tape.reshape(tape.map(h!, unaryRules.silu), [h!.shape[0]!, layers, channels]);
      return tape.add(tape.matmul(tape.transpose(rows, 0, 1), weight!), bias!);
    },
  },
  concat: {
    weight: 4,
    draw(draw) {
      const x = draw.any(({ value }) => value.rank >= 1);
      if (!x) return null;
      const axis = anyAxis(draw, x.value.rank);
      const along = axisOf(axis, x.value.rank);
      const names = [x.name];
      for (let more = draw.random.whole(1, 2); more > 0; more--) {
        const y = draw.any(
          ({ value }) =>
            value.rank === x.value.rank &&
            value.shape.every((length, i) => i === along || length === x.value.shape[i]),
        );
        const shape = x.value.shape.map((length, i) => (i === along ? draw.length() : length));
        names.push(y && draw.random.chance(0.6) ? y.name : draw.like(shape));
      }
      return { inputs: names, options: { axis } };
    },
    code: (inputs, { axis }) => `P.concat([${inputs.join(", ")}], ${axis})`,
    apply: (tape, inputs, { axis }) => tape.concat(inputs, axisOf(axis, inputs[0]!.rank)),
  },
  embedding: {
    weight: 2,
    draw(draw) {
      const table = draw.any(({ value }) => value.rank === 2);
      if (!table) return null;
      const [vocabulary, channels] = table.value.shape as [number, number];
      const length = draw.length();
      const shape = draw.random.chance(0.5) ? [length] : [draw.random.whole(1, 3), length];
      const zeroId = draw.random.chance(0.3) ? draw.random.whole(0, vocabulary) : null;
      const ids = draw.ids(shape, zeroId === vocabulary ? vocabulary + 1 : vocabulary);
      const positions = draw.random.chance(0.4)
        ? draw.like([length + draw.random.whole(0, 2), channels])
        : null;
      return {
        inputs: [table.name, ids.name, ...(positions ? [positions] : [])],
        options: { zeroId },
      };
    },
    code([table, ids, positions], { zeroId }) {
      const parts = [
        ...(positions ? [`positions: ${positions}`] : []),
        ...(zeroId === null ? [] : [`zeroId: ${zeroId}`]),
      ];
      return `P.embedding(${table}, ${ids}${parts.length > 0 ? `, { ${parts.join(", ")} }` : ""})`;
    },
    apply(tape, [table, ids, positions], { zeroId }) {
      const [length, channels] = [ids!.shape.at(-1)!, table!.shape[1]!];
      const shape = [...ids!.shape, channels];
      const places = (row: (id: number, place: number) => number) =>
        Int32Array.from(
          [...ids!.data].flatMap((id, place) =>
            Array.from({ length: channels }, (_, c) => (id === zeroId ? -1 : row(id, place) * channels + c)),
          ),
        );
      const y = tape.gather(
        table!,
        shape,
        places((id) => id),
      );
      if (!positions) return y;
      return tape.add(
        y,
        tape.gather(
          positions,
          shape,
          places((_, place) => place % length),
        ),
      );
    },
  },
};

// ---------------------------------------------------------------- pictures

/** Where in x [B, H, W, C] each pixel under a kernel lies, [B, OH, OW, KH, KW, C]; -1 outside. */
function patches(
  [batch, height, width, channels]: readonly [number, number, number, number],
  [outHeight, outWidth, kernelHeight, kernelWidth]: readonly [number, number, number, number],
  stride: number,
  [top, left]: readonly [number, number],
): Int32Array {
  const shape = [batch, outHeight, outWidth, kernelHeight, kernelWidth, channels];
  return placesOf(shape, (at) => {
    const [b, oy, ox, ky, kx, c] = at as [number, number, number, number, number, number];
    const [y, x] = [oy * stride + ky - top, ox * stride + kx - left];
    return y < 0 || y >= height || x < 0 || x >= width
      ? -1
      : flat([batch, height, width, channels], [b, y, x, c]);
  });
}

const pictures: Record<string, Kind> = {
  upsample: {
    weight: 1,
    draw(draw) {
      const x = draw.picture();
      return { inputs: [x.name], options: { factor: draw.random.whole(1, 3) } };
    },
    code: ([x], { factor }) => `P.upsample(${x}, ${factor})`,
    apply(tape, [x], { factor }) {
      const [batch, height, width, channels] = x!.shape as [number, number, number, number];
      const f = number(factor);
      const shape = [batch, height * f, width * f, channels];
      const from = placesOf(shape, ([b, oy, ox, c]) =>
        flat(x!.shape, [b!, Math.floor(oy! / f), Math.floor(ox! / f), c!]),
      );
      return tape.gather(x!, shape, from);
    },
  },
  conv2d: {
    weight: 2,
    draw(draw) {
      const x = draw.picture();
      const [, height, width, channels] = x.value.shape as [number, number, number, number];
      const [top, left, bottom, right] = Array.from({ length: 4 }, () => draw.random.whole(0, 1)) as [
        number,
        number,
        number,
        number,
      ];
      const kernelHeight = draw.random.whole(1, Math.min(3, height + top + bottom));
      const kernelWidth = draw.random.whole(1, Math.min(3, width + left + right));
      const outputs = draw.channels();
      const weight = draw.like([kernelHeight, kernelWidth, channels, outputs]);
      const bias = draw.random.chance(0.6) ? draw.like([outputs]) : null;
      return {
        inputs: [x.name, weight, ...(bias ? [bias] : [])],
        options: { stride: draw.random.whole(1, 2), top, left, bottom, right },
      };
    },
    code([x, weight, bias], { stride, ...padding }) {
      return `P.conv2d(${x}, ${weight}, { stride: ${stride}, padding: ${literal(padding)}${bias ? `, bias: ${bias}` : ""} })`;
    },
    apply(tape, [x, weight, bias], options) {
      const [batch, height, width, channels] = x!.shape as [number, number, number, number];
      const [kernelHeight, kernelWidth, , outputs] = weight!.shape as [number, number, number, number];
      const [stride, top, left, bottom, right] = ["stride", "top", "left", "bottom", "right"].map((name) =>
        number(options[name]),
      ) as [number, number, number, number, number];
      const outHeight = Math.floor((height + top + bottom - kernelHeight) / stride) + 1;
      const outWidth = Math.floor((width + left + right - kernelWidth) / stride) + 1;
      const sizes = [outHeight, outWidth, kernelHeight, kernelWidth] as const;
      const from = patches([batch, height, width, channels], sizes, stride, [top, left]);
      const window = kernelHeight * kernelWidth * channels;
      const columns = tape.gather(x!, [batch * outHeight * outWidth, window], from);
      const y = tape.matmul(columns, tape.reshape(weight!, [window, outputs]));
      const shaped = tape.reshape(y, [batch, outHeight, outWidth, outputs]);
      return bias ? tape.add(shaped, bias) : shaped;
    },
  },
  convTranspose2d: {
    weight: 1,
    draw(draw) {
      const x = draw.picture();
      const [, height, width, channels] = x.value.shape as [number, number, number, number];
      const [kernelHeight, kernelWidth] = [draw.random.whole(1, 4), draw.random.whole(1, 4)];
      const [stride, padding] = [draw.random.whole(1, 2), draw.random.whole(0, 1)];
      const long = (length: number, kernel: number) => (length - 1) * stride + kernel - 2 * padding >= 1;
      if (!long(height, kernelHeight) || !long(width, kernelWidth)) return null;
      const weight = draw.like([kernelHeight, kernelWidth, draw.channels(), channels]);
      return { inputs: [x.name, weight], options: { stride, padding } };
    },
    code: (inputs, options) => call("convTranspose2d", inputs, options),
    apply(tape, [x, weight], { stride, padding }) {
      const [batch, inHeight, inWidth, channels] = x!.shape as [number, number, number, number];
      const [kernelHeight, kernelWidth, outputs] = weight!.shape as [number, number, number, number];
      const [s, p] = [number(stride), number(padding)];
      const shape = [
        batch,
        (inHeight - 1) * s + kernelHeight - 2 * p,
        (inWidth - 1) * s + kernelWidth - 2 * p,
        outputs,
      ] as const;
      const window = kernelHeight * kernelWidth * outputs;
      const filter = tape.transpose(tape.reshape(weight!, [window, channels]), 0, 1);
      const columns = tape.matmul(tape.reshape(x!, [batch * inHeight * inWidth, channels]), filter);
      const sizes = [inHeight, inWidth, kernelHeight, kernelWidth] as const;
      return tape.scatter(columns, shape, patches(shape, sizes, s, [p, p]));
    },
  },
};

// ---------------------------------------------------------------- attention

/** softmax(q kᵀ/√D) v over separate heads; keys whose mask is 0 do not count. */
function attended(
  tape: Tape,
  [q, k, v]: readonly [Value, Value, Value],
  mask: Value | null,
  heads: number,
): Value {
  const [batch, queries, channels] = q.shape as [number, number, number];
  const keys = k.shape[1]!;
  const width = channels / heads;
  const split = (x: Value, length: number) =>
    tape.transpose(tape.reshape(x, [batch, length, heads, width]), 1, 2);
  const scores = tape.map(
    tape.matmul(split(q, queries), flipped(tape, split(k, keys))),
    affine(1 / Math.sqrt(width), 0),
  );
  // The gradient finds the weights again as exp(score - log-sum-exp), two float32 numbers as large as the scores: where scores
  // are large, the sum of a row is further from 1 than that of a softmax.
  const softmax = (x: Value) => tape.map(tape.logSoftmax(x), unaryRules.exp);
  let weights: Value;
  if (mask) {
    // Keys that do not count leave the row: their scores are not computed with at all.
    const allowed = mask.data;
    const rows = Array.from({ length: batch }, (_, b) => {
      const open = Array.from({ length: keys }, (_, s) => s).filter((s) => allowed[b * keys + s] === 1);
      const shape = [1, heads, queries, open.length];
      const from = placesOf(shape, ([, h, t, s]) => flat(scores.shape, [b, h!, t!, open[s!]!]));
      const packed = softmax(tape.gather(scores, shape, from));
      const full = placesOf([1, heads, queries, keys], ([, h, t, s]) =>
        open.includes(s!) ? flat(shape, [0, h!, t!, open.indexOf(s!)]) : -1,
      );
      return tape.gather(packed, [1, heads, queries, keys], full);
    });
    weights = tape.concat(rows, 0);
  } else weights = softmax(scores);
  const mixed = tape.matmul(weights, split(v, keys));
  return tape.reshape(tape.transpose(mixed, 1, 2), [batch, queries, channels]);
}

/** Maybe a mask for keys, with one or more left in each row. */
function maybeMask(draw: Draw, batch: number, keys: number): string[] {
  return draw.random.chance(0.4) ? [draw.mask(batch, keys)] : [];
}

const headOptions = (draw: Draw) => {
  const heads = draw.random.whole(1, 2);
  return { heads, channels: heads * 4 * draw.random.whole(1, 2) };
};

function attentionCode(op: string, inputs: readonly string[], { heads, masked }: Options): string {
  const tensors = masked ? inputs.slice(0, -1) : inputs;
  return `P.${op}(${tensors.join(", ")}, ${heads}${masked ? `, { mask: ${inputs.at(-1)} }` : ""}).output`;
}

/** A value with three axes and this last one, or a new leaf. */
function sequence(
  draw: Draw,
  batch: number | null,
  channels: number,
): { name: string; shape: readonly number[] } {
  const fits = draw.any(
    ({ value: { shape } }) => shape.length === 3 && shape[2] === channels && (batch ?? shape[0]) === shape[0],
  );
  if (fits && draw.random.chance(0.7)) return { name: fits.name, shape: fits.value.shape };
  const shape = [batch ?? draw.random.whole(1, 2), draw.length(), channels];
  return { name: draw.like(shape), shape };
}

const attending: Record<string, Kind> = {
  attention: {
    weight: 1,
    draw(draw) {
      const { heads, channels } = headOptions(draw);
      const q = sequence(draw, null, channels);
      const k = sequence(draw, q.shape[0]!, channels);
      const v = draw.random.chance(0.2) ? k.name : draw.like(k.shape);
      const mask = maybeMask(draw, k.shape[0]!, k.shape[1]!);
      return { inputs: [q.name, k.name, v, ...mask], options: { heads, masked: mask.length > 0 } };
    },
    code: (inputs, options) => attentionCode("attention", inputs, options),
    apply: (tape, [q, k, v, mask], { heads }) => attended(tape, [q!, k!, v!], mask ?? null, number(heads)),
  },
  crossAttention: {
    weight: 1,
    draw(draw) {
      const { heads, channels } = headOptions(draw);
      const q = sequence(draw, null, channels);
      const kv = sequence(draw, q.shape[0]!, 2 * channels);
      const mask = maybeMask(draw, kv.shape[0]!, kv.shape[1]!);
      return { inputs: [q.name, kv.name, ...mask], options: { heads, masked: mask.length > 0 } };
    },
    code: (inputs, options) => attentionCode("crossAttention", inputs, options),
    apply(tape, [q, kv, mask], { heads }) {
      const channels = q!.shape[2]!;
      const part = (start: number) => tape.slice(kv!, 2, start, channels);
      return attended(tape, [q!, part(0), part(channels)], mask ?? null, number(heads));
    },
  },
  selfAttention: {
    weight: 1,
    draw(draw) {
      const { heads, channels } = headOptions(draw);
      const qkv = sequence(draw, null, 3 * channels);
      const mask = maybeMask(draw, qkv.shape[0]!, qkv.shape[1]!);
      return { inputs: [qkv.name, ...mask], options: { heads, masked: mask.length > 0 } };
    },
    code: (inputs, options) => attentionCode("selfAttention", inputs, options),
    apply(tape, [qkv, mask], { heads }) {
      const channels = qkv!.shape[2]! / 3;
      const part = (i: number) => tape.slice(qkv!, 2, i * channels, channels);
      return attended(tape, [part(0), part(1), part(2)], mask ?? null, number(heads));
    },
  },
};

// ---------------------------------------------------------------- in place

const writing: Record<string, Kind> = {
  copyInto: {
    weight: 2,
    statement: true,
    draw(draw) {
      const target = draw.writable();
      if (!target) return null;
      const source = draw.any(
        ({ value }) =>
          value.storage !== target.value.storage &&
          value.rank === target.value.rank &&
          value.shape.every((length, axis) => length === target.value.shape[axis]),
      );
      const name =
        source && draw.random.chance(0.5) ? source.name : draw.like(target.value.shape, target.value);
      return { inputs: [target.name, name], options: {} };
    },
    code: (inputs) => call("copyInto", inputs),
    apply(_, [target, source]) {
      if (target!.storage === source!.storage) throw new Error("copyInto within one piece of memory");
      target!.write(source!.data);
      return null;
    },
  },
  fill: {
    weight: 1,
    statement: true,
    draw(draw) {
      const target = draw.writable();
      if (!target?.value.dense) return null;
      return { inputs: [target.name], options: { value: draw.random.of([0.75, -1.25]) } };
    },
    code: ([target], { value }) => `P.fill(${target}, ${value})`,
    apply(_, [target], { value }) {
      target!.write(new Array<number>(target!.size).fill(number(value)));
      return null;
    },
  },
  write: {
    weight: 1,
    statement: true,
    draw(draw) {
      const target = draw.writable();
      if (!target?.value.dense) return null;
      const data = Array.from({ length: target.value.size }, () => draw.random.normal());
      return { inputs: [target.name], options: { data } };
    },
    code: ([target], { data }) => `${target}.write([${numbers(data).join(", ")}])`,
    apply(_, [target], { data }) {
      target!.write(numbers(data));
      return null;
    },
  },
};

export const kinds: Readonly<Record<string, Kind>> = {
  ...views,
  ...elementwise,
  ...reducing,
  ...rows,
  ...products,
  ...pictures,
  ...attending,
  ...writing,
};
