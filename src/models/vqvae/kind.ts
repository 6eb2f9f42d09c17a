/** Registers the VQ-VAE for configurations: `imageTokenizer=vqvae`. */

import type { ImageTokenizerKind } from "../image-tokenizer.js";
import { type VqVaeSettings, vqvaeSettings } from "./settings.js";
import { VqVae } from "./vqvae.js";

interface VqVaeConfig {
  data: { imageSize: number };
  vqvae: VqVaeSettings;
}

export const vqVae: ImageTokenizerKind = {
  name: "vqvae",
  section: "vqvae",
  settings: vqvaeSettings,
  fixed: ["channels", "codes", "codeDim", "downsample", "resBlocks", "attention", "things"].map(
    (key) => `vqvae.${key}`,
  ),
  memory: {
    step: ["vqvae.batch", "data.imageSize", "vqvae.channels", "vqvae.downsample", "vqvae.attention"],
    use: ["data.imageSize", "vqvae.channels", "vqvae.downsample", "vqvae.attention"],
  },
  check(config) {
    const { data, vqvae } = config as unknown as VqVaeConfig;
    const factor = 2 ** vqvae.downsample;
    if (data.imageSize % factor !== 0)
      return `data.imageSize=${data.imageSize} should be a multiple of ${factor} (2 to the power of vqvae.downsample=${vqvae.downsample})`;
    const width = vqvae.channels * 2 ** (vqvae.downsample - 1);
    if (vqvae.attention && (width % 4 !== 0 || width > 512))
      return `vqvae.channels=${vqvae.channels} and vqvae.downsample=${vqvae.downsample} make ${width} channels at the code grid; vqvae.attention needs a multiple of 4, at most 512`;
    return null;
  },
  create(gpu, config) {
    const { data, vqvae } = config as unknown as VqVaeConfig;
    const { channels, codes, codeDim, downsample, resBlocks, attention, things } = vqvae;
    const { imageSize } = data;
    return new VqVae(gpu, { imageSize, channels, codes, codeDim, downsample, resBlocks, attention, things });
  },
};
