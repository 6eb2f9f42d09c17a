/** The settings of a run of `train.js` in a given time. */

import type { Config } from "../config/config.js";
import { smallerSizes } from "../config/resolve.js";
import type { Dataset } from "../data/dataset.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { type Collective, shareJson } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import { nodePlatform as platform } from "../platform/node.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { measureCosts } from "../training/costs.js";
import { buildCaptioner, tryRun } from "../training/preflight.js";
import { PLANNED_KEYS, sharePlanned, TimePlan, workLoad } from "../training/time-plan.js";
import type { OwnCodeMap } from "./own-code-map.js";
import { together } from "./ranks.js";
import { tell } from "./terminal.js";
import type { TrainOptions } from "./train-options.js";

/** The parts that a run is made from. */
export interface Material {
  config: Config;
  dataset: Dataset;
  heldOut: number[];
  tokenizer: Tokenizer;
  restored: string | null;
  /** The run's own map of codes, if it has one. */
  codes: OwnCodeMap | null;
}

/**
 * The settings of a run in a given time, with its parts: the steps of the preset's sizes, or of its smaller sizes if these steps
 * would be too few. Several processes measure together; rank 0 plans, and the others get its settings and no plan.
 */
export async function planned(
  gpu: Gpu,
  config: Config,
  material: (config: Config) => Promise<Material>,
  { preset, set, stage, quiet }: TrainOptions,
  began: number,
  collective: Collective,
): Promise<Material & { plan: TimePlan | null }> {
  const { now } = platform;
  const vqvaeOnly = stage === "vqvae";
  const deadline = began + 60_000 * config.minutes;
  if (!quiet) tell("plan:    measuring what steps and captions take here");
  /** False if the decoder would have fewer steps than `least`. */
  const planOf = async (of: Material, least: number): Promise<{ plan: TimePlan | null } | false> => {
    // Settings that the device cannot run are reported before they are measured.
    const captioner = await together(collective, async () => {
      const captioner = buildCaptioner(gpu, of.config, of.tokenizer, { processes: collective.size });
      tryRun(captioner, collective);
      return captioner;
    });
    const { vqvae, decoder } = of.config;
    const goesOn = ({ vqvaeStep, decoderStep }: { vqvaeStep: number; decoderStep: number }) => {
      const seconds = decoderStep + vqvaeStep * (vqvae.steps / decoder.steps);
      return least === 0 || (deadline - now()) / 1000 >= seconds * least;
    };
    const costs = await measureCosts(captioner, now, goesOn, collective);
    captioner.dispose();
    if (costs === null) return false;
    const work = workLoad(of.dataset, of.heldOut);
    const plan = await together(collective, async () => {
      if (collective.rank > 0) return null;
      try {
        const plan = new TimePlan({ config: of.config, costs, work, vqvaeOnly, now, began, deadline });
        return decoder.steps >= least ? plan : null;
      } catch (error) {
        if (least > 0 && error instanceof UserError) return null;
        throw error;
      }
    });
    if (!(await shareJson(collective, plan !== null))) return false;
    await sharePlanned(collective, of.config);
    return { plan };
  };
  const smaller = vqvaeOnly ? null : smallerSizes(config, preset, set);
  const first = await material(config);
  const made = await planOf(first, smaller?.below ?? 0);
  if (made) return { ...first, ...made };
  const sizes = smaller!.set.filter((entry) => !PLANNED_KEYS.some((key) => entry.startsWith(`${key}=`)));
  tell(`plan:    the sizes of preset ${preset} allow too few steps here; smaller ones: ${sizes.join(" ")}`);
  const second = await material(smaller!.config);
  return { ...second, ...((await planOf(second, 0)) || { plan: null }) };
}
