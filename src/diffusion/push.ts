/**
 * How far a setting of the sampler pushes the network's predictions of x_0: the mean over steps and positions of
 * KL(p_pushed ‖ p_full) in nats (shaders/diffusion/push.wgsl). p_full is the network's prediction under the full condition,
 * p_pushed the same after guidance and temperature, before truncation. Methods whose scales do not compare can be compared at the
 * same push.
 */

import * as kernels from "../engine/gpu/more-kernels.generated.js";
import { checkTensors } from "../engine/tensor/arguments.js";
import { ShapeError } from "../engine/tensor/errors.js";
import { fromArray, type Tensor } from "../engine/tensor/tensor.js";
import { UserError } from "../platform/errors.js";

/**
 * Adds KL(softmax(scores / temperature) ‖ softmax(full)) of each row to `sums`. `scores` [..., M] has one row for each of `sums`;
 * `full` has as many or more, of which the first count. All hold logits or log-probabilities.
 */
export function addPush(sums: Tensor, full: Tensor, scores: Tensor, temperature = 1): void {
  checkTensors("addPush", "f32", sums, full, scores);
  if (!(temperature > 0)) throw new UserError(`The temperature is ${temperature}; it must be above 0.`);
  const width = scores.shape.at(-1)!;
  const rows = scores.size / width;
  if (sums.size !== rows || full.shape.at(-1) !== width || full.size < scores.size)
    throw new ShapeError(
      "addPush",
      `sums [${sums.shape.join(", ")}], full [${full.shape.join(", ")}] and scores [${scores.shape.join(", ")}] do not fit`,
    );
  const { gpu } = scores;
  const params = { rows, width, sharpness: 1 / temperature };
  gpu.run(kernels.push.addPush, { scores, full, sums }, params, { groups: gpu.groups1d(rows, 1) });
}

/** Sums the push over the steps of one or more samplings on the device; reads back once, at the end. */
export class PushMeter {
  private readonly temperature: number;
  /** Sums by row, for each number of rows that occurred: the last batch may be smaller. */
  private readonly sums = new Map<number, Tensor>();
  private rows = 0;

  /** `temperature` is that of the sampler. */
  constructor(temperature = 1) {
    this.temperature = temperature;
  }

  /** Adds a step: the full condition's logits (first rows of `full`) and the scores after guidance. */
  add(full: Tensor, scores: Tensor): void {
    const rows = scores.size / scores.shape.at(-1)!;
    let sums = this.sums.get(rows);
    if (!sums) {
      sums = fromArray(scores.gpu, new Float32Array(rows), [rows], "f32", "push").keep();
      this.sums.set(rows, sums);
    }
    addPush(sums, full, scores, this.temperature);
    this.rows += rows;
  }

  /** The mean over all positions of all steps so far, in nats; 0 if there were none. */
  async mean(): Promise<number> {
    let total = 0;
    for (const sums of this.sums.values()) for (const value of await sums.read()) total += value;
    return this.rows === 0 ? 0 : total / this.rows;
  }

  /** Frees the sums. */
  dispose(): void {
    for (const sums of this.sums.values()) sums.dispose();
    this.sums.clear();
  }
}
