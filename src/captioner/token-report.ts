/** Summarises a distribution over tokens at each position for display (shaders/captioner/alternatives.wgsl). */

import * as kernels from "../engine/gpu/kernels.generated.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";

/** Number of u32 words in a row of the report with `count` alternatives. */
export function reportWidth(count: number): number {
  return 2 + 2 * count;
}

/**
 * For each row of `scores` [..., M] (logits or log-probabilities) and the token of that row: u32 [rows, 2 + 2 count] of the
 * token, the bits of its probability (0 for ids of M or more), and index and bits of the probability of each of the `count` most
 * probable tokens, in descending order. Not recorded on the tape.
 */
export function reportRows(scores: Tensor, tokens: Tensor<"u32">, count: number): Tensor<"u32"> {
  checkTensors("reportRows", "f32", scores);
  checkTensors("reportRows", "u32", tokens);
  const { gpu } = scores;
  const width = scores.shape.at(-1)!;
  const rows = scores.size / width;
  if (tokens.size < rows || count > width) {
    throw new ShapeError(
      "reportRows",
      `scores [${scores.shape.join(", ")}] do not fit tokens [${tokens.shape.join(", ")}] and ${count} alternatives`,
    );
  }
  const report = empty(gpu, [rows, reportWidth(count)], "u32", "report");
  gpu.run(
    kernels.alternatives.look,
    { scores, tokens, report },
    { rows, width, count },
    { groups: gpu.groups1d(rows, 1) },
  );
  return report;
}
