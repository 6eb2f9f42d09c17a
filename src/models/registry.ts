/** The networks that a configuration can choose: `imageTokenizer` and `model`. No other place knows them by name. */

import { Registry } from "../platform/registry.js";
import type { CaptionDecoderKind } from "./caption-decoder.js";
import type { ImageTokenizerKind } from "./image-tokenizer.js";
import { mcDiffusion } from "./mc-diffusion/kind.js";
import { vqVae } from "./vqvae/kind.js";

/** The image tokenizers that a configuration can choose: `imageTokenizer`. */
export const imageTokenizers = new Registry<ImageTokenizerKind>("image tokenizer", [vqVae], {
  vqgan: "mc-diffusion/vqgan",
});

/** The caption decoders that a configuration can choose: `model`. */
export const captionDecoders = new Registry<CaptionDecoderKind>("caption decoder", [mcDiffusion], {
  transformer: "mc-diffusion/baselines",
  lstm: "mc-diffusion/baselines",
  "attention-lstm": "mc-diffusion/baselines",
  "bit-diffusion": "mc-diffusion/baselines",
});
