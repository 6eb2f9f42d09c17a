/** Vector quantisation in float64. Vectors and codes are flat, `width` numbers each. */

export function referenceNearest(
  z: ArrayLike<number>,
  codes: ArrayLike<number>,
  width: number,
): {
  ids: number[];
  distance: Float64Array /** How much farther the second-best code is. */;
  margin: number[];
} {
  const rows = z.length / width;
  const codeCount = codes.length / width;
  const ids: number[] = [];
  const margin: number[] = [];
  const distance = new Float64Array(rows);
  for (let n = 0; n < rows; n++) {
    let best = Number.POSITIVE_INFINITY;
    let second = Number.POSITIVE_INFINITY;
    let id = -1;
    for (let k = 0; k < codeCount; k++) {
      let sum = 0;
      for (let d = 0; d < width; d++) sum += (z[n * width + d]! - codes[k * width + d]!) ** 2;
      if (sum < best) {
        second = best;
        best = sum;
        id = k;
      } else if (sum < second) second = sum;
    }
    ids.push(id);
    distance[n] = best;
    margin.push(second - best);
  }
  return { ids, distance, margin };
}

/** The running update of van den Oord et al. 2017, appendix A.1, one step at a time. */
export class ReferenceCodebook {
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly codes: Float64Array;
  readonly idle: Float64Array;
  private readonly width: number;

  constructor(codes: ArrayLike<number>, width: number) {
    this.width = width;
    this.codes = Float64Array.from(codes);
    this.sums = Float64Array.from(codes);
    this.counts = new Float64Array(codes.length / width).fill(1);
    this.idle = new Float64Array(codes.length / width);
  }

  update(z: ArrayLike<number>, ids: ArrayLike<number>, decay: number, epsilon: number) {
    const { width } = this;
    const codeCount = this.counts.length;
    const n = new Float64Array(codeCount);
    const sums = new Float64Array(this.sums.length);
    for (let row = 0; row < ids.length; row++) {
      n[ids[row]!]!++;
      for (let d = 0; d < width; d++) sums[ids[row]! * width + d]! += z[row * width + d]!;
    }
    for (let k = 0; k < codeCount; k++) {
      this.counts[k] = decay * this.counts[k]! + (1 - decay) * n[k]!;
      this.idle[k] = n[k] === 0 ? this.idle[k]! + 1 : 0;
    }
    const total = this.counts.reduce((a, b) => a + b, 0);
    for (let i = 0; i < sums.length; i++) {
      this.sums[i] = decay * this.sums[i]! + (1 - decay) * sums[i]!;
      const k = Math.floor(i / width);
      const smoothed = ((this.counts[k]! + epsilon) / (total + codeCount * epsilon)) * total;
      this.codes[i] = this.sums[i]! / smoothed;
    }
    const p = n.map((count) => count / ids.length);
    const entropy = p.reduce((sum, value) => (value > 0 ? sum - value * Math.log(value) : sum), 0);
    return [total, Math.exp(entropy), n.filter((count) => count > 0).length, ids.length];
  }
}
