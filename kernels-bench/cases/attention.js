/** Self- and cross-attention on packed projections. */

import { crossAttention, selfAttention } from "../../dist/engine/index.js";
import { at } from "../numbers.js";
import { forward, input, roundedToHalf, withGradients } from "../problem.js";
import * as reference from "../reference.js";

/** @import { Case, Family } from "../types.js" */

/**
 * @typedef {{ batch: number, queries: number, keys: number, heads: number, width: number }} Shape
 */

/**
 * Puts arrays of [rows, channels] side by side: [rows, count · channels].
 * @param {readonly ArrayLike<number>[]} parts
 * @param {number} channels
 */
function pack(parts, channels) {
  const rows = at(parts, 0).length / channels;
  const packed = new Float64Array(rows * parts.length * channels);
  for (let r = 0; r < rows; r++) {
    parts.forEach((part, i) => {
      for (let c = 0; c < channels; c++)
        packed[(r * parts.length + i) * channels + c] = at(part, r * channels + c);
    });
  }
  return packed;
}

/**
 * @param {"self" | "cross"} kind
 * @param {Shape} size
 * @param {boolean} gradients
 * @param {"f32" | "f16"} [dtype] Of q, k, v and the output.
 * @returns {Case<Shape>}
 */
function attention(kind, size, gradients, dtype = "f32") {
  const { batch, queries, keys, heads, width } = size;
  const half = dtype === "f16";
  const lengths = kind === "self" ? `${queries}` : `${queries}→${keys}`;
  return {
    family: "attention",
    name: `attention ${kind} ${batch}×${heads} heads, ${lengths}, ${width}${half ? " float16" : ""}${gradients ? ", gradients" : ""}`,
    needs: half ? "shader-f16" : undefined,
    size,
    checkSize: { ...size, batch: 2, queries: Math.min(queries, 65), keys: Math.min(keys, 65) },
    // Forward: q·k and p·v. Back: q·k again, dy·v, and one product for each of dq, dk, dv.
    flops: (s) => (gradients ? 14 : 4) * s.batch * s.heads * s.queries * s.keys * s.width,
    // Gradients are float32.
    bytes: (s) =>
      ((half ? 2 : 4) + (gradients ? 4 : 0)) * s.batch * s.heads * s.width * (2 * s.queries + 2 * s.keys),
    // A float16 output is rounded to eleven bits, and the gradients are those at the rounded output.
    tolerance: half ? 2 ** -11 : 2e-5,
    build(gpu, shape, random) {
      const channels = shape.heads * shape.width;
      const kept = half ? roundedToHalf : (/** @type {Float32Array} */ values) => values;
      const q = kept(random.floats(shape.batch * shape.queries * channels));
      const k = kept(random.floats(shape.batch * shape.keys * channels));
      const v = kept(random.floats(shape.batch * shape.keys * channels));
      const dy = random.floats(q.length);
      const own = kind === "self";
      const leaves = own
        ? [input(gpu, pack([q, k, v], channels), [shape.batch, shape.queries, 3 * channels], dtype)]
        : [
            input(gpu, q, [shape.batch, shape.queries, channels], dtype),
            input(gpu, pack([k, v], channels), [shape.batch, shape.keys, 2 * channels], dtype),
          ];
      const op = () =>
        (own
          ? selfAttention(at(leaves, 0), shape.heads)
          : crossAttention(at(leaves, 0), at(leaves, 1), shape.heads)
        ).output;
      const expected = () => {
        const { output, dq, dk, dv } = reference.attention(q, k, v, shape, gradients ? dy : undefined);
        if (!gradients) return [output];
        return own ? [output, pack([dq, dk, dv], channels)] : [output, dq, pack([dk, dv], channels)];
      };
      if (!gradients) return forward(leaves, () => [op()], expected);
      return withGradients(leaves, [], op, input(gpu, dy, [shape.batch, shape.queries, channels]), expected);
    },
  };
}

/**
 * @param {readonly ["self" | "cross", Shape][]} shapes
 * @param {"f32" | "f16"} [dtype]
 */
const both = (shapes, dtype) =>
  [false, true].flatMap((gradients) =>
    shapes.map(([kind, shape]) => attention(kind, shape, gradients, dtype)),
  );

/** @type {Family[]} */
export const families = [
  {
    name: "attention",
    natural: "n tokens among themselves, and to n others; 4 heads of 64",
    at: (n) => {
      const shape = { batch: 1, queries: n, keys: n, heads: 4, width: 64 };
      return both([
        ["self", shape],
        ["cross", shape],
      ]);
    },
    small: both([
      ["self", { batch: 2, queries: 16, keys: 16, heads: 2, width: 32 }],
      ["cross", { batch: 2, queries: 16, keys: 64, heads: 2, width: 32 }],
    ]),
    medium: [
      ...both([
        ["self", { batch: 32, queries: 12, keys: 12, heads: 4, width: 40 }],
        ["self", { batch: 4, queries: 256, keys: 256, heads: 4, width: 64 }],
        ["cross", { batch: 32, queries: 12, keys: 64, heads: 4, width: 40 }],
        ["cross", { batch: 2, queries: 64, keys: 1024, heads: 4, width: 64 }],
      ]),
      ...both(
        [
          ["self", { batch: 4, queries: 256, keys: 256, heads: 4, width: 64 }],
          ["cross", { batch: 32, queries: 12, keys: 64, heads: 4, width: 40 }],
        ],
        "f16",
      ),
    ],
    presets: [
      attention("self", { batch: 32, queries: 12, keys: 12, heads: 4, width: 24 }, true),
      attention("cross", { batch: 32, queries: 12, keys: 72, heads: 4, width: 24 }, true),
      attention("self", { batch: 64, queries: 12, keys: 12, heads: 4, width: 32 }, true),
      attention("cross", { batch: 32, queries: 24, keys: 72, heads: 4, width: 32 }, true),
    ],
    large: both([
      ["self", { batch: 2, queries: 1024, keys: 1024, heads: 8, width: 64 }],
      ["cross", { batch: 8, queries: 64, keys: 1024, heads: 8, width: 64 }],
    ]),
  },
];
