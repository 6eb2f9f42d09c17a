/** Group normalisation in float64: x [B, P, C]; variance over pixels and the channels of a group. */
export function referenceGroupNorm(
  shape: { batch: number; pixels: number; channels: number; groups: number },
  x: Float64Array,
  weight: Float64Array,
  bias: Float64Array,
  options: { epsilon?: number; silu?: boolean } = {},
): Float64Array {
  const { batch, pixels, channels, groups } = shape;
  const { epsilon = 1e-5, silu = false } = options;
  const size = channels / groups;
  const y = new Float64Array(x.length);
  for (let b = 0; b < batch; b++) {
    for (let g = 0; g < groups; g++) {
      const members: number[] = [];
      for (let p = 0; p < pixels; p++)
        for (let c = g * size; c < (g + 1) * size; c++) members.push((b * pixels + p) * channels + c);
      const mean = members.reduce((sum, at) => sum + x[at]!, 0) / members.length;
      const variance = members.reduce((sum, at) => sum + (x[at]! - mean) ** 2, 0) / members.length;
      for (const at of members) {
        const c = at % channels;
        const t = ((x[at]! - mean) / Math.sqrt(variance + epsilon)) * weight[c]! + bias[c]!;
        y[at] = silu ? t / (1 + Math.exp(-t)) : t;
      }
    }
  }
  return y;
}
