/**
 * The ways to go from x_T to x_0 by name, as `sampling.sampler` chooses them. Ancestral sampling is here; `mc-diffusion/samplers`
 * adds the others, so that bundles without them stay small.
 */

import type { Gpu } from "../engine/gpu/gpu.js";
import { Registry } from "../platform/registry.js";
import type { TransitionTable } from "./coefficients.js";
import type { StepRule } from "./sampler.js";

/** What a sampler knows of a run before its first step. */
export interface SamplerRun {
  readonly gpu: Gpu;
  /** The process and the visited steps. */
  readonly table: TransitionTable;
  /** Positions of a caption that are [MASK] at the start. */
  readonly open: number;
  /** The setting `sampling.remask`. */
  readonly remask: number;
}

/** A run of a sampler. */
export interface BegunSampler {
  /** Draws x_u at each step. */
  readonly step: StepRule;
  /** Frees what the run holds on the device. */
  dispose(): void;
}

/** A way to take steps. */
export interface Sampler {
  /** As `sampling.sampler` names it. */
  readonly name: string;
  /** Starts from [MASK] at every position, instead of a draw from the prior p(x_T). */
  readonly masked?: boolean;
  /** Begins a run. Absent: `pSample`, ancestral sampling. Throws a `UserError` if the process does not allow it. */
  begin?(run: SamplerRun): BegunSampler;
}

/** The samplers that a configuration can choose: `sampling.sampler`. */
export const samplers = new Registry<Sampler>("sampler", [{ name: "ancestral" }], {
  confidence: "mc-diffusion/samplers",
  margin: "mc-diffusion/samplers",
  purity: "mc-diffusion/samplers",
  remask: "mc-diffusion/samplers",
});
