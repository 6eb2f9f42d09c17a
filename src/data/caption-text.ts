/** Cleans captions of downloaded data sets. */

/**
 * A caption without characters that a wrong encoding left behind (U+FFFD, control characters), with single blanks; null if no
 * letter or digit remains.
 */
export function cleanCaption(text: string): string | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it removes
  const clean = text.replace(/[\ufffd\ufeff\x00-\x1f\x7f-\x9f\s]+/g, " ").trim();
  return /[\p{L}\p{N}]/u.test(clean) ? clean : null;
}

/** Decodes UTF-8; bytes that are not UTF-8 become U+FFFD, which `cleanCaption` removes. */
export function lenientText(bytes: Uint8Array): string {
  return new TextDecoder("utf-8").decode(bytes);
}
