/** Text for XML and HTML: escapes markup and drops the control characters that XML forbids. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "")
    .replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Base64 of bytes, in Node and in a browser. */
export function base64(bytes: Uint8Array): string {
  let binary = "";
  const CHUNK = 0x8000; // fewer arguments than any engine's limit
  for (let i = 0; i < bytes.length; i += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  }
  return btoa(binary);
}

/** A PNG as a `data:` URL. */
export function pngAddress(png: Uint8Array): string {
  return `data:image/png;base64,${base64(png)}`;
}

/**
 * Breaks text into lines no wider than `width` pixels at `fontSize`. Widths are estimated for a common sans serif, because SVG
 * has no line breaking and no font is available to measure. A word wider than a line is cut. Returns at most `maxLines` lines; a
 * shortened text ends in "…".
 */
export function wrapText(text: string, width: number, fontSize: number, maxLines: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    let rest = word;
    const joined = line === "" ? rest : `${line} ${rest}`;
    if (textWidth(joined) * fontSize <= width) {
      line = joined;
      continue;
    }
    if (line !== "") lines.push(line);
    while (textWidth(rest) * fontSize > width) {
      const characters = [...rest];
      let count = characters.length - 1;
      while (count > 1 && textWidth(characters.slice(0, count).join("")) * fontSize > width) count--;
      if (count < 1) break;
      lines.push(characters.slice(0, count).join(""));
      rest = characters.slice(count).join("");
    }
    line = rest;
  }
  if (line !== "") lines.push(line);
  if (lines.length <= maxLines) return lines;
  const cut = lines.slice(0, maxLines);
  let last = cut[maxLines - 1]!;
  while (last !== "" && textWidth(`${last}…`) * fontSize > width) last = [...last].slice(0, -1).join("");
  cut[maxLines - 1] = `${last.trimEnd()}…`;
  return cut;
}

/** Estimated width in units of the font size; too wide rather than too narrow. */
function textWidth(text: string): number {
  let width = 0;
  for (const c of text) {
    if (/[ijlI.,:;'|!()[\] ]/.test(c)) width += 0.36;
    else if (/[frt"-]/.test(c)) width += 0.44;
    else if (/[mwMW@%]/.test(c)) width += 0.98;
    else if (/[A-Z]/.test(c)) width += 0.72;
    else if (c.codePointAt(0)! >= 0x1100) width += 1;
    else width += 0.62;
  }
  return width;
}
