/**
 * CLIPScore and RefCLIPScore (Hessel et al. 2021) of features that a CLIP computed, as their public code computes them. The
 * features of captions and references are those of `CLIP_PROMPT` and the text.
 */

/** The words before every caption and every reference. */
export const CLIP_PROMPT = "A photo depicts ";

/** w: the factor of CLIPScore. */
export const CLIP_SCORE_WEIGHT = 2.5;

/** The features of one picture or text, not normalised. */
export type ClipFeatures = ArrayLike<number>;

/** The cosine of two vectors of the same length: a·b / (|a||b|), in float64. NaN if one is zero. */
export function cosine(a: ClipFeatures, b: ClipFeatures): number {
  if (a.length !== b.length)
    throw new RangeError(`cosine: vectors of ${a.length} and ${b.length} numbers do not compare`);
  let [dot, squareA, squareB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    squareA += a[i]! ** 2;
    squareB += b[i]! ** 2;
  }
  return dot / (Math.sqrt(squareA) * Math.sqrt(squareB));
}

/** w · max(cos(picture, caption), 0). */
export function clipScore(picture: ClipFeatures, caption: ClipFeatures): number {
  return CLIP_SCORE_WEIGHT * Math.max(cosine(picture, caption), 0);
}

/**
 * The harmonic mean of CLIPScore and the largest cosine of the caption and a reference, which is not scaled by w; 0 if either is
 * not positive.
 */
export function refClipScore(
  picture: ClipFeatures,
  caption: ClipFeatures,
  references: readonly ClipFeatures[],
): number {
  const score = clipScore(picture, caption);
  const best = Math.max(0, ...references.map((reference) => cosine(caption, reference)));
  return score === 0 || best === 0 ? 0 : (2 * score * best) / (score + best);
}
