/**
 * All output of the commands. Captions, file names and contents of files are untrusted: nothing in them may control the terminal.
 * Only this file writes to standard output and standard error.
 */

import type { OutputConfiguration } from "commander";
import { harmlessLines, shown } from "../platform/shown.js";

/** The name of this process in front of its errors, where another one speaks for it, too. */
let silent: string | null = null;

/** Prints nothing but errors from now on, with this in front. */
export function keepSilent(name: string): void {
  silent = name;
}

/** Prints a result to standard output. */
export function say(text: string): void {
  if (silent !== null) return;
  process.stdout.write(`${harmlessLines(text)}\n`);
}

/** Longer lines of remarks come from names or contents that were never meant to be read. */
const LONGEST_LINE = 2000;

/** Prints a remark to standard error; long lines are shortened. */
export function tell(text: string): void {
  if (silent === null) tellError(text);
}

/** Prints an error to standard error, like `tell`. */
export function tellError(text: string): void {
  const lines = `${silent ?? ""}${text}`
    .split("\n")
    .map((line) => (line.length > LONGEST_LINE ? shown(line, LONGEST_LINE) : line));
  process.stderr.write(`${harmlessLines(lines.join("\n"))}\n`);
}

/** For commander, whose error messages repeat the user's input. */
export const commandOutput: OutputConfiguration = {
  writeOut: (text) => void process.stdout.write(harmlessLines(text)),
  writeErr: (text) => void process.stderr.write(harmlessLines(text)),
};
