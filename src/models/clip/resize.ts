/**
 * Pillow's bicubic resize, to the bit: Keys's kernel with a = −0.5, widened when shrinking; weights in multiples of 2⁻²²; first
 * along rows, then along columns, rounded and clamped to 8 bits after each.
 */

/** A picture of 8 bits a channel: rows from the top, channels side by side. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Rows of pixels, [height, width, channels]; grey, grey and alpha, RGB, or RGBA. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

const precision = 22;
const support = 2;

/** Keys's cubic convolution kernel. */
function cubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** For one output sample: its first input sample, and the integer weights of that and the following ones. */
interface Window {
  readonly first: number;
  readonly weights: Int32Array;
}

/** The windows of the output samples `from` … `from + count − 1` of `length` input samples resized to `resized`. */
function windows(length: number, resized: number, from: number, count: number): Window[] {
  const scale = length / resized;
  const widening = Math.max(1, scale);
  const reach = support * widening;
  return Array.from({ length: count }, (_, i) => {
    const center = (from + i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const end = Math.min(length, Math.trunc(center + reach + 0.5));
    const raw = Array.from({ length: end - first }, (_, k) => cubic((first + k - center + 0.5) / widening));
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return {
      first,
      // Away from zero at a half, as C's conversion of ±0.5 + x.
      weights: Int32Array.from(raw, (weight) => {
        const scaled = (weight / sum) * 2 ** precision;
        return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
      }),
    };
  });
}

/** A part of a resized picture, in pixels of the result. */
export interface ResizedPart {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly top: number;
  readonly columns: number;
  readonly rows: number;
}

/** The bytes [rows, columns, channels] of a part of `source` resized to width × height. */
export function resizeBicubic(source: Pixels, part: ResizedPart): Uint8Array {
  const { width, height, data } = source;
  const channels = data.length / (width * height);
  const across = windows(width, part.width, part.left, part.columns);
  const down = windows(height, part.height, part.top, part.rows);
  const top = down[0]!.first;
  const last = down.at(-1)!;
  const lines = last.first + last.weights.length - top;
  const stride = part.columns * channels;
  const narrow = new Uint8Array(lines * stride);
  for (const [column, { first, weights }] of across.entries()) {
    for (let channel = 0; channel < channels; channel++) {
      const from = {
        start: (top * width + first) * channels + channel,
        tap: channels,
        next: width * channels,
      };
      filter(data, from, weights, narrow, { start: column * channels + channel, next: stride }, lines);
    }
  }
  const result = new Uint8Array(part.rows * stride);
  for (const [row, { first, weights }] of down.entries()) {
    const from = { start: (first - top) * stride, tap: stride, next: 1 };
    filter(narrow, from, weights, result, { start: row * stride, next: 1 }, stride);
  }
  return result;
}

/**
 * `count` output bytes, `to.next` apart: each the sum of weighted input bytes, `from.tap` apart, rounded and clamped. The input of
 * an output begins `from.next` after that of the one before.
 */
function filter(
  data: Uint8Array | Uint8ClampedArray,
  from: { readonly start: number; readonly tap: number; readonly next: number },
  weights: Int32Array,
  target: Uint8Array,
  to: { readonly start: number; readonly next: number },
  count: number,
): void {
  const { tap } = from;
  for (let i = 0; i < count; i++) {
    let sum = 2 ** (precision - 1);
    let at = from.start + i * from.next;
    for (let k = 0; k < weights.length; k++, at += tap) sum += data[at]! * weights[k]!;
    const value = sum >> precision;
    target[to.start + i * to.next] = Math.max(0, Math.min(255, value));
  }
}

/** Like `resizeBicubic`, by the nearest pixel. */
export function resizeNearest(source: Pixels, part: ResizedPart): Uint8Array {
  const { width, height, data } = source;
  const channels = data.length / (width * height);
  const result = new Uint8Array(part.rows * part.columns * channels);
  for (let row = 0, to = 0; row < part.rows; row++) {
    const line = Math.floor(((part.top + row + 0.5) * height) / part.height) * width;
    for (let column = 0; column < part.columns; column++, to += channels) {
      const pixel = line + Math.floor(((part.left + column + 0.5) * width) / part.width);
      result.set(data.subarray(pixel * channels, (pixel + 1) * channels), to);
    }
  }
  return result;
}
