/** Registers the VQ-VAE for configurations: `imageTokenizer=vqvae`. */

import type { ImageTokenizerKind } from "../image-tokenizer.js";
import { type VqVaeSettings, vqvaeSettings } from "./settings.js";
import { VqVae } from "./vqvae.js";

interface VqVaeConfig {
  data: { imageSize: number; things: number };
  vqvae: VqVaeSettings;
}

export const vqVae: ImageTokenizerKind = {
  name: "vqvae",
  section: "vqvae",
  settings: vqvaeSettings,
  fixed: ["channels", "codes", "codeDim", "downsample", "resBlocks", "attention", "naming"].map(
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
    if (vqvae.naming > 0 && data.things === 0)
      return `vqvae.naming=${vqvae.naming} needs data.things, the kinds of things that the data show (scenes: 627 in all); vqvae.naming=0 names none`;
    const width = vqvae.channels * 2 ** (vqvae.downsample - 1);
    if (vqvae.attention && (width % 4 !== 0 || width > 512))
      return `vqvae.channels=${vqvae.channels} and vqvae.downsample=${vqvae.downsample} make ${width} channels at the code grid; vqvae.attention needs a multiple of 4, at most 512`;
    return null;
  },
  create(gpu, config) {
    const { data, vqvae } = config as unknown as VqVaeConfig;
    const { channels, codes, codeDim, downsample, resBlocks, attention, naming } = vqvae;
    const { imageSize } = data;
    const things = naming > 0 ? data.things : 0;
    return new VqVae(gpu, { imageSize, channels, codes, codeDim, downsample, resBlocks, attention, things });
  },
};
