/** Files of docs/figures/, from which `npm run figures` makes the numbers and tables of the documents. */

import { readFile, rename, writeFile } from "node:fs/promises";
import { UserError } from "../dist/index.js";

/**
 * A file of figures. Throws a `UserError` if it is none.
 * @param {string} path
 * @returns {Promise<{ figures: Record<string, unknown> }>}
 */
export async function readFigures(path) {
  const fault = (/** @type {string} */ what) =>
    new UserError(`${path} ${what}; name a file of docs/figures/`, 2);
  const text = await readFile(path, "utf8").catch((error) => {
    throw fault(`cannot be read (${error.code})`);
  });
  try {
    const file = JSON.parse(text);
    if (typeof file.figures === "object" && file.figures !== null) return file;
  } catch {
    throw fault("is not JSON");
  }
  throw fault('has no "figures"');
}

/**
 * Adds figures to a file, or replaces those of the same names.
 * @param {string} path
 * @param {Record<string, unknown>} figures
 */
export async function addFigures(path, figures) {
  const file = await readFigures(path);
  Object.assign(file.figures, figures);
  await writeFile(`${path}.new`, `${compactJson(file)}\n`);
  await rename(`${path}.new`, path);
}

/**
 * JSON as these files have it: lists and objects without others in them on one line unless that is long.
 * @param {unknown} value
 * @param {string} [indent]
 * @returns {string}
 */
export function compactJson(value, indent = "") {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const [open, close] = isList ? "[]" : "{}";
  const members = Object.entries(value);
  const text = (/** @type {string} */ inner) =>
    members.map(([name, member]) => (isList ? "" : `${JSON.stringify(name)}: `) + compactJson(member, inner));
  if (members.every(([, member]) => typeof member !== "object" || member === null)) {
    const space = isList ? "" : " ";
    const line = `${open}${space}${text("").join(", ")}${space}${close}`;
    if (line.length <= 400) return line;
  }
  const inner = `${indent} `;
  return `${open}\n${text(inner)
    .map((member) => inner + member)
    .join(",\n")}\n${indent}${close}`;
}
