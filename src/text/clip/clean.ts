/**
 * The text as CLIP's tokenizer reads it: repaired characters, HTML entities unescaped twice, single spaces, lower case.
 *
 * OpenAI's code repairs texts by the Python library ftfy first. What ftfy does to single characters is done here; what it guesses
 * of whole texts ("mojibake", UTF-8 that was once read as another encoding) is not.
 */

import { decodeHTML } from "entities/decode";

/** Codes that Windows-1252 has letters and signs at where Unicode has control characters, from U+0080 on. */
const WINDOWS =
  "\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f" +
  "\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178";

/** Letters that ligatures stand for. */
const LIGATURES: ReadonlyMap<string, string> = new Map(
  "Ĳ:IJ ĳ:ij ŉ:ʼn Ǳ:DZ ǲ:Dz ǳ:dz Ǆ:DŽ ǅ:Dž ǆ:dž Ǉ:LJ ǈ:Lj ǉ:lj Ǌ:NJ ǋ:Nj ǌ:nj ﬀ:ff ﬁ:fi ﬂ:fl ﬃ:ffi ﬄ:ffl ﬅ:ſt ﬆ:st"
    .split(" ")
    .map((pair) => pair.split(":") as [string, string]),
);

/** Control characters and byte order marks, and the commands of terminals. */
const CONTROLS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  /[\0-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it begins such a command
const TERMINAL = /\x1b\[(?:[0-9]*;)*[0-9]*[a-zA-Z]/g;

/** ftfy's repairs of single characters, in its order. */
export function repairCharacters(text: string): string {
  if (/^[\n\x20-\x7e]*$/.test(text)) return text;
  return (
    text
      .replace(TERMINAL, "")
      .replace(/[\x80-\x9f]/g, (c) => WINDOWS[c.charCodeAt(0) - 0x80]!)
      .replace(/[Ĳĳŉ\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb06]/g, (c) => LIGATURES.get(c)!)
      // Forms of letters for the grid of Chinese and Japanese type, and its space.
      .replace(/[\uff01-\uffef\u3000]/g, (c) => c.normalize("NFKC"))
      .replace(/[\u02bc\u2018-\u201b]/g, "'")
      .replace(/[\u201c-\u201f]/g, '"')
      .replace(/\r\n?|[\u2028\u2029]/g, "\n")
      // Halves of surrogate pairs.
      .replace(/\p{Cs}/gu, "\ufffd")
      .replace(CONTROLS, "")
      .normalize("NFC")
  );
}

/** Numbers of characters that HTML has at other places, and those that it drops. */
function characterOf(digits: string, base: number): string {
  const code = Number.parseInt(digits, base);
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  if (code === 0x0d) return "\r";
  if (code >= 0x80 && code <= 0x9f) return WINDOWS[code - 0x80]!;
  const isDropped =
    code < 0x09 ||
    code === 0x0b ||
    (code >= 0x0e && code <= 0x1f) ||
    (code >= 0x7f && code <= 0x9f) ||
    (code >= 0xfdd0 && code <= 0xfdef) ||
    (code & 0xfffe) === 0xfffe;
  return isDropped ? "" : String.fromCodePoint(code);
}

/** The text with HTML's character references replaced, as Python's `html.unescape` does. */
export function unescapeHtml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    /&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?|&[^\t\n\f <&#;]{1,32};?/g,
    (whole, hex?: string, decimal?: string) => {
      if (hex !== undefined) return characterOf(hex, 16);
      if (decimal !== undefined) return characterOf(decimal, 10);
      return decodeHTML(whole);
    },
  );
}

/** A caption as the tokenizer splits it. Entities come first, as ftfy has it: they may stand for what is repaired. */
export function cleanText(text: string): string {
  return repairCharacters(unescapeHtml(unescapeHtml(text)))
    .replace(/\p{White_Space}+/gu, " ")
    .replace(/^ | $/g, "")
    .toLowerCase();
}
