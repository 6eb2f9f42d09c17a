/** Removes metadata from a picture file that browsers apply and other decoders do not. */

import {
  isExif,
  jpegSegments,
  type PictureFormat,
  type Piece,
  pngChunks,
  webpChunks,
} from "./picture-header.js";

/** PNG chunks that browsers treat differently from each other and from sharp: see the rule in picture-header.ts. */
const PNG_LEFT_OUT = new Set(["gAMA", "cHRM", "cICP", "mDCV", "cLLI", "eXIf"]);

/**
 * Returns the file without EXIF (the caller applies its orientation) and, for PNG, without colour information other than an ICC
 * profile. Returns the same bytes if there is nothing to remove.
 */
export function withoutAsides(format: PictureFormat, bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (format) {
    case "png":
      return without(
        bytes,
        [...pngChunks(view)].filter(({ name }) => PNG_LEFT_OUT.has(name)),
      );
    case "jpeg":
      return without(
        bytes,
        [...jpegSegments(view)].filter(({ name, from, to }) => isExif(view, name, from, to)),
      );
    case "webp":
      return withoutExif(
        bytes,
        [...webpChunks(view)].filter(({ name }) => name === "EXIF"),
      );
    case "svg":
      return bytes;
  }
}

function without(bytes: Uint8Array, left: readonly Piece[]): Uint8Array {
  if (left.length === 0) return bytes;
  const kept = new Uint8Array(bytes.length - left.reduce((sum, { start, next }) => sum + next - start, 0));
  let [from, at] = [0, 0];
  for (const { start, next } of [...left, { start: bytes.length, next: bytes.length }]) {
    kept.set(bytes.subarray(from, start), at);
    at += start - from;
    from = next;
  }
  return kept;
}

/** Removes the chunks and corrects the file's length and the EXIF flag in its first chunk. */
function withoutExif(bytes: Uint8Array, left: readonly Piece[]): Uint8Array {
  if (left.length === 0) return bytes;
  const kept = without(bytes, left);
  const view = new DataView(kept.buffer);
  view.setUint32(4, kept.length - 8, true);
  const [flags, exif] = [20, 0x08];
  if (kept.length > flags) kept[flags]! &= ~exif;
  return kept;
}
