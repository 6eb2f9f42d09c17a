/** All cases, by kernel family, and which of them the command line asks for. */

import { families as attention } from "./cases/attention.js";
import { families as codes } from "./cases/codes.js";
import { families as conv2d } from "./cases/conv2d.js";
import { families as diffusion } from "./cases/diffusion.js";
import { families as matmul } from "./cases/matmul.js";
import { families as optimizer } from "./cases/optimizer.js";
import { families as rows } from "./cases/rows.js";

/**
 * @typedef {import("./types.js").Case} Case
 * @typedef {"small" | "medium" | "large" | "presets"} SetName
 * @typedef {SetName | readonly number[]} Sizes
 */

/** @type {readonly import("./types.js").Family[]} */
export const families = [...matmul, ...attention, ...rows, ...conv2d, ...codes, ...diffusion, ...optimizer];

/** What `--sizes` calls the sets of cases. @type {ReadonlyMap<string, SetName>} */
const setNames = new Map([
  ["small", "small"],
  ["default", "medium"],
  ["large", "large"],
  ["presets", "presets"],
]);

/** Rows of fewer numbers have gradients that are all rounding; larger sizes have tensors beyond what a device binds. */
const [smallestSize, largestSize] = [4, 8192];

export const sizesRule = `It should be small, default, large, presets, or whole numbers from ${smallestSize} to ${largestSize} such as 64,256,1024.`;

/**
 * The value of `--sizes`; null if it is none.
 * @param {string} text
 * @returns {Sizes | null}
 */
export function parseSizes(text) {
  const set = setNames.get(text);
  if (set !== undefined) return set;
  const numbers = text.split(",").map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : 0));
  return numbers.every((n) => n >= smallestSize && n <= largestSize) ? [...new Set(numbers)] : null;
}

/**
 * The cases at these sizes whose family is `filter`, or else whose name contains it, capitals aside. All without a
 * filter.
 * @param {string | undefined} filter
 * @param {Sizes} [sizes]
 * @returns {readonly Case[]}
 */
export function chosen(filter, sizes = "medium") {
  const cases = families.flatMap((family) =>
    typeof sizes === "string" ? (family[sizes] ?? []) : sizes.flatMap((n) => family.at(n)),
  );
  if (filter === undefined) return cases;
  const wanted = filter.toLowerCase();
  const family = cases.filter((entry) => entry.family === wanted);
  return family.length > 0 ? family : cases.filter((entry) => entry.name.toLowerCase().includes(wanted));
}
