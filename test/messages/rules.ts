/** Rules for messages that a program can check. */

import type { Message } from "./collect.js";

/** Words that a message does without, and why. */
const AVOIDED: readonly [pattern: RegExp, why: string][] = [
  [/\bplease\b/i, "a message states and does not plead"],
  [/!(\s|$)/, "a message does not shout"],
  [/\b(oops|sorry|unfortunately)\b/i, "a message does not apologise"],
  [/\b(invalid|illegal)\b/i, "say what would be right"],
  [/\b(undefined|\[object)\b/i, "a value that is not there is not shown"],
  [/\b(anew|hears of|so many|whosoever)\b/i, "no word of technical English"],
  [/\w \.\.\.(\s|$)/, "the ellipsis is one character"],
  [/[\w)"]\s[,;:]\s/, "no space before punctuation"],
];

export function problemsOf({ kind, text }: Message): string[] {
  const fixed = text.replaceAll(/\{[^}]*\}/g, "{}");
  const problems = AVOIDED.filter(([pattern]) => pattern.test(fixed)).map(([, why]) => why);
  // A sentence has its capital and its full stop; a clause, which stands behind the name of a file or an op, has neither.
  if (kind === "errors" && /^[a-z]/.test(fixed) && /\w\.$/.test(fixed))
    problems.push("a clause has no full stop");
  if (kind === "errors" && /^[A-Z][a-z]* [a-z]/.test(fixed) && /\w$/.test(fixed)) {
    problems.push("a sentence ends with a full stop");
  }
  return problems;
}
