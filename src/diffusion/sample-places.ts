/** A denoising step at chosen positions only (shaders/diffusion/sample-step.wgsl, step_places). */

import * as kernels from "../engine/gpu/kernels.generated.js";
import { seedWords } from "../engine/ops/philox.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import type { Tensor } from "../engine/tensor/tensor.js";
import type { StepOptions } from "./sample-step.js";

/** Four numbers of a position: its index in x_t, the row whose random numbers it draws, and the words of the seed. */
export function placeWords(
  index: number,
  row: number,
  seed: number | bigint,
): [number, number, number, number] {
  return [index, row, ...seedWords(BigInt.asUintN(64, BigInt(seed)))];
}

/**
 * x_t → x_u in place, at the positions in `places` u32 [n, 4] (`placeWords`), as `pSample` draws it. `scores` [m, M] are those of
 * the first m places; null: m = 0. At the others x_0 must not matter (`foreseeSteps`). `stream` is the random stream of the step.
 */
export function pSamplePlaces(
  tokens: Tensor<"u32">,
  places: Tensor<"u32">,
  scores: Tensor | null,
  thresholds: Tensor<"u32">,
  { t, stream, width }: { t: number; stream: number; width: number },
  { temperature = 1, topR = 1, greedy = false }: Pick<StepOptions, "temperature" | "topR" | "greedy"> = {},
): void {
  checkTensors("pSamplePlaces", "u32", tokens, places, thresholds);
  const rows = places.shape[0]!;
  const scored = scores ? scores.size / width : 0;
  if (places.shape[1] !== 4 || scored > rows) {
    throw new ShapeError(
      "pSamplePlaces",
      `places [${places.shape.join(", ")}] are not [n, 4] with at least one for each of ${scored} rows of scores`,
    );
  }
  const { gpu } = tokens;
  const params = {
    rows,
    width,
    stream,
    time: t,
    sharpness: 1 / temperature,
    top_r: topR,
    greedy: greedy ? 1 : 0,
    has_fixed: 0,
    copies: 1,
    scored,
  };
  // Without scores the kernel reads none, but the binding needs a buffer.
  gpu.run(kernels.sampleStep.stepPlaces, { scores: scores ?? gpu.one, thresholds, places, tokens }, params, {
    groups: gpu.groups1d(rows, 1),
  });
}
