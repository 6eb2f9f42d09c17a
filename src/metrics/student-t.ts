/** Student's t distribution with a whole number of degrees of freedom, in closed form (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4). */

/** P(|T| ≤ t) for t ≥ 0. */
function tCentral(t: number, degrees: number): number {
  const angle = Math.atan2(t, Math.sqrt(degrees));
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const odd = degrees % 2 === 1;
  // The sum 1 + (1/2) cos² + (1·3)/(2·4) cos⁴ + … of an even number; cos + (2/3) cos³ + … of an odd one.
  let [sum, term] = [0, odd ? cosine : 1];
  for (let k = odd ? 3 : 2; k <= degrees; k += 2) {
    sum += term;
    term *= ((k - 1) / k) * cosine * cosine;
  }
  return odd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
}

/** The two-sided p-value of a statistic t with this many degrees of freedom, 1 or more. */
export function tProbability(t: number, degrees: number): number {
  return 1 - tCentral(Math.abs(t), degrees);
}

/** The t with P(T ≤ t) = `share`, which is from 0.5 to below 1, by bisection. */
export function tQuantile(share: number, degrees: number): number {
  let [low, high] = [0, 1];
  while (tCentral(high, degrees) < 2 * share - 1) high *= 2;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (tCentral(middle, degrees) < 2 * share - 1) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
