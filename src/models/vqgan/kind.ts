/** VQGAN for configurations: `imageTokenizer=vqgan`. `mc-diffusion/vqgan` registers it; no bundle carries it otherwise. */

import { UserError } from "../../platform/errors.js";
import type { ImageTokenizerKind } from "../image-tokenizer.js";
import { codeMapOf, idCount, mapTensors } from "./code-map.js";
import { shapeOfSettings, type VqganSettings, vqganSettings } from "./settings.js";
import { halvingsOf, NORM_GROUPS } from "./shape.js";
import { Vqgan } from "./vqgan.js";

interface VqganConfig {
  data: { imageSize: number };
  vqgan: VqganSettings;
}

/** The kind `vqgan`, for `imageTokenizers.add`. */
export const vqganKind: ImageTokenizerKind = {
  name: "vqgan",
  section: "vqgan",
  settings: vqganSettings,
  fixed: Object.keys(vqganSettings).flatMap((key) => (key === "folder" ? [] : [`vqgan.${key}`])),
  memory: { step: ["data.imageSize"], use: ["data.imageSize", "vqgan.channels"] },
  weights: {
    folder: "folder",
    sha256: "sha256",
    codes: {
      ids: "ids",
      sha256: "codeMap",
      mapOf(occurring, codes) {
        const map = codeMapOf(occurring, codes);
        return { map, ids: idCount(map) };
      },
      apply(map, tensors) {
        for (const [name, tensor] of mapTensors(map, tensors.get("quantize.codebook")!))
          tensors.set(name, tensor);
      },
    },
  },
  check(config) {
    const { data, vqgan } = config as unknown as VqganConfig;
    const shape = shapeOfSettings(vqgan);
    if (typeof shape === "string") return shape;
    if (shape.channels % NORM_GROUPS !== 0)
      return `vqgan.channels=${shape.channels} should be a multiple of ${NORM_GROUPS}`;
    if (shape.quantizer === "gumbel" && shape.zChannels !== shape.embedDim)
      return `vqgan.zChannels=${shape.zChannels} should be vqgan.embedDim=${shape.embedDim} with vqgan.quantizer=gumbel`;
    const factor = 2 ** halvingsOf(shape);
    if (data.imageSize % factor !== 0)
      return `data.imageSize=${data.imageSize} should be a multiple of ${factor}, the pixels of a code of this VQGAN`;
    return null;
  },
  create(gpu, config) {
    const { data, vqgan } = config as unknown as VqganConfig;
    const shape = shapeOfSettings(vqgan);
    if (typeof shape === "string") throw new UserError(shape);
    return new Vqgan(gpu, shape, data.imageSize);
  },
};
