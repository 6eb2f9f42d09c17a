/** Softmax and layer norm in float64, straight from the formulas; arrays are rows of `width` values. */

export function logSumExp(x: Float64Array, width: number): Float64Array {
  return Float64Array.from({ length: x.length / width }, (_, r) => {
    const row = x.subarray(r * width, (r + 1) * width);
    const top = row.reduce((a, b) => Math.max(a, b));
    return top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
  });
}

export function logSoftmax(x: Float64Array, width: number): Float64Array {
  const lse = logSumExp(x, width);
  return x.map((value, i) => value - lse[Math.floor(i / width)]!);
}

export function softmax(x: Float64Array, width: number): Float64Array {
  return logSoftmax(x, width).map(Math.exp);
}

/** (x - mean) / √(var + epsilon), row by row. */
export function normalise(x: Float64Array, width: number, epsilon: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let first = 0; first < x.length; first += width) {
    const row = x.subarray(first, first + width);
    const mean = row.reduce((a, b) => a + b, 0) / width;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width;
    row.forEach((value, c) => {
      y[first + c] = (value - mean) / Math.sqrt(variance + epsilon);
    });
  }
  return y;
}

export function layerNorm(
  x: Float64Array,
  weight: Float64Array,
  bias: Float64Array,
  epsilon: number,
): Float64Array {
  const width = weight.length;
  return normalise(x, width, epsilon).map((value, i) => value * weight[i % width]! + bias[i % width]!);
}

/** x [B, T, C], scaleShift [B, 2C]. */
export function adaLayerNorm(
  x: Float64Array,
  scaleShift: Float64Array,
  batches: number,
  width: number,
  epsilon: number,
): Float64Array {
  const perBatch = x.length / batches;
  return normalise(x, width, epsilon).map((value, i) => {
    const at = Math.floor(i / perBatch) * 2 * width + (i % width);
    return value * (1 + scaleShift[at]!) + scaleShift[at + width]!;
  });
}
