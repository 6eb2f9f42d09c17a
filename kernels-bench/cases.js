/** All cases, by kernel family. */

import { cases as attention } from "./cases/attention.js";
import { cases as codes } from "./cases/codes.js";
import { cases as conv2d } from "./cases/conv2d.js";
import { cases as diffusion } from "./cases/diffusion.js";
import { cases as matmul } from "./cases/matmul.js";
import { cases as optimizer } from "./cases/optimizer.js";
import { cases as rows } from "./cases/rows.js";

/** @type {readonly import("./types.js").Case[]} */
export const cases = [...matmul, ...attention, ...rows, ...conv2d, ...codes, ...diffusion, ...optimizer];

export const families = [...new Set(cases.map((entry) => entry.family))];

/**
 * The cases whose family is `filter`, or else whose name contains it, capitals aside. All without a filter.
 * @param {string | undefined} filter
 */
export function chosen(filter) {
  if (filter === undefined) return cases;
  const wanted = filter.toLowerCase();
  const family = cases.filter((entry) => entry.family === wanted);
  return family.length > 0 ? family : cases.filter((entry) => entry.name.toLowerCase().includes(wanted));
}
