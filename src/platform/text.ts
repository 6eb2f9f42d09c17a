/** Decodes a file's bytes as text, or says why they are not text. */

import { UserError } from "./errors.js";

/**
 * Decodes UTF-8, with or without a byte order mark, or UTF-16 with one. Does not guess other encodings, which could put wrong
 * letters into words: throws a `UserError` that names the file and, for UTF-8, the line and the byte.
 */
export function decodeText(bytes: Uint8Array, path: string): string {
  const utf16 =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? "utf-16le"
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? "utf-16be"
        : null;
  if (utf16) return decode(bytes, utf16) ?? refuse(path, "is cut or damaged UTF-16");
  const text = decode(bytes, "utf-8");
  if (text === null) {
    const at = firstBadByte(bytes);
    const line = new TextDecoder("latin1").decode(bytes.subarray(0, at)).split(/\r\n|\n|\r/).length;
    const byte = `0x${bytes[at]!.toString(16).padStart(2, "0")}`;
    refuse(
      path,
      `is not UTF-8: line ${line} has the byte ${byte} (byte ${at + 1} of the file); save it as UTF-8`,
    );
  }
  if (bytes.length > 3 && bytes.subarray(0, 64).filter((byte) => byte === 0).length > 8)
    refuse(path, "is UTF-16 without a byte order mark, or no text; save it as UTF-8");
  return text!;
}

function refuse(path: string, why: string): never {
  throw new UserError(`${path} ${why}.`);
}

/** Decodes without the byte order mark; null if the bytes are not valid in that encoding. */
function decode(bytes: Uint8Array, encoding: string): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Length of the longest prefix of complete UTF-8 characters. */
function firstBadByte(bytes: Uint8Array): number {
  // With `stream`, the decoder accepts a prefix that ends within a character.
  const valid = (end: number, stream: boolean) => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, end), { stream });
      return true;
    } catch {
      return false;
    }
  };
  let [good, bad] = [0, bytes.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (valid(middle, true)) good = middle;
    else bad = middle;
  }
  while (!valid(good, false)) good--;
  return good;
}
