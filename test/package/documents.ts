/** The programs in README.md and docs/library.md that run as they stand, `<!-- run: NAME -->` in front. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./project.js";

export interface DocumentProgram {
  readonly name: string;
  readonly code: string;
  /** Whether it prints what it should. */
  readonly check: (output: string) => boolean;
}

/** What each program has to print. */
const CHECKS: Readonly<Record<string, (output: string) => boolean>> = {
  caption: (output) => /\bwaving\b/.test(output),
  network: (output) => {
    const numbers = [...output.matchAll(/-?\d+(\.\d+)?(e-?\d+)?/g)].slice(-4).map(([text]) => Number(text));
    return [0, 1, 1, 0].every((value, i) => Math.abs(numbers[i]! - value) < 0.1);
  },
  bytes: (output) => /\bwaving\b/.test(output),
};

/** Throws if a program is marked that no check is known for, or the other way round. */
export function documentPrograms(): DocumentProgram[] {
  const programs = ["README.md", "docs/library.md"].flatMap((path) => {
    const text = readFileSync(join(root, path), "utf8");
    return [...text.matchAll(/<!-- run: ([\w-]+) -->\n```js\n([\s\S]*?)```/g)].map(([, name, code]) => {
      const check = CHECKS[name!];
      if (!check) throw new Error(`${path}: no check for the program ${name}`);
      return { name: name!, code: code!, check };
    });
  });
  const missing = Object.keys(CHECKS).filter((name) => !programs.some((program) => program.name === name));
  if (missing.length > 0) throw new Error(`no document has the program ${missing.join(", ")}`);
  return programs;
}
