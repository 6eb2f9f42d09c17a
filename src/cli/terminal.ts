/**
 * All output of the commands. Captions, file names and contents of files are untrusted: nothing in them may control the terminal.
 * Only this file writes to standard output and standard error.
 */

import type { OutputConfiguration } from "commander";
import { harmlessLines, shown } from "../platform/shown.js";

/** Prints a result to standard output. */
export function say(text: string): void {
  process.stdout.write(`${harmlessLines(text)}\n`);
}

/** Longer lines of remarks come from names or contents that were never meant to be read. */
const LONGEST_LINE = 2000;

/** Prints a remark or an error to standard error; long lines are shortened. */
export function tell(text: string): void {
  const lines = text
    .split("\n")
    .map((line) => (line.length > LONGEST_LINE ? shown(line, LONGEST_LINE) : line));
  process.stderr.write(`${harmlessLines(lines.join("\n"))}\n`);
}

/** For commander, whose error messages repeat the user's input. */
export const commandOutput: OutputConfiguration = {
  writeOut: (text) => void process.stdout.write(harmlessLines(text)),
  writeErr: (text) => void process.stderr.write(harmlessLines(text)),
};
