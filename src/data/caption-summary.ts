/**
 * Summarises how training will treat the captions of a data set: how many are cut, how many words are unknown, and the scripts.
 */

import { UserError } from "../platform/errors.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { UNKNOWN, words } from "../text/words.js";
import { type LengthCounts, lengthHistogram } from "./caption-lengths.js";
import type { Dataset } from "./dataset.js";

export interface SplitCaptions {
  readonly split: string;
  readonly captions: number;
  /** Captions with more tokens than fit. */
  readonly cut: number;
  readonly words: number;
  /** Words missing from the vocabulary. */
  readonly unknown: number;
}

/** Counts of a data set's captions, to print before training. */
export interface CaptionSummary {
  readonly splits: readonly SplitCaptions[];
  /** What a caption's length counts: tokens where words have several. */
  readonly unit: "words" | "tokens";
  /** Whether the tokenizer has a token for unknown words. */
  readonly hasUnknown: boolean;
  /** Most tokens in one training caption. */
  readonly longest: number;
  /** Training captions by their number of tokens. */
  readonly lengths: LengthCounts;
  /** Different words of the training captions, and how many of them occur once. */
  readonly vocabulary: { readonly words: number; readonly once: number };
  /** The most frequent word of the training captions and its number of occurrences. */
  readonly mostFrequent: { readonly word: string; readonly count: number };
  /** Scripts of the training captions' words with their shares, in descending order. */
  readonly scripts: readonly { readonly script: string; readonly share: number }[];
}

const SCRIPTS = (
  "Latin Greek Cyrillic Armenian Georgian Hebrew Arabic Syriac Thaana Ethiopic Devanagari Bengali Gurmukhi Gujarati " +
  "Oriya Tamil Telugu Kannada Malayalam Sinhala Tibetan Thai Lao Khmer Myanmar Hangul Han Hiragana Katakana Bopomofo " +
  "Mongolian Cherokee"
)
  .split(" ")
  .map((script) => ({ script, letter: new RegExp(`\\p{Script=${script}}`, "u") }));

/** Shares above which a warning is given. */
const MOST_UNKNOWN = 0.05;
const MOST_CUT = 0.01;

/** `length`: the tokens of a caption, its [END] included. */
export function summarizeCaptions(
  dataset: Pick<Dataset, "records" | "splits">,
  tokenizer: Tokenizer,
  length: number,
): CaptionSummary {
  const counts = new Map<string, number>();
  let longest = 0;
  const lengths: number[] = [];
  const splits = Object.entries(dataset.splits).map(([split, records]): SplitCaptions => {
    const sums = { captions: 0, cut: 0, words: 0, unknown: 0 };
    for (const record of records) {
      for (const caption of dataset.records[record]!.captions) {
        const ids = tokenizer.encode(caption);
        sums.captions++;
        sums.words += tokenizer.spans(ids).length;
        if (ids.length > length - 1) sums.cut++;
        for (const id of ids) if (id === tokenizer.unknownId) sums.unknown++;
        if (split !== "train") continue;
        longest = Math.max(longest, ids.length);
        while (lengths.length <= ids.length) lengths.push(0);
        lengths[ids.length]!++;
        for (const word of words(caption)) counts.set(word, (counts.get(word) ?? 0) + 1);
      }
    }
    return { split, ...sums };
  });
  let mostFrequent = { word: "", count: 0 };
  const ofScripts = new Map<string, number>();
  let lettered = 0;
  for (const [word, count] of counts) {
    if (count > mostFrequent.count) mostFrequent = { word, count };
    const letter = /\p{L}/u.exec(word)?.[0];
    if (letter === undefined) continue;
    const script = SCRIPTS.find(({ letter: of }) => of.test(letter))?.script ?? "other";
    ofScripts.set(script, (ofScripts.get(script) ?? 0) + count);
    lettered += count;
  }
  const scripts = [...ofScripts]
    .map(([script, count]) => ({ script, share: count / lettered }))
    .sort((a, b) => b.share - a.share);
  const once = [...counts.values()].filter((count) => count === 1).length;
  return {
    ...{ splits, longest, lengths, vocabulary: { words: counts.size, once }, mostFrequent, scripts },
    unit: tokenizer.endsWord ? "tokens" : "words",
    hasUnknown: tokenizer.unknownId !== null,
  };
}

/** The summary as lines to print. */
export function captionTable(
  { splits, scripts, lengths, vocabulary, unit, hasUnknown }: CaptionSummary,
  length: number,
): string[] {
  const ofUnknown = (text: string) => (hasUnknown ? [text] : []);
  const head = [
    ...["captions:", "split", "captions", `over ${length - 1} ${unit}: cut`, "words"],
    ...ofUnknown(UNKNOWN),
  ];
  const rows = splits.map(({ split, captions, cut, words, unknown }) => [
    "",
    split,
    String(captions),
    `${cut} (${percent(cut, captions)})`,
    String(words),
    ...ofUnknown(`${unknown} (${percent(unknown, words)})`),
  ]);
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const lines = all.map(([first, split, ...numbers]) =>
    [
      `${first!.padEnd(widths[0]!)} ${split!.padEnd(widths[1]!)}`,
      ...numbers.map((number, i) => number.padStart(widths[i + 2]!)),
    ].join("  "),
  );
  const found = scripts.map(({ script, share }) => `${script} ${percent(share, 1)}`).join(", ");
  return [
    ...lines,
    ...[
      `scripts of the training captions: ${found || "none"}`,
      `different words in them: ${vocabulary.words}, of these ${vocabulary.once} once`,
      ...lengthHistogram(lengths),
    ].map((line) => `          ${line}`),
  ];
}

/**
 * Warnings to read before training, as sentences. Throws a `UserError` if nothing could be learned because all words are unknown.
 */
export function captionWarnings(
  { splits, longest, mostFrequent, unit }: CaptionSummary,
  { maxLength, minCount }: { maxLength: number; minCount: number },
): string[] {
  const train = splits.find(({ split }) => split === "train");
  if (!train) return [];
  if (train.words > 0 && train.unknown === train.words) {
    throw new UserError(
      `all ${train.words} words of the training captions become ${UNKNOWN}: data.minCount=${minCount}, and the most frequent word, ${JSON.stringify(mostFrequent.word)}, occurs ${mostFrequent.count} times; lower data.minCount`,
    );
  }
  const warnings: string[] = [];
  if (train.unknown > MOST_UNKNOWN * train.words) {
    warnings.push(
      `${percent(train.unknown, train.words)} of the words of the training captions become ${UNKNOWN}, as they occur fewer than ${minCount} times; a lower data.minCount keeps them`,
    );
  }
  if (train.cut > MOST_CUT * train.captions) {
    warnings.push(
      `${train.cut} of ${train.captions} training captions are cut to ${maxLength - 1} ${unit}; data.maxLength=${Math.min(256, longest + 1)} fits the longest, of ${longest}`,
    );
  }
  return warnings;
}

function percent(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (100 * part) / whole).toFixed(1)} %`;
}
