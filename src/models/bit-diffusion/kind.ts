/** Registers Bit Diffusion for configurations: `model=bit-diffusion`. */

import type { CaptionDecoderKind } from "../caption-decoder.js";
import { mcDiffusion, networkOf, SIZES } from "../mc-diffusion/kind.js";
import type { McDiffusionSettings } from "../mc-diffusion/settings.js";
import { BitDiffusion } from "./bit-diffusion.js";
import { type BitDiffusionSettings, bitDiffusionSettings } from "./settings.js";
import { widened } from "./size.js";

interface BitDiffusionConfig {
  decoder: McDiffusionSettings;
  bitDiffusion: BitDiffusionSettings;
}

/**
 * Bit Diffusion as the paper's baseline. The network and its training are set in the section `decoder`, like mc-diffusion's;
 * `decoder.schedule`, `lambda` and `adaptiveAuxiliary` have no effect on it.
 */
export const bitDiffusion: CaptionDecoderKind = {
  name: "bit-diffusion",
  section: "bitDiffusion",
  settings: bitDiffusionSettings,
  fixed: [
    ...[...SIZES, "timesteps", "filler"].map((key) => `decoder.${key}`),
    ...["loss", "schedule", "selfConditioning", "sameSize"].map((key) => `bitDiffusion.${key}`),
  ],
  memory: mcDiffusion.memory,
  check(config) {
    const { decoder } = config as unknown as BitDiffusionConfig;
    if (decoder.importanceSampling)
      return "decoder.importanceSampling=true belongs to mc-diffusion; bit-diffusion draws t uniformly";
    if (decoder.conditionEmbedding === "words")
      return "decoder.conditionEmbedding=words starts codes from vectors of words, which bit-diffusion does not have; choose codes or vectors";
    return mcDiffusion.check?.(config) ?? null;
  },
  create(gpu, config, given) {
    const { decoder, bitDiffusion: settings } = config as unknown as BitDiffusionConfig;
    const { shape, codeVectors } = networkOf(gpu, config, given);
    return new BitDiffusion(gpu, settings.sameSize ? widened(shape) : shape, {
      settings,
      rates: decoder,
      codeVectors,
    });
  },
};
