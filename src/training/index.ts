/**
 * Training, by name: `mc-diffusion/training`. The pipeline that the command and the page run, its parts, and the folder of a run.
 * Nothing here needs Node.
 */

export { asLogEntry, type LogEntry, RunFolder } from "../io/run-folder.js";
export type { Progress } from "../report/progress.js";
export { type Checkpoint, latestCheckpoint, saveCheckpoint } from "./checkpoint.js";
export { closeRun, writeReport } from "./closing.js";
export { decoderStage, trainingCodes } from "./decoder-stage.js";
export { type DecoderBatches, DecoderTraining, type DecoderTrainingOptions } from "./decoder-training.js";
export { heldOutRecords, usedRecords } from "./held-out.js";
export { runStage, type StageOptions } from "./loop.js";
export { type Averaging, ModelOptimizer, type ModelOptimizerOptions } from "./model-optimizer.js";
export { ModelTraining, type StepHook } from "./model-training.js";
export { type PipelineOptions, saveTrained, trainCaptioner, type Watcher, type Work } from "./pipeline.js";
export { buildCaptioner, tryRun } from "./preflight.js";
export { tokenizerStage } from "./tokenizer-stage.js";
export { type ImageBatches, TokenizerTraining, type TokenizerTrainingOptions } from "./tokenizer-training.js";
export type { Stage, StageContext, StepResult, Trainer } from "./trainer.js";
export { buildVocabulary, readVocabulary, runVocabulary, writeVocabulary } from "./vocabulary.js";
