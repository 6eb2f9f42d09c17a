/**
 * Additions for Node, `mc-diffusion/node`: devices by Dawn, files, decoding of pictures, the shipped weights.
 *
 * @module mc-diffusion/node
 */

// Programs in Node load captioners of the baselines' kinds, too.
import "./baselines.js";

export { modulesDirectory, nodePlatform, shippedWeights } from "./platform/node.js";
export { type NodeDevice, type NodeDeviceOptions, openNodeDevice } from "./platform/node-adapter.js";
