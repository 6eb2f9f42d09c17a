/** Damage as it happens to files, and as it is done to them: of bytes, text, JSON, and the pieces of picture files. */

import { crc32 } from "../../dist/platform/crc32.js";
import type { Random } from "../programs/random.js";

/** Bytes that are the ends of something. */
const EDGES = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
const NUMBERS = [0, 1, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** One to four changes to some bytes. */
export function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  let result: Uint8Array = bytes.slice();
  for (let n = random.whole(1, 4); n > 0; n--) result = random.of(BYTE_CHANGES)(random, result);
  return result;
}

type Change = (random: Random, bytes: Uint8Array) => Uint8Array;

const BYTE_CHANGES: readonly Change[] = [
  // Bits flip.
  (random, bytes) => {
    for (let n = random.whole(1, 8); n > 0 && bytes.length > 0; n--)
      bytes[place(random, bytes)]! ^= 1 << random.whole(0, 7);
    return bytes;
  },
  // A byte becomes one at the end of its range.
  (random, bytes) => {
    if (bytes.length > 0) bytes[place(random, bytes)] = random.of(EDGES);
    return bytes;
  },
  // A number of 16, 32 or 64 bits becomes one at the end of its range.
  (random, bytes) => {
    const width = random.of([2, 4, 8]);
    if (bytes.length < width) return bytes;
    const at = Math.min(place(random, bytes), bytes.length - width);
    const view = new DataView(bytes.buffer);
    const value = random.of(NUMBERS);
    if (width === 2) view.setUint16(at, value, random.chance(0.5));
    else if (width === 4) view.setUint32(at, value, random.chance(0.5));
    else view.setBigUint64(at, BigInt(value) << BigInt(random.of([0, 32])), random.chance(0.5));
    return bytes;
  },
  // The end is missing.
  (random, bytes) => bytes.slice(0, random.whole(0, bytes.length)),
  // A few bytes are missing at the end.
  (random, bytes) => bytes.slice(0, Math.max(0, bytes.length - random.whole(1, 8))),
  // A piece is missing, twice there, or zero.
  (random, bytes) => {
    const from = random.whole(0, bytes.length);
    const to = Math.min(bytes.length, from + random.whole(1, 64));
    const piece = bytes.slice(from, to);
    const kind = random.whole(0, 2);
    return joined(
      bytes.slice(0, from),
      kind === 0 ? new Uint8Array() : kind === 1 ? joined(piece, piece) : piece.fill(0),
      bytes.slice(to),
    );
  },
  // Something is put in.
  (random, bytes) => {
    const at = random.whole(0, bytes.length);
    const noise = Uint8Array.from({ length: random.whole(1, 32) }, () => random.whole(0, 255));
    return joined(bytes.slice(0, at), noise, bytes.slice(at));
  },
  // Zeros at the end, as a crash leaves them.
  (random, bytes) => joined(bytes, new Uint8Array(random.whole(1, 5000))),
];

