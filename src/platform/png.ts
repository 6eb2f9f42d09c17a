/**
 * PNG files without a library: pixels from bytes and bytes from pixels, with Node's zlib. It serves installations without sharp;
 * the npm package pngjs would install more than half a megabyte for it. Source: https://www.w3.org/TR/png-3/.
 */

import { deflateSync, inflateSync } from "node:zlib";
import { crc32 } from "./crc32.js";
import { damaged, pngChunks } from "./picture-header.js";
import type { RgbImage } from "./platform.js";

/** Pixels of a PNG file: rows from the top, RGBA, 8 bits a sample. */
export interface PngPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  /** Whether the file has an alpha channel or names a transparent colour. */
  readonly transparent: boolean;
}

const [GREY, RGB, PALETTE, GREY_ALPHA, RGBA] = [0, 2, 3, 4, 6] as const;

/** Samples a pixel and the depths in bits that a colour type may have. */
const TYPES: ReadonlyMap<number, { samples: number; depths: readonly number[] }> = new Map([
  [GREY, { samples: 1, depths: [1, 2, 4, 8, 16] }],
  [RGB, { samples: 3, depths: [8, 16] }],
  [PALETTE, { samples: 1, depths: [1, 2, 4, 8] }],
  [GREY_ALPHA, { samples: 2, depths: [8, 16] }],
  [RGBA, { samples: 4, depths: [8, 16] }],
]);

/** First column and row, and the steps of both, of a pass over the picture. */
type Pass = readonly [left: number, top: number, right: number, down: number];
const WHOLE: readonly Pass[] = [[0, 0, 1, 1]];
/** The passes of an interlaced picture. */
const ADAM7: readonly Pass[] = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

interface Parts {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly type: number;
  readonly samples: number;
  readonly interlaced: boolean;
  readonly palette: Uint8Array;
  /** Contents of tRNS; null without one. */
  readonly transparency: DataView | null;
  readonly compressed: Uint8Array;
}

/**
 * Decodes a PNG file whose size the caller has checked (`readPictureHeader`). Samples of 16 bits keep their high byte. Colour
 * profiles are ignored. Throws a `UserError`, one clause, for damaged files.
 */
export function decodePng(bytes: Uint8Array): PngPixels {
  const parts = partsOf(bytes);
  const { width, height, depth, samples, type } = parts;
  const bits = samples * depth;
  const passes = (parts.interlaced ? ADAM7 : WHOLE)
    .map(([left, top, right, down]) => {
      const columns = Math.ceil((width - left) / right);
      const rows = Math.ceil((height - top) / down);
      return { left, top, right, down, columns, rows, rowBytes: 1 + Math.ceil((columns * bits) / 8) };
    })
    .filter(({ columns, rows }) => columns > 0 && rows > 0);
  const raw = inflate(
    parts.compressed,
    passes.reduce((sum, { rows, rowBytes }) => sum + rows * rowBytes, 0),
  );
  const data = new Uint8Array(4 * width * height);
  let at = 0;
  for (const { left, top, right, down, columns, rows, rowBytes } of passes) {
    let above: Uint8Array = new Uint8Array(rowBytes - 1);
    for (let row = 0; row < rows; row++, at += rowBytes) {
      const line = raw.subarray(at + 1, at + rowBytes);
      unfilter(raw[at]!, line, above, Math.max(1, bits >> 3));
      writePixels(parts, line, columns, data, 4 * ((top + row * down) * width + left), 4 * right);
      above = line;
    }
  }
  return { width, height, data, transparent: type >= GREY_ALPHA || parts.transparency !== null };
}

function partsOf(bytes: Uint8Array): Parts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: DataView | null = null;
  let palette = new Uint8Array();
  let transparency: DataView | null = null;
  let ended = false;
  const compressed: Uint8Array[] = [];
  for (const { name, start, from, to } of pngChunks(view)) {
    if (!["IHDR", "PLTE", "tRNS", "IDAT", "IEND"].includes(name)) continue;
    if (crc32(bytes.subarray(start + 4, to)) !== view.getUint32(to))
      throw damaged("png", `the checksum of its ${name} chunk is wrong`);
    // A copy: `slice` of a Buffer would be a view of a larger one.
    const content = new Uint8Array(bytes.subarray(from, to));
    if (name === "IHDR") header ??= new DataView(content.buffer);
    else if (name === "PLTE") palette = content;
    else if (name === "tRNS") transparency = new DataView(content.buffer);
    else if (name === "IDAT") compressed.push(content);
    else ended = true;
  }
  if (header === null || !ended) throw damaged("png", "its end is missing");
  const [width, height] = [header.getUint32(0), header.getUint32(4)];
  const [depth, type, compression, filter, interlace] = new Uint8Array(header.buffer).subarray(8);
  const known = TYPES.get(type!);
  if (!known?.depths.includes(depth!) || compression !== 0 || filter !== 0 || interlace! > 1)
    throw damaged("png", "its header names a kind of pixels that PNG does not have");
  if (type === PALETTE && palette.length === 0) throw damaged("png", "its palette is missing");
  return {
    ...{ width, height, depth: depth!, type: type!, samples: known.samples, interlaced: interlace === 1 },
    ...{ palette, transparency, compressed: Buffer.concat(compressed) },
  };
}

