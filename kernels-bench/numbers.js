/** Elements of arrays that have to be there: an index beyond the end is a mistake, not a NaN in the result. */

/**
 * @template T
 * @param {ArrayLike<T>} list
 * @param {number} i
 * @returns {T}
 */
export function at(list, i) {
  const element = list[i];
  if (element === undefined) throw new RangeError(`there is no element ${i} among ${list.length}`);
  return element;
}

/**
 * Adds to an element.
 * @param {Float64Array} sums
 * @param {number} i
 * @param {number} value
 */
export function add(sums, i, value) {
  sums[i] = at(sums, i) + value;
}
