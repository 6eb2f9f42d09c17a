/**
 * Training as the commands and the page do it, `mc-diffusion/training`: data sets and the stages of a run. Apart
 * from `mc-diffusion`, so that no page that only captions downloads it. Nothing here needs Node.
 */

export { captionWarnings, summarizeCaptions } from "./data/caption-summary.js";
export { withSubset } from "./data/dataset.js";
export { buildEmojiIndex } from "./data/emoji.js";
export { loadFolder } from "./data/folder.js";
export { readDataset, writeDataset } from "./data/prepared.js";
export { browserPlatform } from "./platform/browser.js";
export type { JsonRecord } from "./platform/json.js";
export { runStage, type Trainer } from "./training/loop.js";
export { buildVocabulary, heldOutRecords, keptVocabulary, runVocabulary } from "./training/pipeline.js";
export { buildCaptioner, tryRun } from "./training/preflight.js";
export { decoderStage, type StageContext, trainingCodes, vqvaeStage } from "./training/stages.js";
