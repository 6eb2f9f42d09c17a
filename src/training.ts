/**
 * Training for commands and pages, `mc-diffusion/training`: data sets, the pipeline with its parts, and the folder of a run.
 * Separate from `mc-diffusion`, so that pages that only caption do not download it. Nothing here needs Node.
 *
 * @module mc-diffusion/training
 */

export { captionSettings, type SettingsToCaption } from "./captioner/caption-settings.js";
export { type CaptionSummary, captionWarnings, summarizeCaptions } from "./data/caption-summary.js";
export { withSubset } from "./data/dataset.js";
export { buildEmojiIndex, type EmojiIndex, type EmojiSelection } from "./data/emoji.js";
export { type FolderDataset, loadFolder } from "./data/folder.js";
export type { FolderOptions, FolderPlatform } from "./data/load-listed.js";
export { readDataset, writeDataset } from "./data/prepared.js";
export type { ComparedGuidance } from "./evaluation/compared.js";
export { type CaptioningOptions, type EvaluationOptions, evaluate } from "./evaluation/evaluation.js";
export { testSplits } from "./evaluation/pictures.js";
export type { Difference, Evaluation, MethodScores, Scores, SplitScores } from "./evaluation/scoring.js";
export { differencesTable, scoresTable } from "./evaluation/tables.js";
export { asLogEntry, type LogEntry, RunFolder } from "./io/run-folder.js";
export type { Draw, SharedPictures, SharedSampler, SharedSamplingKind } from "./models/shared-sampling.js";
export { sharedSamplings } from "./models/shared-samplings.js";
export { browserPlatform } from "./platform/browser.js";
export { type Collective, type Reduction, single } from "./platform/collective.js";
export type { JsonRecord } from "./platform/json.js";
export type { Progress } from "./report/progress.js";
export { vocabularyText } from "./text/tokenizer.js";
export {
  type Checkpoint,
  type FoundCheckpoint,
  latestCheckpoint,
  saveCheckpoint,
} from "./training/checkpoint.js";
export { closeRun, writeReport } from "./training/closing.js";
export { decoderStage, trainingCodes } from "./training/decoder-stage.js";
export {
  type DecoderBatches,
  DecoderTraining,
  type DecoderTrainingOptions,
} from "./training/decoder-training.js";
export { GradientReduction, type ReductionTime } from "./training/gradient-reduction.js";
export { heldOutRecords, usedRecords } from "./training/held-out.js";
export { type Phase, runStage, type StageOptions } from "./training/loop.js";
export { type Averaging, ModelOptimizer, type ModelOptimizerOptions } from "./training/model-optimizer.js";
export { ModelTraining, type StepHook } from "./training/model-training.js";
export {
  type PipelineOptions,
  saveTrained,
  trainCaptioner,
  type Watcher,
  type Work,
} from "./training/pipeline.js";
export { type CollectivePort, portCollective, serveCollective } from "./training/port-collective.js";
export { buildCaptioner, tryRun } from "./training/preflight.js";
export { checkTokenTable, loadTokenTable, tokenTableIn } from "./training/token-table.js";
export { tokenizerStage } from "./training/tokenizer-stage.js";
export {
  type ImageBatches,
  TokenizerTraining,
  type TokenizerTrainingOptions,
} from "./training/tokenizer-training.js";
export type { Stage, StageContext, StepResult, Trainer } from "./training/trainer.js";
export { buildVocabulary, readVocabulary, runVocabulary, writeVocabulary } from "./training/vocabulary.js";
export type { FileTensor, WeightFile } from "./weight-files/weight-file.js";
