/** Text from outside (captions, file names, contents of files) as it may be shown to a person. */

/** What is longer is shortened in the middle. */
const LONGEST = 300;

/**
 * One line of harmless text: control characters, escape sequences of terminals and signs that turn the direction of writing
 * are written as `\u001b`; what is longer than `longest` UTF-16 units keeps its beginning and its end.
 */
export function shown(text: string, longest = LONGEST): string {
  const short =
    text.length <= longest
      ? text
      : `${text.slice(0, Math.ceil((longest * 2) / 3))}…${text.slice(text.length - Math.floor(longest / 3))}`;
  return harmless(short);
}

/**
 * Text of any length and with its line ends and tabs, in which nothing can command a terminal: whatever is printed goes
 * through here.
 */
export function harmlessLines(text: string): string {
  return text.replace(/[^\n\t]+/g, harmless);
}

// Control characters (C0, DEL, C1), line and paragraph separators, embeddings and overrides of direction, halves of surrogate pairs.
const COMMANDS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function harmless(text: string): string {
  return text.replace(COMMANDS, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