function inflate(compressed: Uint8Array, length: number): Uint8Array {
  let raw: Uint8Array;
  try {
    // One byte more, so that a stream that goes on is noticed and never unpacked.
    raw = inflateSync(compressed, { maxOutputLength: length + 1 });
  } catch (error) {
    throw damaged("png", `its pixels cannot be unpacked: ${error instanceof Error ? error.message : error}`);
  }
  if (raw.length < length) throw damaged("png", "its pixels are incomplete");
  return raw;
}

/** Undoes a row's filter in place. `above` is the row before it, `distance` the bytes between a sample and the same one of the pixel to its left. */
function unfilter(kind: number, line: Uint8Array, above: Uint8Array, distance: number): void {
  if (kind > 4) throw damaged("png", `a row has the filter ${kind}, and there are 0 to 4`);
  if (kind === 0) return;
  for (let i = 0; i < line.length; i++) {
    const left = i < distance ? 0 : line[i - distance]!;
    const up = above[i]!;
    const corner = i < distance ? 0 : above[i - distance]!;
    // The array wraps sums at 256.
    line[i]! += [0, left, up, (left + up) >> 1, paeth(left, up, corner)][kind]!;
  }
}

/** The neighbour that is nearest to left + up − corner; on a tie the first in this order. */
function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** Writes the pixels of a row as RGBA from `at` on, `stride` bytes apart. */
function writePixels(
  { depth, type, samples, palette, transparency }: Parts,
  line: Uint8Array,
  columns: number,
  data: Uint8Array,
  at: number,
  stride: number,
): void {
  const most = 2 ** depth - 1;
  /** Sample i of the row, 0 … `most`. */
  const sample = (i: number): number => {
    if (depth === 8) return line[i]!;
    if (depth === 16) return (line[2 * i]! << 8) | line[2 * i + 1]!;
    const bit = i * depth;
    return (line[bit >> 3]! >> (8 - depth - (bit & 7))) & most;
  };
  const byte = (i: number): number => (depth === 16 ? line[2 * i]! : (sample(i) * 255) / most);
  const colours = type === GREY || type === GREY_ALPHA ? 1 : 3;
  /** Whether pixel `first / samples` has the colour that tRNS calls transparent. */
  const named = (first: number): boolean => {
    for (let c = 0; c < colours; c++)
      if (transparency!.byteLength < 2 * colours || sample(first + c) !== transparency!.getUint16(2 * c))
        return false;
    return true;
  };
  for (let column = 0; column < columns; column++, at += stride) {
    if (type === PALETTE) {
      const index = sample(column);
      if (3 * index >= palette.length)
        throw damaged("png", `a pixel has colour ${index} of its palette of ${palette.length / 3}`);
      data.set(palette.subarray(3 * index, 3 * index + 3), at);
      data[at + 3] = transparency && index < transparency.byteLength ? transparency.getUint8(index) : 255;
      continue;
    }
    const first = column * samples;
    for (let c = 0; c < 3; c++) data[at + c] = byte(first + (colours === 1 ? 0 : c));
    if (samples > colours) data[at + 3] = byte(first + colours);
    else data[at + 3] = transparency && named(first) ? 0 : 255;
  }
}

/** Encodes a picture as a PNG file of 8-bit RGB. */
export function encodeRgbPng({ width, height, data }: RgbImage): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, RGB], 8);
  // Each row begins with its filter, 0: none.
  const rows = new Uint8Array(height * (1 + 3 * width));
  for (let y = 0; y < height; y++)
    rows.set(data.subarray(y * 3 * width, (y + 1) * 3 * width), y * (1 + 3 * width) + 1);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", new Uint8Array()),
  ]);
}

function chunk(name: string, content: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(name, "latin1"), content]);
  const whole = Buffer.alloc(8 + named.length);
  whole.writeUInt32BE(content.length, 0);
  whole.set(named, 4);
  whole.writeUInt32BE(crc32(named), 4 + named.length);
  return whole;
}
