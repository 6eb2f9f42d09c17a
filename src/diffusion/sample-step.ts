/**
 * One step of sampling (shaders/diffusion/sample-step.wgsl): x_0 ~ p̃_θ(x_0 | x_t, y), then x_u ~ q(x_u | x_t, x_0), together
 * x_u ~ p_θ(x_u | x_t, y) of posterior.ts.
 */

import * as kernels from "../engine/gpu/kernels.generated.js";
import type { Rng } from "../engine/ops/rng.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { empty, type Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";

/** Default values of the parameters of shaders/diffusion/sample-step.wgsl that `fix` does not use. */
const unused = { width: 0, stream: 0, time: 0, sharpness: 1, top_r: 1, greedy: 0, scored: 0 };

/** Fixed words: where `at` is not 0, `words` holds the token. Both u32, shaped like the sequences. */
export interface FixedWords {
  readonly at: Tensor<"u32">;
  readonly words: Tensor<"u32">;
}

/** Options of one denoising step. */
export interface StepOptions {
  /** Divides the log-probabilities of x_0; above 0. */
  temperature?: number;
  /** Keeps the smallest set of most probable x_0 whose mass reaches this, renormalised; 1 keeps all. */
  topR?: number;
  /** Takes the most probable x_0 instead of drawing it. */
  greedy?: boolean;
  fixed?: FixedWords | null;
  /** Repeats the tokens this many times along the first axis. */
  copies?: number;
}

/**
 * x_u from x_t: draws x_0 from softmax of `scores` [..., M] (logits or log-probabilities; temperature, then truncation) and x_u
 * from q(x_u | x_t, x_0): together a draw from p_θ(x_u | x_t) = Σ_k q(x_u | x_t, k) p̃(k). `xt` holds a token for each row, or
 * more (only the first are read). `t` is the step of x_t, u the one that the table visits next. If x_t is above M, or the table
 * does not visit t, x_u is 2^32 - 1, which is not a token.
 */
export function pSample(
  rng: Rng,
  scores: Tensor,
  xt: Tensor<"u32">,
  thresholds: Tensor<"u32">,
  t: number,
  options: StepOptions = {},
): Tensor<"u32"> {
  checkTensors("pSample", "f32", scores);
  checkTensors("pSample", "u32", xt, thresholds);
  const { temperature = 1, topR = 1, greedy = false, fixed = null, copies = 1 } = options;
  if (!(temperature > 0)) throw new UserError(`The temperature is ${temperature}; it must be above 0.`);
  if (!(topR > 0 && topR <= 1))
    throw new UserError(`Top-r is ${topR}; it is a probability mass above 0 and at most 1.`);
  const steps = thresholds.shape[0]! - 1;
  if (!(Number.isInteger(t) && t > 0 && t <= steps))
    throw new UserError(`The step is ${t}; it is a whole number from 1 to ${steps}.`);
  const width = scores.shape.at(-1)!;
  const rows = scores.size / width;
  rng.gpu.checker?.ids("pSample", xt, `at most ${width}`, (id) => id <= width);
  if (xt.size < rows) {
    throw new ShapeError(
      "pSample",
      `scores [${scores.shape.join(", ")}] have ${rows} rows, x_t [${xt.shape.join(", ")}] has fewer`,
    );
  }
  checkFixed(fixed, rows);
  const [batch, ...rest] = scores.shape.slice(0, -1);
  const drawn = empty(rng.gpu, [copies * (batch ?? 1), ...rest], "u32", "x_u");
  const params = {
    rows,
    width,
    stream: rng.nextStream(),
    time: t,
    sharpness: 1 / temperature,
    top_r: topR,
    greedy: greedy ? 1 : 0,
    has_fixed: fixed ? 1 : 0,
    copies,
    scored: 0,
  };
  rng.gpu.run(
    kernels.sampleStep.step,
    {
      rng: rng.state,
      scores,
      xt,
      thresholds,
      fixed_at: fixed?.at ?? xt,
      fixed_words: fixed?.words ?? xt,
      drawn,
    },
    params,
    { groups: rng.gpu.groups1d(rows, 1) },
  );
  return drawn;
}

/** `xt` with the fixed words inserted, repeated `copies` times along the first axis. */
export function fixWords(xt: Tensor<"u32">, fixed: FixedWords | null, copies = 1): Tensor<"u32"> {
  checkTensors("fixWords", "u32", xt);
  checkFixed(fixed, xt.size);
  const { gpu } = xt;
  const kernel = kernels.sampleStep.fix;
  const drawn = empty(gpu, [copies * xt.shape[0]!, ...xt.shape.slice(1)], "u32", "x_t");
  gpu.run(
    kernel,
    { xt, fixed_at: fixed?.at ?? xt, fixed_words: fixed?.words ?? xt, drawn },
    { ...unused, rows: xt.size, has_fixed: fixed ? 1 : 0, copies },
    { groups: gpu.groups1d(xt.size, gpu.tunables(kernel).WORKGROUP) },
  );
  return drawn;
}

function checkFixed(fixed: FixedWords | null, rows: number): void {
  for (const tensor of fixed ? [fixed.at, fixed.words] : []) {
    if (tensor.size !== rows) {
      throw new ShapeError(
        "fixed words",
        `[${tensor.shape.join(", ")}] does not hold one entry for each of ${rows} positions`,
      );
    }
  }
}
