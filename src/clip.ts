/**
 * CLIP, `mc-diffusion/clip`: pictures and texts as vectors of one space, and the scores of captions that follow from them. Nothing
 * here needs Node; `decodePixels` of `mc-diffusion/node` decodes pictures there.
 *
 * @module mc-diffusion/clip
 */

export {
  type ClipEvaluationOptions,
  type ClipScores,
  type ClipSplitScores,
  clipEvaluation,
  clipTable,
} from "./evaluation/clip-evaluation.js";
export {
  type ClipFeatureOptions,
  type ClipFeatureTable,
  clipFeatures,
  type FeatureModel,
} from "./evaluation/clip-features.js";
export { FeatureStore } from "./evaluation/feature-store.js";
export {
  CLIP_PROMPT,
  CLIP_SCORE_WEIGHT,
  type ClipFeatures,
  clipScore,
  cosine,
  refClipScore,
} from "./metrics/clip-score.js";
export {
  Clip,
  type ClipEncodeOptions,
  type ClipLoadOptions,
  type ClipOptions,
  type ClipSimilarity,
  type ClipText,
  type ClipTokenize,
} from "./models/clip/clip.js";
export { readClip, type StoredClip, saveClip } from "./models/clip/files.js";
export { type ClipImportOptions, type ImportedClip, importClip } from "./models/clip/import.js";
export { ClipModel } from "./models/clip/model.js";
export type { ClipImage } from "./models/clip/picture.js";
export {
  type ClipPixels,
  clipCrop,
  clipDeviation,
  clipMean,
  clipNormalised,
} from "./models/clip/preprocess.js";
export type { ClipActivation, ClipShape, ClipTowerShape } from "./models/clip/shape.js";
export { ClipBpe } from "./text/clip/bpe.js";
