/** Rearranging plain arrays, to compare engines that lay the same numbers out differently. */

import { at } from "../numbers.js";

/**
 * [first, second, third] → [first, third, second]; channels-last pictures become channels-first and back.
 * @template {Float32Array | Float64Array} A
 * @param {A} array
 * @param {readonly [number, number, number]} shape
 * @returns {A}
 */
export function swapLast(array, [first, second, third]) {
  const result = /** @type {A} */ (array.slice());
  for (let i = 0; i < first; i++) {
    for (let j = 0; j < second; j++) {
      for (let k = 0; k < third; k++) {
        result[(i * third + k) * second + j] = at(array, (i * second + j) * third + k);
      }
    }
  }
  return result;
}

/**
 * Rows of several arrays side by side: [rows, Σ widths].
 * @param {readonly Float32Array[]} parts
 * @param {number} rows
 */
export function pack(parts, rows) {
  const width = parts.reduce((sum, part) => sum + part.length / rows, 0);
  const packed = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    let at = row * width;
    for (const part of parts) {
      const own = part.length / rows;
      packed.set(part.subarray(row * own, (row + 1) * own), at);
      at += own;
    }
  }
  return packed;
}

/**
 * The inverse of `pack` for parts of equal width.
 * @param {Float32Array} packed
 * @param {number} rows
 * @param {number} count
 */
export function unpack(packed, rows, count) {
  const width = packed.length / rows / count;
  return Array.from({ length: count }, (_, part) => {
    const own = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const from = (row * count + part) * width;
      own.set(packed.subarray(from, from + width), row * width);
    }
    return own;
  });
}
