/**
 * Reads a picture's format, size and EXIF orientation from its file, without a decoder. Both platforms check this before they
 * decode, so that both accept and refuse the same files.
 *
 * The rule for pixels, on both platforms: EXIF orientation is applied in JPEG, PNG and WebP. An embedded ICC profile is converted
 * to sRGB. Other colour information (gAMA, cHRM, cICP in PNG) is ignored: samples without a profile are sRGB.
 * The first frame of an animation is used. Transparency is composited on white.
 */

import { UserError } from "./errors.js";
import { shown } from "./shown.js";

export type PictureFormat = "png" | "jpeg" | "webp" | "svg";

/** Larger pictures are refused: 100 million pixels are 300 MB as RGB, far above any photograph. */
export const MAX_PIXELS = 100_000_000;
/** Larger files are refused: 100 million pixels without compression. */
export const MAX_PICTURE_BYTES = 512 * 2 ** 20;

export interface PictureHeader {
  readonly format: PictureFormat;
  /** As stored, before the orientation is applied; 0×0 for SVG, whose size only a renderer knows. */
  readonly width: number;
  readonly height: number;
  /** EXIF orientation, 1 to 8. */
  readonly orientation: number;
}

/**
 * Reads the header by content, regardless of the file's name. Accepts SVG only with `svg`, as rendering a drawing may take
 * arbitrarily long. Throws a `UserError`, one clause, if the file is not an accepted picture or has too many pixels.
 */
export function readPictureHeader(bytes: Uint8Array, svg: boolean): PictureHeader {
  const format = pictureFormat(bytes, svg);
  if (bytes.length > MAX_PICTURE_BYTES) {
    throw new UserError(
      `the file has ${Math.ceil(bytes.length / 2 ** 20)} MiB, and at most ${MAX_PICTURE_BYTES / 2 ** 20} MiB are read as a picture; scale it down first`,
    );
  }
  if (format === "svg") return { format, width: 0, height: 0, orientation: 1 };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = READERS[format](view);
  if (header === null || header.width === 0 || header.height === 0)
    throw damaged(format, "its header is incomplete");
  checkPixels(header.width, header.height);
  return { format, ...header };
}

/** Throws a `UserError` for a picture of more than `MAX_PIXELS`. */
export function checkPixels(width: number, height: number): void {
  if (width * height <= MAX_PIXELS) return;
  throw new UserError(
    `the image is ${width}×${height} pixels, and at most ${MAX_PIXELS / 1e6} million pixels are read; scale it down first`,
  );
}

/** Error for a picture that its decoder refuses; `detail` is a clause. */
export function damaged(format: PictureFormat, detail: string): UserError {
  return new UserError(`the ${format.toUpperCase()} image is damaged or cannot be read (${detail})`);
}

function pictureFormat(bytes: Uint8Array, svg: boolean): PictureFormat {
  const accepted = svg ? "PNG, JPEG, WebP or SVG" : "PNG, JPEG or WebP";
  if (bytes.length === 0) throw new UserError(`the file is empty, and a ${accepted} image was expected`);
  const head = bytes.subarray(0, 4096);
  const latin = latin1(head, 0, head.length);
  if (latin.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (latin.startsWith("\xff\xd8\xff")) return "jpeg";
  if (latin.startsWith("RIFF") && latin.slice(8, 12) === "WEBP") return "webp";
  const text = new TextDecoder().decode(head);
  const drawing = isSvg(text);
  if (drawing && svg) return "svg";
  const what = drawing ? "an SVG drawing" : guess(latin, text);
  throw new UserError(`the file is ${what}, and a ${accepted} image was expected`);
}

function isSvg(text: string): boolean {
  let rest = text.trimStart();
  // A loop, because a regular expression could backtrack endlessly over hundreds of comments.
  while (rest.startsWith("<!--")) {
    const end = rest.indexOf("-->", 4);
    if (end < 0) return false;
    rest = rest.slice(end + 3).trimStart();
  }
  // A long comment or document type may push `<svg` out of the head, so `<?xml` is enough.
  return /^<(\?xml|svg[\s>]|!DOCTYPE\s+svg)/i.test(rest);
}

function guess(latin: string, text: string): string {
  if (latin.startsWith("GIF8")) return "a GIF image";
  if (latin.startsWith("BM")) return "a BMP image";
  if (latin.startsWith("II*\0") || latin.startsWith("MM\0*")) return "a TIFF image";
  if (/^....ftypavi[fs]/s.test(latin)) return "an AVIF image";
  if (/^....ftyp(heic|heix|mif1)/s.test(latin)) return "a HEIC image";
  if (latin.startsWith("%PDF")) return "a PDF document";
  if (latin.startsWith("version https://git-lfs"))
    return "a Git LFS pointer (run git lfs pull to fetch the picture)";
  if (/^\s*<(!doctype html|html)/i.test(text)) return "a web page";
  const start = text.slice(0, 20);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters distinguish bytes from text
  if (!/[\x00-\x08\x0e-\x1f\uFFFD]/.test(start)) return `text that begins "${shown(start.trim())}"`;
  return "not an image that can be recognised";
}

type Header = Omit<PictureHeader, "format">;

const READERS: Record<Exclude<PictureFormat, "svg">, (view: DataView) => Header | null> = {
  png: pngHeader,
  jpeg: jpegHeader,
  webp: webpHeader,
};

/** A chunk or segment of a file: its name, its start, and the range `from` … `to` of its contents. */
export interface Piece {
  readonly name: string;
  readonly start: number;
  readonly from: number;
  readonly to: number;
  /** Start of the next piece. */
  readonly next: number;
}

/** The complete chunks of a PNG file, up to the first incomplete one. */
export function* pngChunks(view: DataView): Generator<Piece> {
  for (let at = 8; at + 12 <= view.byteLength; ) {
    const from = at + 8;
    const to = from + view.getUint32(at);
    if (to + 4 > view.byteLength) return;
    yield { name: latin1(view, at + 4, 4), start: at, from, to, next: to + 4 };
    at = to + 4;
  }
}

/** The complete chunks of a WebP file, up to the first incomplete one. */
export function* webpChunks(view: DataView): Generator<Piece> {
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const from = at + 8;
    const to = from + view.getUint32(at + 4, true);
    if (to > view.byteLength) return;
    const next = Math.min(to + (to & 1), view.byteLength);
    yield { name: latin1(view, at, 4), start: at, from, to, next };
    at = next;
  }
}

