/** Denoising of one caption for display: each step with its words, their probabilities and their attention. */

import type { Gpu } from "../engine/gpu/gpu.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";
import type { GeneratedStep } from "../models/caption-decoder.js";
import { samplingSettingsOf } from "../models/sampling-settings.js";
import { UserError } from "../platform/errors.js";
import { checkFinished } from "../text/unfinished-caption.js";
import type { CaptionModel } from "./model.js";
import { bannedTokens, type DenoiseOptions, givenWords } from "./options.js";
import { reportRows, reportWidth } from "./token-report.js";

/** One denoising step of one picture, x_t to x_u, as `Captioner.denoise` yields it. */
export interface DenoiseStep {
  /** Start and end of the step; u is 0 at the last one. */
  t: number;
  u: number;
  /** The L ids of x_u; M is [MASK]. */
  tokens: number[];
  /**
   * The token at each position: a word, or "[END]", "[UNK]" or "[MASK]". By a tokenizer of pieces it may be a part of a word;
   * `tokenizer.spans(tokens)` are the words then.
   */
  words: string[];
  /** The caption so far: up to the first [END], `_` for a mask. */
  text: string;
  /** p̃ (guided, before temperature and truncation) of the token at each position; 0 for [MASK], which is never predicted. */
  probabilities: number[];
  /** The most probable tokens of each position, in descending order. */
  alternatives: { token: number; word: string; probability: number }[][];
  /**
   * Attention of each word to the S code positions, mean over heads and blocks, row by row; under guidance, of the pass with the
   * full condition. A row sums to 1 together with the weight of the picture's summary.
   */
  attention: { rows: number; columns: number; data: Float32Array } | null;
}

/** Denoises the caption of codes [1, S]. The read-back of a step is awaited after the next step has been submitted. */
export async function* denoiseCodes(
  captioner: CaptionModel,
  codes: Tensor<"u32">,
  options: DenoiseOptions,
): AsyncGenerator<DenoiseStep, void> {
  const { decoder, tokenizer } = captioner;
  const { vocabulary } = decoder.shape;
  const { signal, alternatives: count = 0, attention = false } = options;
  if (codes.rank !== 2 || codes.shape[0] !== 1 || codes.shape[1] !== captioner.positions) {
    throw new UserError(`The codes [${codes.shape.join(", ")}] are not [1, ${captioner.positions}].`);
  }
  if (!Number.isInteger(count) || count < 0 || count > vocabulary) {
    throw new UserError(
      `${count} alternatives are not possible; choose a whole number from 0 to ${vocabulary}.`,
    );
  }
  checkShown(captioner, count, attention);
  const settings = samplingSettingsOf(captioner.config, options);
  /** Report of the step just taken, until its read-back starts. */
  const reports: Tensor<"u32">[] = [];
  const steps = decoder.generate(codes, settings, {
    endId: tokenizer.endId,
    banned: bannedTokens(captioner, settings.allowUnknown),
    words: givenWords(captioner, options.words),
    from: options.from,
    attention,
    watch: (scores, tokens, looked) => {
      reports.push(together(reportRows(scores, tokens, count), looked).keep());
    },
  });
  const columns = attention ? captioner.positions : 0;
  let before: { step: GeneratedStep; reading: Promise<Uint32Array> } | null = null;
  try {
    for (;;) {
      const taken = inSlices(captioner.gpu, options.slice, () => steps.next());
      if (taken.done) break;
      const step = taken.value;
      const report = reports.pop()!;
      const reading = report.read();
      report.dispose();
      // If the caller stops iterating, this read-back is abandoned: swallow its rejection.
      reading.catch(() => {});
      if (before) {
        const words = await before.reading;
        signal?.throwIfAborted();
        yield describe(captioner, before.step, words, count, columns);
        signal?.throwIfAborted();
      }
      before = { step, reading };
    }
    const words = await before!.reading;
    signal?.throwIfAborted();
    const end = describe(captioner, before!.step, words, count, columns);
    checkFinished(end.tokens, end.tokens.length, tokenizer.vocabularySize);
    yield end;
  } finally {
    steps.return();
    for (const report of reports) report.dispose();
  }
}

/** Throws a `UserError` if the decoder does not provide the requested output. */
function checkShown({ decoder, config }: CaptionModel, alternatives: number, attention: boolean): void {
  const lacking =
    (attention && !decoder.shows.attention && "where its words look") ||
    (alternatives > 0 && !decoder.shows.alternatives && "alternatives to its words");
  if (lacking) throw new UserError(`A ${config.model} decoder cannot show ${lacking}.`);
}

/** Runs `body` and submits the work it recorded, in slices if `slice` is given. */
export function inSlices<T>(gpu: Gpu, slice: DenoiseOptions["slice"], body: () => T): T {
  if (!slice) return body();
  if (!(slice.milliseconds > 0)) {
    throw new UserError(`A slice of ${slice.milliseconds} ms is not possible; it must be above 0.`);
  }
  return gpu.sliced(slice.milliseconds, body);
}

/** Joins the report and the attention into one buffer, for one read-back per step. */
function together(report: Tensor<"u32">, attention: Tensor | null): Tensor<"u32"> {
  if (!attention) return report;
  const { gpu } = report;
  const both = empty(gpu, [report.size + attention.size], "u32", "report");
  gpu.copyBuffer(report.storage, 0, both.storage, 0, 4 * report.size);
  gpu.copyBuffer(attention.storage, 4 * attention.offset, both.storage, 4 * report.size, 4 * attention.size);
  return both;
}

/** A step from the words of its report: rows of `reportRows`, then the attention if `columns` is not 0. */
function describe(
  { tokenizer, decoder }: CaptionModel,
  { t, u }: GeneratedStep,
  report: Uint32Array,
  count: number,
  columns: number,
): DenoiseStep {
  const { length: rows } = decoder.shape;
  const width = reportWidth(count);
  const floats = new Float32Array(report.buffer);
  const positions = Array.from({ length: rows }, (_, i) => i * width);
  const tokens = positions.map((at) => report[at]!);
  return {
    t,
    u,
    tokens,
    words: tokens.map((id) => tokenizer.word(id)),
    text: tokenizer.decode(tokens),
    probabilities: positions.map((at) => floats[at + 1]!),
    alternatives: positions.map((at) =>
      Array.from({ length: count }, (_, k) => {
        const token = report[at + 2 + 2 * k]!;
        return { token, word: tokenizer.word(token), probability: floats[at + 3 + 2 * k]! };
      }),
    ),
    attention:
      columns === 0 ? null : { rows, columns, data: floats.slice(rows * width, rows * (width + columns)) },
  };
}
