/**
 * Additions for Node, `mc-diffusion/node`: a captioner of files, devices by Dawn, files, decoding of pictures, the shipped weights.
 *
 * @module mc-diffusion/node
 */

// Captioners of the baselines' kinds, with VQGAN's codes and with any sampler load wherever there is room for them.
import "./baselines.js";
import "./samplers.js";
import "./vqgan.js";

export { Captioner, type NodeImage, type NodeLoadOptions } from "./node/captioner.js";
export { openNodeGpu } from "./node/open-gpu.js";
export {
  cacheDirectory,
  type DecodedPixels,
  decodePixels,
  modulesDirectory,
  nodePlatform,
  shippedWeights,
} from "./platform/node.js";
export { type NodeDevice, type NodeDeviceOptions, openNodeDevice } from "./platform/node-adapter.js";
