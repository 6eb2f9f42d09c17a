import { exactMatches, genderMatches, objectWordScores, toneMatches } from "./accuracy.js";
import { BLEU_SUMS, bleuCounts, bleuOf } from "./bleu.js";
import { meanOfDefined, meanRows } from "./bootstrap.js";
import { type CaptionTokenizer, tokenizeAll } from "./caption-tokenizer.js";
import { ciderBoth } from "./cider.js";
import { METEOR_TITLE, meteor } from "./meteor/meteor.js";
import { METEOR_SUMS, meteorOf } from "./meteor/statistics.js";
import { ptbTokenizer } from "./ptb/tokenizer.js";
import { rougeL } from "./rouge.js";
import type { Metric } from "./scores.js";
import { tupleF1 } from "./tuples/tuple-f1.js";
import type { WordNet } from "./wordnet.js";

/** The metrics of `captionMetrics`, in the order of tables. Those of the second line need WordNet. */
export type CaptionMetricName =
  | ("bleu1" | "bleu2" | "bleu3" | "bleu4" | "rougeL" | "cider" | "ciderD")
  | ("meteor" | "tupleF1")
  | ("exact" | "objectWords" | "tone" | "gender");

/** What `captionMetrics` splits captions by, and where it finds synonyms. */
export interface CaptionMetricsOptions {
  /** Splits captions for BLEU, ROUGE-L, CIDEr and METEOR; default: `ptbTokenizer`, coco-caption's. */
  readonly tokenizer?: CaptionTokenizer;
  /** For METEOR and tuple F1, which are left out without it. */
  readonly wordNet?: WordNet;
}

type Captions = readonly string[];
type References = readonly (readonly string[])[];

/**
 * All metrics of captions against references, as sums over pictures: `rows` for the bootstrap (`bootstrap`), `of` for a score of
 * summed rows or of one picture's row. Pass the same arrays to several of them: captions are tokenized and counted once for each
 * pair of arrays.
 */
export function captionMetrics({
  tokenizer = ptbTokenizer,
  wordNet,
}: CaptionMetricsOptions = {}): Map<CaptionMetricName, Metric> {
  const tokens = remembered((candidates, references) => tokenizeAll(candidates, references, tokenizer));
  const counts = remembered((candidates, references) => {
    const of = tokens(candidates, references);
    return bleuCounts(of.candidates, of.references, of.tokenizer);
  });
  const mean = (
    title: string,
    decimals: Metric["decimals"],
    each: (candidates: Captions, references: References, corpus: References) => Float64Array,
  ): Metric => ({
    ...meanOfDefined,
    title,
    decimals,
    rows: (candidates, references, corpus) => meanRows(each(candidates, references, corpus)),
  });
  const consensus = remembered((candidates, references, corpus) => {
    const of = tokens(candidates, references);
    const all = corpus === references ? of.references : corpus.map((list) => list.map(tokenizer.reference));
    return ciderBoth(of.candidates, of.references, all, of.tokenizer);
  });
  const consensusOf =
    (name: "cider" | "ciderD") => (candidates: Captions, references: References, corpus: References) =>
      consensus(candidates, references, corpus)[name].each;

  const metrics = new Map<CaptionMetricName, Metric>();
  for (const n of [1, 2, 3, 4] as const) {
    metrics.set(`bleu${n}`, {
      title: `BLEU-${n}`,
      decimals: 3,
      width: BLEU_SUMS,
      of: (sums) => bleuOf(sums)[n - 1]!,
      rows: (candidates, references) => counts(candidates, references),
    });
  }
  metrics.set(
    "rougeL",
    mean("ROUGE-L", 3, (candidates, references) => {
      const of = tokens(candidates, references);
      return rougeL(of.candidates, of.references, of.tokenizer).each;
    }),
  );
  metrics.set("cider", mean("CIDEr", 3, consensusOf("cider")));
  metrics.set("ciderD", mean("CIDEr-D", 3, consensusOf("ciderD")));
  if (wordNet !== undefined) {
    metrics.set("meteor", {
      title: METEOR_TITLE,
      decimals: 3,
      width: METEOR_SUMS,
      of: meteorOf,
      rows: (candidates, references) => {
        const of = tokens(candidates, references);
        return meteor(of.candidates, of.references, wordNet, of.tokenizer).rows;
      },
    });
    metrics.set(
      "tupleF1",
      mean("tuple F1", 3, (candidates, references) => tupleF1(candidates, references, wordNet).each),
    );
  }
  metrics.set("exact", mean("exact", "share", exactMatches));
  metrics.set("objectWords", mean("object words", "share", objectWordScores));
  metrics.set("tone", mean("tone", "share", toneMatches));
  metrics.set("gender", mean("gender", "share", genderMatches));
  return metrics;
}

/** A function of captions, references and the references of the corpus that keeps its last result for the same arrays. */
function remembered<T>(compute: (candidates: Captions, references: References, corpus: References) => T) {
  let last: { candidates: Captions; references: References; corpus: References; result: T } | null = null;
  return (candidates: Captions, references: References, corpus: References = references): T => {
    if (last?.candidates !== candidates || last.references !== references || last.corpus !== corpus)
      last = { candidates, references, corpus, result: compute(candidates, references, corpus) };
    return last.result;
  };
}

/** One score by metric; NaN where a metric does not apply. */
export type ScoresByName = { [name in CaptionMetricName]?: number };

/** Scores of a corpus and, in the order of the captions, of each caption by itself. */
export interface CaptionReport {
  readonly scores: ScoresByName;
  readonly each: readonly ScoresByName[];
}

/**
 * Scores one caption per picture against all references of that picture, by all of `captionMetrics`. `onMetric` is called before
 * each metric. Throws a RangeError unless each caption has references.
 */
export function reportCaptions(
  candidates: Captions,
  references: References,
  options: CaptionMetricsOptions & {
    readonly onMetric?: (done: number, total: number, title: string) => void;
  } = {},
): CaptionReport {
  const metrics = captionMetrics(options);
  const scores: ScoresByName = {};
  const each: ScoresByName[] = candidates.map(() => ({}));
  let done = 0;
  for (const [name, metric] of metrics) {
    options.onMetric?.(done++, metrics.size, metric.title);
    const rows = metric.rows(candidates, references, references);
    const { width } = metric;
    const sums = new Float64Array(width);
    for (let i = 0; i < rows.length; i++) sums[i % width]! += rows[i]!;
    scores[name] = metric.of(sums);
    for (const [i, own] of each.entries()) own[name] = metric.of(rows.subarray(i * width, (i + 1) * width));
  }
  return { scores, each };
}
