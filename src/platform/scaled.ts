/** Scales a picture to a square. */

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Bytes a pixel. */
  readonly channels: number;
  readonly data: Uint8Array;
}

/** The source pixels under one pixel of the result, along one axis, and the share that each has of it. */
interface Span {
  readonly first: number;
  readonly shares: readonly number[];
  /** Share that lies beside the picture. */
  readonly beside: number;
}

/**
 * Scales to `size`×`size`: `contain` pads with white, `cover` crops to the middle. Each pixel is the mean of the area that it
 * covers, as in picture-tensor.ts.
 */
export function scaled(
  { width, height, channels, data }: Pixels,
  size: number,
  fit: "contain" | "cover",
): { width: number; height: number; data: Uint8Array } {
  const scale = (fit === "contain" ? Math.min : Math.max)(size / width, size / height);
  const columns = spans(width, size, scale);
  const rows = spans(height, size, scale);
  const sums = new Float64Array(size * size * channels);
  const line = new Float64Array(size * channels);
  let scaledRow = -1;
  rows.forEach(({ first, shares, beside }, y) => {
    const out = sums.subarray(y * line.length, (y + 1) * line.length).fill(255 * beside);
    shares.forEach((share, i) => {
      if (scaledRow !== first + i) {
        scaledRow = first + i;
        scaleRow(data.subarray(scaledRow * width * channels), columns, channels, line);
      }
      for (let k = 0; k < line.length; k++) out[k]! += share * line[k]!;
    });
  });
  return { width: size, height: size, data: Uint8Array.from(sums, Math.round) };
}

function scaleRow(row: Uint8Array, columns: readonly Span[], channels: number, out: Float64Array): void {
  columns.forEach(({ first, shares, beside }, x) => {
    for (let c = 0; c < channels; c++) {
      let sum = 255 * beside;
      for (let i = 0; i < shares.length; i++) sum += shares[i]! * row[(first + i) * channels + c]!;
      out[x * channels + c] = sum;
    }
  });
}

/** For each of `size` pixels, the part of a line of `length` pixels under it. Both lines have the same centre. */
function spans(length: number, size: number, scale: number): Span[] {
  return Array.from({ length: size }, (_, i) => {
    const from = (i - size / 2) / scale + length / 2;
    const to = from + 1 / scale;
    const first = Math.max(0, Math.floor(from));
    const end = Math.min(length, Math.ceil(to));
    const shares: number[] = [];
    for (let j = first; j < end; j++) shares.push((Math.min(to, j + 1) - Math.max(from, j)) * scale);
    return { first, shares, beside: Math.max(0, 1 - shares.reduce((sum, share) => sum + share, 0)) };
  });
}
