/**
 * Sums over processes of numbers that travel in 16 bits: half the bytes, one rounding on the way there and one on the way back.
 * Every process adds up one part of the numbers in float32, in the order of the ranks.
 */

import { bfloat16ToFloat32, float16ToFloat32, float32ToFloat16 } from "../engine/tensor/float16.js";
import type { Collective } from "../platform/collective.js";

/**
 * How gradients travel between processes. bfloat16 has the range of float32 and 8 bits of precision; float16 has 11 bits, and its
 * numbers are scaled by their maximum.
 */
export const transports = ["float32", "bfloat16", "float16"] as const;
export type Transport = (typeof transports)[number];

/** float16 overflows at 2¹⁶: sums of `size` numbers up to 2¹⁵ / size stay below. */
const MOST = 2 ** 15;

/** Replaces `data` by its sum over all ranks, each summand and the sum rounded to 16 bits. The same bits on each rank. */
export async function sumInHalves(
  collective: Collective,
  data: Float32Array,
  transport: Exclude<Transport, "float32">,
): Promise<void> {
  const { size, rank } = collective;
  const factor = transport === "float16" ? await commonFactor(collective, data) : 1;
  const pack = transport === "float16" ? float32ToFloat16 : float32ToBfloat16;
  const unpack = transport === "float16" ? float16ToFloat32 : bfloat16ToFloat32;
  const length = Math.ceil(data.length / size);
  const scaled = new Float32Array(length * size);
  for (let i = 0; i < data.length; i++) scaled[i] = data[i]! * factor;
  const halves = pack(scaled);
  const bytes = new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength);
  await collective.exchange(bytes);
  const received = unpack(halves);
  const sum = received.slice(0, length);
  for (let from = 1; from < size; from++)
    for (let i = 0; i < length; i++) sum[i]! += received[from * length + i]!;
  halves.set(pack(sum), rank * length);
  await collective.gather(bytes);
  const sums = unpack(halves);
  for (let i = 0; i < data.length; i++) data[i] = sums[i]! / factor;
}

/** The power of two that brings the largest number of all ranks to the top of float16's range; 1 if a number is not finite. */
async function commonFactor(collective: Collective, data: Float32Array): Promise<number> {
  let own = 0;
  for (let i = 0; i < data.length; i++) {
    const magnitude = Math.abs(data[i]!);
    if (!(magnitude <= own)) own = magnitude;
  }
  // MPI's maximum of NaN is not defined.
  const most = Float64Array.of(Number.isFinite(own) ? own : Number.MAX_VALUE);
  await collective.allReduce(most, "max");
  const bound = most[0]!;
  if (bound === 0 || bound === Number.MAX_VALUE) return 1;
  return 2 ** Math.min(120, Math.floor(Math.log2(MOST / collective.size / bound)));
}

/** Rounds to the nearest bfloat16, ties to even; NaN stays NaN. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    const isNan = (b & 0x7fffffff) > 0x7f800000;
    // A NaN keeps its upper bits, and one that is not 0.
    out[i] = isNan ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return out;
}
