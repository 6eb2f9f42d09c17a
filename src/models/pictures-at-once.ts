/** How many pictures a caption decoder takes at once. */

/** Pictures captioned at once where little is kept of each. */
const MOST_PICTURES = 64;
/** Bytes of all that a decoder keeps of the pictures that it captions at once. */
const MOST_KEPT = 2 ** 30;
/** Bytes of one value: what every device can bind. A device's own limit would make captions depend on it. */
const MOST_OF_A_VALUE = 2 ** 27;

/**
 * Pictures captioned at once by a decoder that keeps `kept` float32 numbers of a picture from its codes on, and whose largest value
 * has `largest` a picture; guidance needs both twice. The paper's decoder keeps 18 · 1024 · 1024: 7 pictures.
 */
export function picturesAtOnce({ kept, largest }: { kept: number; largest: number }): number {
  const fit = Math.min(MOST_KEPT / (2 * 4 * kept), MOST_OF_A_VALUE / (2 * 4 * largest));
  return Math.max(1, Math.min(MOST_PICTURES, Math.floor(fit)));
}
