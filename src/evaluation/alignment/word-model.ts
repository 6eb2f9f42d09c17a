/** The word model of a captioner with a masked conditional diffusion decoder: one forward pass for each phrase and condition. */

import type { Captioner } from "../../captioner/captioner.js";
import { reportRows } from "../../captioner/token-report.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../engine/tensor/tensor.js";
import { AttentionReadout } from "../../models/mc-diffusion/attention-readout.js";
import { McDiffusion } from "../../models/mc-diffusion/mc-diffusion.js";
import { UserError } from "../../platform/errors.js";
import type { WordAnswer, WordModel, WordQuestion } from "./looks.js";

/** Probabilities below this, which float32 rounds to 0, count as this. */
const LEAST = 1e-37;

/**
 * p̃(x_0 | x_t, y) of hidden positions, without guidance: the hidden tokens are [MASK], all others are the caption's, and t is the lowest
 * step at which as many of L tokens are masked on average. Throws a `UserError` for decoders of other kinds, and for a schedule without
 * [MASK].
 */
export class CaptionerWords implements WordModel {
  readonly side: number;
  readonly maskedCode: number;
  readonly #decoder: McDiffusion;

  constructor({ decoder }: Pick<Captioner, "decoder">) {
    this.#decoder = McDiffusion.of(decoder);
    this.side = decoder.shape.side;
    this.maskedCode = decoder.shape.codes;
    if (this.#decoder.schedule.gammaBar.at(-1) === 0)
      throw new UserError("The words of this captioner cannot be hidden: its schedule has no [MASK].");
  }

  /** Several passes if conditions and phrases are many. */
  async ask({ tokens, hidden, conditions }: WordQuestion): Promise<WordAnswer> {
    const atOnce = Math.max(1, Math.floor(this.#decoder.picturesAtOnce / hidden.length));
    const logProbabilities: Float64Array[] = [];
    let attention: Float32Array[] = [];
    for (let first = 0; first < conditions.length; first += atOnce) {
      const part = conditions.slice(first, first + atOnce);
      const { report, looked } = this.#record(tokens, hidden, part, first === 0);
      const reading = report.read();
      const looks = looked?.read();
      report.dispose();
      looked?.dispose();
      logProbabilities.push(...this.#sums(await reading, hidden, part.length));
      if (looks) attention = this.#means(await looks, hidden);
    }
    return { logProbabilities, attention };
  }

  /** The probability of each token, [C · H, L] rows of `reportRows`, and the attention [H · L, S] under the first condition. */
  #record(
    tokens: Uint32Array,
    hidden: WordQuestion["hidden"],
    conditions: readonly Uint32Array[],
    looks: boolean,
  ): { report: Tensor<"u32">; looked: Tensor | null } {
    const decoder = this.#decoder;
    const { gpu, shape } = decoder;
    const { length, side, vocabulary } = shape;
    const rows = conditions.length * hidden.length;
    const truth = repeat(conditions.length * hidden.length, () => tokens);
    const masked = repeat(conditions.length, () =>
      hidden.flatMap((positions) =>
        [...tokens].map((token, i) => (positions.includes(i) ? vocabulary : token)),
      ),
    );
    const times = repeat(conditions.length, () => hidden.map(({ length: count }) => this.#step(count)));
    return gpu.scope(() =>
      noGrad(() => {
        const y = fromArray(
          gpu,
          repeat(conditions.length, (i) => conditions[i]!),
          [conditions.length, side ** 2],
          "u32",
          "codes",
        );
        const xt = fromArray(gpu, masked, [rows, length], "u32", "x_t");
        const t = fromArray(gpu, times, [rows], "u32", "t");
        const readout = looks ? new AttentionReadout(decoder, hidden.length) : null;
        const logits = decoder.forward(xt, t, decoder.prepare(y), readout ?? {});
        const x0 = fromArray(gpu, truth, [rows, length], "u32", "x_0");
        return { report: reportRows(logits, x0, 0).keep(), looked: readout?.mean().keep() ?? null };
      }),
    );
  }

  /** The lowest t with at least `count` of L tokens masked on average; T if there is none. */
  #step(count: number): number {
    const { schedule, shape } = this.#decoder;
    const found = schedule.gammaBar.findIndex((share, t) => t > 0 && share * shape.length >= count);
    return found < 0 ? schedule.steps : found;
  }

  #sums(report: Uint32Array, hidden: WordQuestion["hidden"], conditions: number): Float64Array[] {
    const { length } = this.#decoder.shape;
    const probabilities = new Float32Array(report.buffer, report.byteOffset, report.length);
    return Array.from({ length: conditions }, (_, c) =>
      Float64Array.from(hidden, (positions, h) => {
        const row = (c * hidden.length + h) * length;
        return positions.reduce(
          (sum, i) => sum + Math.log(Math.max(LEAST, probabilities[2 * (row + i) + 1]!)),
          0,
        );
      }),
    );
  }

  #means(looked: Float32Array, hidden: WordQuestion["hidden"]): Float32Array[] {
    const { length, side } = this.#decoder.shape;
    const cells = side ** 2;
    return hidden.map((positions, h) => {
      const mean = new Float32Array(cells);
      for (const i of positions)
        for (let s = 0; s < cells; s++) mean[s]! += looked[(h * length + i) * cells + s]! / positions.length;
      return mean;
    });
  }
}

/** Rows one after the other. */
function repeat(count: number, row: (i: number) => ArrayLike<number>): Uint32Array {
  return Uint32Array.from(Array.from({ length: count }, (_, i) => Array.from(row(i))).flat());
}
