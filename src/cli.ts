/**
 * Shared parts of command-line programs in Node, `mc-diffusion/cli`: options, exit codes, the device and the data set by name.
 *
 * @module mc-diffusion/cli
 */

export { loadDataset } from "./cli/load-dataset.js";
export {
  type Answer,
  type LocalRequest,
  type LocalResponse,
  type LocalServer,
  type LocalServerOptions,
  refuse,
  serveLocally,
} from "./cli/local-server.js";
export { commandLine, integerOption, openGpu, runCommand, tuningHelp } from "./cli/options.js";
export { readTuning, userTuningPath } from "./cli/tuning-file.js";
