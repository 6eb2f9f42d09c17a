/** The D3PM caption decoder for a captioner: the network with its noise process. */

import { type TransitionTable, transitionTable } from "../../diffusion/coefficients.js";
import { mixBranches } from "../../diffusion/guidance.js";
import { Schedule, type ScheduleEnds, type SchedulePreset } from "../../diffusion/schedule.js";
import type { Gpu } from "../../engine/gpu/gpu.js";
import type { Rng } from "../../engine/ops/rng.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { type Tensor, untracked } from "../../engine/tensor/tensor.js";
import { UserError } from "../../platform/errors.js";
import type { CaptionDecoder, GeneratedStep, GenerateOptions, Likelihood } from "../caption-decoder.js";
import type { SamplingSettings } from "../sampling-settings.js";
import { AttentionReadout } from "./attention-readout.js";
import { captionBounds } from "./bound.js";
import { Decoder } from "./decoder.js";
import type { DecoderShape } from "./decoder-shape.js";
import { generate } from "./generate.js";
import { DiffusionObjective, type DiffusionSettings } from "./objective.js";

export class McDiffusion extends Decoder implements CaptionDecoder {
  readonly schedule: Schedule;
  readonly wordAxes = { tokens: 0, "head.weight": 1, "head.bias": 0 };
  readonly shows = { alternatives: true, attention: true } as const;
  private readonly tables = new Map<string, TransitionTable>();

  /** `codeVectors` `[K, codeDim]`: the tokenizer's frozen codebook, needed if `shape.codeDim` is set. */
  constructor(
    gpu: Gpu,
    shape: DecoderShape,
    {
      schedule,
      codeVectors = null,
    }: { schedule: SchedulePreset | ScheduleEnds; codeVectors?: Tensor | null },
  ) {
    super(gpu, shape, codeVectors);
    this.schedule = new Schedule({ tokens: shape.vocabulary, steps: shape.timesteps, ends: schedule });
  }

  /** Returns the decoder as this class. Throws a `UserError` if it is of another kind. */
  static of(decoder: CaptionDecoder): McDiffusion {
    if (decoder instanceof McDiffusion) return decoder;
    throw new UserError("This works on an mc-diffusion decoder only, and this captioner has another kind.");
  }

  /** T */
  get steps(): number {
    return this.schedule.steps;
  }

  /** The process over the visited steps, a descending list; cached. */
  table(visits: readonly number[]): TransitionTable {
    const key = visits.join();
    let table = this.tables.get(key);
    if (!table) {
      table = transitionTable(this.gpu, this.schedule, visits);
      this.tables.set(key, table);
    }
    return table;
  }

  generate(
    codes: Tensor<"u32">,
    settings: SamplingSettings,
    options: GenerateOptions,
  ): Generator<GeneratedStep, void> {
    return generate(this, codes, settings, options);
  }

  planStep(pictures: number, { guidance }: SamplingSettings): void {
    const { length, side, vocabulary } = this.shape;
    const rows = 2 * pictures;
    const of = (shape: number[], label: string): Tensor<"u32"> => untracked(this.gpu, shape, "u32", label);
    noGrad(() => {
      const condition = this.prepare(of([rows, side * side], "codes"));
      const logits = this.forward(of([rows, length], "x_t"), of([rows], "t"), condition);
      mixBranches(logits.reshape([rows, length, vocabulary]), guidance.scale);
    });
  }

  attention(tokens: Tensor<"u32">, t: Tensor<"u32">, codes: Tensor<"u32">): Tensor {
    const readout = new AttentionReadout(this);
    this.forward(tokens, t, this.prepare(codes), readout);
    return readout.mean();
  }

  get likelihood(): Likelihood {
    const { schedule, shape } = this;
    return {
      prior: shape.length * schedule.priorKl(),
      steps: schedule.steps,
      bound: (captions, codes, { steps, seed, first = 0, onBatch }) => {
        const table = this.table(schedule.visit(schedule.steps));
        const options = { steps, seed, offset: first, ...(onBatch ? { onBatch } : {}) };
        return captionBounds(this, table, captions, codes, options);
      },
    };
  }

  objective(settings: DiffusionSettings, random: Rng): DiffusionObjective {
    return new DiffusionObjective(this, this.schedule, settings, random);
  }

  override dispose(): void {
    for (const table of this.tables.values()) table.dispose();
    this.tables.clear();
    super.dispose();
  }
}
