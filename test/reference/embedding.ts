/** Embedding in float64. */
export function embedding(
  table: Float64Array,
  ids: ArrayLike<number>,
  channels: number,
  options: { positions?: Float64Array; length?: number; zeroId?: number } = {},
): Float64Array {
  const output = new Float64Array(ids.length * channels);
  const last = table.length / channels - 1;
  for (let n = 0; n < ids.length; n++) {
    if (ids[n] === options.zeroId) continue;
    for (let c = 0; c < channels; c++) {
      output[n * channels + c] = table[Math.min(ids[n]!, last) * channels + c]!;
      if (options.positions)
        output[n * channels + c]! += options.positions[(n % options.length!) * channels + c]!;
    }
  }
  return output;
}