/** Anywhere, and as often near the beginning, where headers are. */
function place(random: Random, bytes: Uint8Array): number {
  return random.whole(0, (random.chance(0.5) ? Math.min(64, bytes.length) : bytes.length) - 1);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** A text in some encoding, as editors and spreadsheets write it, now and then damaged. */
export function encodeText(random: Random, text: string): Uint8Array {
  const kind = random.whole(0, 19);
  if (kind === 0) return new Uint8Array(Buffer.from(`\ufeff${text}`));
  if (kind === 1) return new Uint8Array(Buffer.from(`\ufeff${text}`, "utf16le"));
  if (kind === 2) return new Uint8Array(Buffer.from(`\ufeff${text}`, "utf16le").swap16());
  if (kind === 3) return new Uint8Array(Buffer.from(text, "latin1"));
  if (kind === 4) return new Uint8Array(Buffer.from(text, "utf16le"));
  if (kind === 5) return new Uint8Array(Buffer.from(text.replaceAll("\n", random.of(["\r", "\r\n"]))));
  return new Uint8Array(Buffer.from(text));
}

/** Values that nobody expects. */
const ODD: readonly unknown[] = [
  null,
  true,
  "",
  "a",
  "__proto__",
  "constructor",
  "\u001b[2J",
  "\ud800",
  [],
  {},
  [null],
  [[]],
  -1,
  0,
  -0,
  0.5,
  1e308,
  -1e-320,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  "1e999",
  "0x10",
  "x".repeat(100_000),
];

/** A JSON text with one to three changes to its values, keys and lists; `null` for a key means that it is left out. */
export function mutateJson(random: Random, value: unknown): string {
  let changed = structuredClone(value);
  for (let n = random.whole(1, 3); n > 0; n--) changed = changeValue(random, changed);
  let text = JSON.stringify(changed);
  if (random.chance(0.05)) text = text.replace(/:/, `:${"[".repeat(100_000)}${"]".repeat(100_000)},"x":`);
  // A key that is there twice, with another value.
  if (random.chance(0.1)) text = text.replace(/\{"(\w+)":/, '{"$1":null,"$1":');
  if (random.chance(0.05))
    text = text.replace(/\d+/, random.of(["1e999", "-0", "00", "NaN", "1e-400", "9".repeat(400)]));
  return text;
}

function changeValue(random: Random, value: unknown): unknown {
  if (typeof value !== "object" || value === null || random.chance(0.1)) return random.of(ODD);
  if (Array.isArray(value)) {
    const list = [...value];
    const at = random.whole(0, Math.max(0, list.length - 1));
    switch (random.whole(0, 4)) {
      case 0:
        return list.toSpliced(at, 1);
      case 1:
        return list.toSpliced(at, 0, list[at]);
      case 2:
        return list.toReversed();
      case 3:
        return [...list, random.of(ODD)];
      default:
        return list.length === 0 ? [random.of(ODD)] : list.with(at, changeValue(random, list[at]));
    }
  }
  const entries = Object.entries(value);
  const at = random.whole(0, Math.max(0, entries.length - 1));
  if (entries.length === 0 || random.chance(0.1))
    return Object.fromEntries([
      ...entries,
      [random.of(["x", "__proto__", "constructor", "é", ""]), random.of(ODD)],
    ]);
  const [key, item] = entries[at]!;
  if (random.chance(0.15)) return Object.fromEntries(entries.toSpliced(at, 1));
  if (random.chance(0.1)) return Object.fromEntries(entries.toReversed());
  if (random.chance(0.1)) return Object.fromEntries(entries.with(at, [`${key}s`, item]));
  return Object.fromEntries(entries.with(at, [key, changeValue(random, item)]));
}

/** Pieces with names: chunks of PNG and WebP, segments of JPEG. */
export interface NamedPiece {
  name: string;
  data: Uint8Array;
}

/** One to three changes to the pieces of a file: removed, doubled, moved, damaged inside, renamed. */
export function mutatePieces(
  random: Random,
  pieces: readonly NamedPiece[],
  names: readonly string[],
): NamedPiece[] {
  let changed = [...pieces];
  for (let n = random.whole(1, 3); n > 0 && changed.length > 0; n--) {
    const at = random.whole(0, changed.length - 1);
    const piece = changed[at]!;
    switch (random.whole(0, 5)) {
      case 0:
        changed = changed.toSpliced(at, 1);
        break;
      case 1:
        changed = changed.toSpliced(at, 0, ...Array<NamedPiece>(random.of([1, 2, 50])).fill(piece));
        break;
      case 2:
        changed = changed.toSpliced(at, 1).toSpliced(random.whole(0, changed.length - 1), 0, piece);
        break;
      case 3:
        changed = changed.with(at, { ...piece, name: random.of(names) });
        break;
      default:
        changed = changed.with(at, { ...piece, data: mutateBytes(random, piece.data) });
    }
  }
  return changed;
}

/** A PNG of chunks, each with its length and a right checksum: damage gets past the check. */
export function pngOf(chunks: readonly NamedPiece[]): Uint8Array {
  const parts: Uint8Array[] = [Buffer.from("\x89PNG\r\n\x1a\n", "latin1")];
  for (const { name, data } of chunks) {
    const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    parts.push(length, body, sum);
  }
  return joined(...parts);
}

/** A WebP of chunks with right lengths. */
export function webpOf(chunks: readonly NamedPiece[]): Uint8Array {
  const parts = chunks.map(({ name, data }) => {
    const head = Buffer.alloc(8);
    head.write(name.padEnd(4).slice(0, 4), "latin1");
    head.writeUInt32LE(data.length, 4);
    return joined(head, data, new Uint8Array(data.length & 1));
  });
  const body = joined(Buffer.from("WEBP", "latin1"), ...parts);
  const head = Buffer.alloc(8);
  head.write("RIFF", "latin1");
  head.writeUInt32LE(body.length, 4);
  return joined(head, body);
}

/** A JPEG of segments with right lengths; the last one is followed by `rest`, the scans. */
export function jpegOf(segments: readonly NamedPiece[], rest: Uint8Array): Uint8Array {
  const parts = segments.map(({ name, data }) => {
    const head = Buffer.from([0xff, Number.parseInt(name, 16), 0, 0]);
    head.writeUInt16BE(Math.min(0xffff, data.length + 2), 2);
    return joined(head, data);
  });
  return joined(Buffer.from([0xff, 0xd8]), ...parts, rest);
}
