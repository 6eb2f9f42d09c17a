/**
 * VQGAN as image tokenizer, `mc-diffusion/vqgan`. Importing this entry registers `imageTokenizer=vqgan`, so that captioners with
 * VQGAN's codes load; `mc-diffusion` alone does not carry it. `mc-diffusion/node` imports it.
 *
 * @module mc-diffusion/vqgan
 */

import { imageTokenizers } from "./models/registry.js";
import { vqganKind } from "./models/vqgan/kind.js";

imageTokenizers.add(vqganKind);

export {
  readTokenizerFolder,
  readTokenizerWeights,
  type TokenizerFolder,
  writeTokenizerFolder,
} from "./models/tokenizer-folder.js";
export { mapCheckpoint, shapeFromWeights } from "./models/vqgan/checkpoint.js";
export {
  type CodeMap,
  checkCodeMap,
  codeMapOf,
  codesOfIds,
  idCount,
  mapTensors,
} from "./models/vqgan/code-map.js";
export type { Quantizer } from "./models/vqgan/quantizer.js";
export { settingsOfShape, type VqganSettings } from "./models/vqgan/settings.js";
export type { QuantizerKind, VqganShape } from "./models/vqgan/shape.js";
export { multiplyAdds, Vqgan, type VqganFeatures } from "./models/vqgan/vqgan.js";
export { vqganKind };
