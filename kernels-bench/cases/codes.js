/** Tables of vectors: embedding and the nearest code. */

import { embedding } from "../../dist/engine/index.js";
import { nearestCodes } from "../../dist/index.js";
import { add, at } from "../numbers.js";
import { forward, input, withGradients } from "../problem.js";
import * as reference from "../reference.js";

/** @import { Case, Family } from "../types.js" */

/**
 * @param {{ count: number, rows: number, width: number }} size
 * @param {boolean} gradients
 * @returns {Case<typeof size>}
 */
function gather(size, gradients) {
  const { count, rows, width } = size;
  return {
    family: "embedding",
    name: `embedding ${count} of ${rows}×${width}${gradients ? ", gradients" : ""}`,
    size,
    flops: (s) => (gradients ? s.count * s.width : 0),
    // Of the table only the rows asked for have to be read, once each; the gradient is written whole.
    bytes(s) {
      const vectors = Math.min(s.count, s.rows) + s.count + (gradients ? s.count + s.rows : 0);
      return 4 * (s.count + vectors * s.width);
    },
    tolerance: 1e-5,
    build(gpu, s, random) {
      const table = random.floats(s.rows * s.width);
      const ids = random.ids(s.count, s.rows);
      const dy = random.floats(s.count * s.width);
      const leaf = input(gpu, table, [s.rows, s.width]);
      const places = input(gpu, ids, [s.count], "u32");
      const op = () => embedding(leaf, places);
      const expected = () => {
        /** Where the i-th number of the result lies in the table. @param {number} i */
        const place = (i) => at(ids, Math.floor(i / s.width)) * s.width + (i % s.width);
        const y = Float64Array.from(dy, (_, i) => at(table, place(i)));
        if (!gradients) return [y];
        const sums = new Float64Array(table.length);
        dy.forEach((value, i) => {
          add(sums, place(i), value);
        });
        return [y, sums];
      };
      if (!gradients) return forward([leaf, places], () => [op()], expected);
      return withGradients([leaf], [places], op, input(gpu, dy, [s.count, s.width]), expected);
    },
  };
}

/**
 * @param {{ rows: number, codes: number, width: number }} size
 * @returns {Case<typeof size>}
 */
function nearest(size) {
  return {
    family: "codebook",
    name: `codebook nearest ${size.rows}×${size.codes}×${size.width}`,
    size,
    checkSize: { ...size, rows: Math.min(size.rows, 131), codes: Math.min(size.codes, 523) },
    // As a matrix product: distances by their definition would be 3 operations an element.
    flops: (s) => 2 * s.rows * s.codes * s.width,
    bytes: (s) => 4 * ((s.rows + s.codes) * s.width + 2 * s.rows),
    // Ids may differ only where two codes are equally far to rounding, which random vectors are not.
    tolerance: 1e-5,
    build(gpu, s, random) {
      const z = random.floats(s.rows * s.width);
      const codes = random.floats(s.codes * s.width);
      const vectors = input(gpu, z, [s.rows, s.width]);
      const table = input(gpu, codes, [s.codes, s.width]);
      return forward(
        [vectors, table],
        () => {
          const { ids, distance } = nearestCodes(vectors, table);
          return [ids, distance];
        },
        () => {
          const { ids, distance } = reference.nearest(z, codes, s.width);
          return [ids, distance];
        },
      );
    },
  };
}

/** @param {{ count: number, rows: number, width: number }} size */
const gathers = (size) => [false, true].map((gradients) => gather(size, gradients));

/** @type {Family[]} */
export const families = [
  {
    name: "embedding",
    natural: "n ids of a table of n × 256",
    at: (n) => gathers({ count: n, rows: n, width: 256 }),
    small: gathers({ count: 64, rows: 128, width: 64 }),
    medium: gathers({ count: 4096, rows: 1741, width: 160 }),
    presets: [
      gather({ count: 384, rows: 1741, width: 96 }, true),
      gather({ count: 768, rows: 1741, width: 128 }, true),
    ],
    large: gathers({ count: 8192, rows: 49408, width: 256 }),
  },
  {
    name: "codebook",
    natural: "n vectors against n codes of 64",
    at: (n) => [nearest({ rows: n, codes: n, width: 64 })],
    small: [nearest({ rows: 64, codes: 64, width: 32 })],
    medium: [
      nearest({ rows: 1024, codes: 2886, width: 256 }),
      nearest({ rows: 2048, codes: 512, width: 64 }),
      nearest({ rows: 512, codes: 8192, width: 64 }),
    ],
    presets: [nearest({ rows: 1024, codes: 128, width: 32 }), nearest({ rows: 2048, codes: 512, width: 64 })],
    large: [
      nearest({ rows: 4096, codes: 2886, width: 256 }),
      nearest({ rows: 4096, codes: 8192, width: 64 }),
    ],
  },
];
