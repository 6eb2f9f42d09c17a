/** Makes external text (captions, file names, file contents) safe to display. */

/** Longer text is shortened in the middle. */
const LONGEST = 300;

/**
 * One line of safe text. Escapes control characters, terminal escape sequences and bidirectional controls as `\u001b`. Text
 * longer than `longest` UTF-16 units keeps its beginning and its end.
 */
export function shown(text: string, longest = LONGEST): string {
  const short =
    text.length <= longest
      ? text
      : `${text.slice(0, Math.ceil((longest * 2) / 3))}…${text.slice(text.length - Math.floor(longest / 3))}`;
  return harmless(short);
}

/**
 * Escapes text like `shown`, but keeps its length, line ends and tabs, so that it cannot control a terminal. All printed
 * text passes through here.
 */
export function harmlessLines(text: string): string {
  return text.replace(/[^\n\t]+/g, harmless);
}

// Control characters (C0, DEL, C1), line and paragraph separators, bidirectional controls, lone surrogates.
const COMMANDS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the expression searches for control characters
  /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function harmless(text: string): string {
  return text.replace(COMMANDS, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
