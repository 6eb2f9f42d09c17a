/** Bytes of a file as text, or a sentence about why they are none. */

import { UserError } from "./errors.js";

/**
 * UTF-8, with a byte order mark or without, or UTF-16 with one. Any other encoding is refused, since guessing would put wrong
 * letters into words: throws a `UserError` that names the file, the line and the byte.
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

/** Leaves out a byte order mark. Null if the bytes are not of that encoding. */
function decode(bytes: Uint8Array, encoding: string): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Where the longest prefix of whole UTF-8 characters ends. */
function firstBadByte(bytes: Uint8Array): number {
  // With `stream` a decoder waits for the rest of a character that a prefix cuts.
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
