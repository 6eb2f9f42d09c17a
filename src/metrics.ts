/**
 * Metrics of captions, `mc-diffusion/metrics`: BLEU, ROUGE-L, CIDEr and CIDEr-D as coco-caption computes them, METEOR's modules
 * exact, stem and synonym, tuple F1, diversity, accuracies of words, and confidence intervals. Nothing here needs a GPU or Node,
 * and nothing loads WordNet: read `mc-diffusion/wordnet/wordnet-3.0.txt.gz`, unpack it and pass the text to `WordNet`.
 *
 * @module mc-diffusion/metrics
 */

export {
  type Accuracy,
  exactMatch,
  exactMatches,
  genderAccuracy,
  genderMatches,
  objectWordAccuracy,
  objectWordScores,
  toneAccuracy,
  toneMatches,
} from "./metrics/accuracy.js";
export { BLEU_SUMS, bleu, bleuCounts, bleuEach, bleuOf } from "./metrics/bleu.js";
export {
  type BootstrapOptions,
  bootstrap,
  difference,
  type Estimate,
  type Measurement,
  meanOfDefined,
  meanRows,
  type Score,
  type Statistic,
  scoreOf,
} from "./metrics/bootstrap.js";
export {
  type CaptionMetricName,
  type CaptionMetricsOptions,
  type CaptionReport,
  captionMetrics,
  reportCaptions,
  type ScoresByName,
} from "./metrics/caption-metrics.js";
export {
  type CaptionTokenizer,
  spacesTokenizer,
  splitWhiteSpace,
  type TokenizedCaptions,
  tokenizeAll,
  wordsTokenizer,
} from "./metrics/caption-tokenizer.js";
export { cider, ciderD } from "./metrics/cider.js";
export {
  captionLengths,
  type Diversity,
  diversity,
  knownCaptions,
  newCaptionsEach,
} from "./metrics/diversity.js";
export { METEOR_TITLE, meteor } from "./metrics/meteor/meteor.js";
export { meteorTokens } from "./metrics/meteor/normalize.js";
export { METEOR_SUMS, meteorOf } from "./metrics/meteor/statistics.js";
export { ptbTokenizer, ptbTokens, ptbWords } from "./metrics/ptb/tokenizer.js";
export { rougeL } from "./metrics/rouge.js";
export {
  type CaptionScores,
  METRIC_NAMES,
  METRICS,
  type Metric,
  type MetricName,
  scoreCaptions,
} from "./metrics/scores.js";
export { bootstrapP, drawsFor, holm, SIGNIFICANT } from "./metrics/significance.js";
export { tokenizeCaption, tokenizeSaid } from "./metrics/tokenize.js";
export { captionTuples, type Tuple } from "./metrics/tuples/extract.js";
export { tupleF1, tupleScores } from "./metrics/tuples/tuple-f1.js";
export { type WordKind, WordNet, type WordUses } from "./metrics/wordnet.js";