/** The segments of a JPEG file up to and including the first scan ("da"). Names are markers in hexadecimal. */
export function* jpegSegments(view: DataView): Generator<Piece> {
  for (let at = 2; at + 4 <= view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) return;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      // Padding, or a marker without contents.
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    if (marker === 0xd9) return;
    const to = at + 2 + view.getUint16(at + 2);
    if (to > view.byteLength || to < at + 4) return;
    yield { name: marker.toString(16), start: at, from: at + 4, to, next: to };
    if (marker === 0xda) return;
    at = to;
  }
}

function pngHeader(view: DataView): Header | null {
  let size: { width: number; height: number } | null = null;
  let orientation = 1;
  for (const { name, from, to } of pngChunks(view)) {
    if (size === null) {
      if (name !== "IHDR" || to - from !== 13) return null;
      size = { width: view.getUint32(from), height: view.getUint32(from + 4) };
    } else if (name === "eXIf") orientation = exifOrientation(view, from, to) ?? orientation;
  }
  return size && { ...size, orientation };
}

function jpegHeader(view: DataView): Header | null {
  let size: { width: number; height: number } | null = null;
  let orientation: number | null = null;
  for (const { name, from, to } of jpegSegments(view)) {
    // C4, C8 and CC are not frame headers but tables and a reserved marker.
    if (/^c[0-9a-f]$/.test(name) && !["c4", "c8", "cc"].includes(name) && to - from >= 6)
      size ??= { height: view.getUint16(from + 1), width: view.getUint16(from + 3) };
    if (isExif(view, name, from, to)) orientation ??= exifOrientation(view, from + 6, to);
  }
  return size && { ...size, orientation: orientation ?? 1 };
}

/** Whether a JPEG segment holds EXIF. */
export function isExif(view: DataView, name: string, from: number, to: number): boolean {
  return name === "e1" && to - from > 6 && latin1(view, from, 6) === "Exif\0\0";
}

function webpHeader(view: DataView): Header | null {
  let size: { width: number; height: number } | null = null;
  let orientation = 1;
  for (const { name, from, to } of webpChunks(view)) {
    size ??= webpSize(view, name, from, to);
    if (name === "EXIF") {
      // Some writers put JPEG's preamble before the EXIF data.
      const skip = to - from > 6 && latin1(view, from, 6) === "Exif\0\0" ? 6 : 0;
      orientation = exifOrientation(view, from + skip, to) ?? orientation;
    }
  }
  // A truncated first chunk still contains the size.
  if (size === null && view.byteLength >= 30) size = webpSize(view, latin1(view, 12, 4), 20, view.byteLength);
  return size && { ...size, orientation };
}

function webpSize(
  view: DataView,
  name: string,
  from: number,
  to: number,
): { width: number; height: number } | null {
  if (to - from < 10) return null;
  const low24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  if (name === "VP8X") return { width: 1 + low24(from + 4), height: 1 + low24(from + 7) };
  if (name === "VP8 ")
    return {
      width: view.getUint16(from + 6, true) & 0x3fff,
      height: view.getUint16(from + 8, true) & 0x3fff,
    };
  if (name !== "VP8L") return null;
  const bits = view.getUint32(from + 1, true);
  return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
}

/** The orientation in EXIF data (a TIFF file) at `from` … `to`; null if there is none from 1 to 8. */
function exifOrientation(view: DataView, from: number, to: number): number | null {
  if (to - from < 8) return null;
  const order = latin1(view, from, 2);
  if (order !== "II" && order !== "MM") return null;
  const little = order === "II";
  const directory = from + view.getUint32(from + 4, little);
  if (directory + 2 > to) return null;
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > to) return null;
    if (view.getUint16(entry, little) !== 0x0112) continue;
    const value = view.getUint16(entry + 8, little);
    return view.getUint16(entry + 2, little) === 3 && value >= 1 && value <= 8 ? value : null;
  }
  return null;
}

function latin1(source: Uint8Array | DataView, at: number, length: number): string {
  const bytes = new Uint8Array(source.buffer, source.byteOffset + at, length);
  return String.fromCharCode(...bytes);
}
