/** Tests of distributions. Each returns a number that the caller compares with a stated bound. */

/** Kolmogorov-Smirnov: sqrt(n) times the largest gap between the empirical and the given distribution function. */
export function kolmogorovSmirnov(samples: ArrayLike<number>, cdf: (x: number) => number): number {
  const sorted = Float64Array.from(samples).sort();
  const n = sorted.length;
  let gap = 0;
  for (let i = 0; i < n; i++) {
    const p = cdf(sorted[i]!);
    gap = Math.max(gap, p - i / n, (i + 1) / n - p);
  }
  return Math.sqrt(n) * gap;
}

/**
 * Chi-square of counts against probabilities, as a roughly standard normal number (Wilson and Hilferty). Cells that
 * expect fewer than five are pooled; a count where the probability is 0 gives infinity.
 */
export function chiSquareZ(counts: ArrayLike<number>, probabilities: ArrayLike<number>): number {
  let n = 0;
  for (let i = 0; i < counts.length; i++) n += counts[i]!;
  let statistic = 0;
  let cells = 0;
  let pooledCount = 0;
  let pooledExpected = 0;
  for (let i = 0; i < counts.length; i++) {
    const expected = probabilities[i]! * n;
    if (expected === 0 && counts[i]! > 0) return Number.POSITIVE_INFINITY;
    if (expected < 5) {
      pooledCount += counts[i]!;
      pooledExpected += expected;
    } else {
      statistic += (counts[i]! - expected) ** 2 / expected;
      cells++;
    }
  }
  if (pooledExpected > 1) {
    statistic += (pooledCount - pooledExpected) ** 2 / pooledExpected;
    cells++;
  }
  const freedom = cells - 1;
  if (freedom < 1) return 0;
  const spread = 2 / (9 * freedom);
  return ((statistic / freedom) ** (1 / 3) - (1 - spread)) / Math.sqrt(spread);
}

/** Mean, variance, skewness and excess kurtosis. */
export function moments(samples: ArrayLike<number>): [number, number, number, number] {
  const n = samples.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += samples[i]! / n;
  const central = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const d = samples[i]! - mean;
    for (let k = 0; k < 3; k++) central[k]! += d ** (k + 2) / n;
  }
  const [m2, m3, m4] = central as [number, number, number];
  return [mean, m2, m3 / m2 ** 1.5, m4 / m2 ** 2 - 3];
}

/** Distribution function of the standard normal: erfc by its continued fraction and series, error below 1e-12. */
export function normalCdf(x: number): number {
  const a = Math.abs(x);
  let tail: number;
  if (a < 3) {
    let term = a;
    let sum = a;
    for (let k = 1; k < 80; k++) {
      term *= (a * a) / (2 * k + 1);
      sum += term;
    }
    tail = 0.5 - (sum * Math.exp((-a * a) / 2)) / Math.sqrt(2 * Math.PI);
  } else {
    let fraction = 0;
    for (let k = 60; k >= 1; k--) fraction = k / (a + fraction);
    tail = Math.exp((-a * a) / 2) / Math.sqrt(2 * Math.PI) / (a + fraction);
  }
  return x < 0 ? tail : 1 - tail;
}
