/** Trains a captioner from its data to its captions; shared by the command and the page. */

import type { Captioner } from "../captioner/captioner.js";
import { loadWeights, readWeights } from "../engine/weights/weights.js";
import type { LogEntry } from "../io/run-folder.js";
import { ownPart, single } from "../platform/collective.js";
import { UserError } from "../platform/errors.js";
import type { Files } from "../platform/platform.js";
import type { Progress } from "../report/progress.js";
import { type FoundCheckpoint, latestCheckpoint } from "./checkpoint.js";
import { decoderStage, trainingCodes } from "./decoder-stage.js";
import { followStage } from "./follow.js";
import { loadFrozenTokenizer } from "./frozen-tokenizer.js";
import { type Phase, runStage, type StageOptions } from "./loop.js";
import { referentsOf } from "./referents.js";
import { tokenizerStage } from "./tokenizer-stage.js";
import type { Stage, StageContext, Trainer } from "./trainer.js";
import { keptVocabulary } from "./vocabulary.js";

/** Lengthy work with a progress display: a stage, the codes of the training pictures, scores. */
export interface Work {
  /** "vqvae", "decoder", "codes", "scores", "bound". */
  label: string;
  total: number;
  unit: string;
  /** Number of `perUnit.unit` per counted item. */
  perUnit?: { factor: number; unit: string };
}

/** Callbacks to the caller of the pipeline. */
export interface Watcher {
  /** Runs `body` with a display of its progress. */
  track<T>(work: Work, body: (progress: Progress) => Promise<T>): Promise<T>;
  /** True once training should stop; it stops after the current step. */
  interrupted(): boolean;
  /** Called when training stops because another of several processes was asked to. */
  stopped?(): void;
  /** Called after each batch of other work, and after a stage; an exception ends the pipeline there. */
  goOn?(): void;
  /** See `StageOptions`. */
  onStep?(entry: LogEntry, trainer: Trainer): void | Promise<void>;
  /** See `StageOptions`. */
  onSample?(path: string, trainer: Trainer): void | Promise<void>;
  /** See `StageOptions`. */
  onPhase?(phase: Phase, trainer: Trainer): void;
  /** See `StageOptions`. */
  pace?(trainer: Trainer): StageOptions["pace"];
}

/** Options of `trainCaptioner`. */
export interface PipelineOptions {
  /** Whether each stage resumes from the run's last checkpoint of it. */
  resume: boolean;
  /** Default: both. `decoder` alone takes the trained image tokenizer from the run's checkpoint. */
  stages?: readonly Stage[];
  /**
   * Called when the network of a stage has got its random weights, which it may replace: by those of another captioner
   * (`takeWeights`), by CLIP's token table (`loadTokenTable`). Returns how many it replaced: an image tokenizer with all of its
   * weights needs no stage. Not called where a checkpoint sets them.
   */
  initial?: ((stage: Stage, captioner: Captioner) => Promise<"all" | "some" | "none">) | undefined;
  /** Called by every process when training has ended or was interrupted, while the networks have the weights for use. */
  ended?(outcome: "finished" | "interrupted"): Promise<void>;
}

/**
 * Trains the image tokenizer, unless it is frozen, encodes the training pictures, and trains the decoder on their codes. Networks
 * of the captioner without weights are loaded from their checkpoint, or else initialised at random.
 */
export async function trainCaptioner(
  context: StageContext,
  watcher: Watcher,
  { resume, stages = ["vqvae", "decoder"], initial, ended }: PipelineOptions,
): Promise<"finished" | "interrupted"> {
  const { captioner, dataset, config } = context;
  // Before hours of the first stage.
  if (config.decoder.grounding > 0 && stages.includes("decoder")) referentsOf(dataset);
  if (captioner.trainsTokenizer) {
    if (stages.includes("vqvae")) {
      const start = await startOf("vqvae", context, { resume, initial });
      const trainer = tokenizerStage(context);
      try {
        const outcome = await runTracked(trainer, context, watcher, start);
        if (outcome === "interrupted" || !stages.includes("decoder")) {
          await ended?.(outcome);
          return outcome;
        }
      } finally {
        trainer.dispose();
      }
    } else await loadTrainedTokenizer(context, initial);
  } else await loadFrozenTokenizer(context);
  const pictures = { label: "codes", total: dataset.splits.train!.length, unit: "pictures" };
  const codes = await watcher.track(pictures, (progress) =>
    trainingCodes(context, (done) => {
      progress.update(done);
      watcher.goOn?.();
    }),
  );
  const start = await startOf("decoder", context, { resume, initial, codes });
  const trainer = await decoderStage(context, codes);
  try {
    const outcome = await runTracked(trainer, context, watcher, start);
    trainer.finish?.();
    await ended?.(outcome);
    return outcome;
  } finally {
    trainer.dispose();
  }
}

/**
 * The value of `StageOptions.resume`. If no checkpoint sets the weights of the stage's network, they are initialised here: at
 * random, by `initial`, the decoder's code table by the `codes` of the training pictures and their words if the settings say so.
 */
async function startOf(
  stage: Stage,
  context: StageContext,
  { resume, initial, codes }: Pick<PipelineOptions, "resume" | "initial"> & { codes?: Uint32Array },
): Promise<StageOptions["resume"]> {
  const { captioner, platform, run, config, collective = single } = context;
  const network = stage === "vqvae" ? captioner.imageTokenizer : captioner.decoder;
  if (collective.rank > 0) {
    // Rank 0 sends its weights before the first step.
    captioner.initialise([network]);
    return false;
  }
  const found = resume ? await latestCheckpoint(platform.files, run.checkpointFolder(stage)) : null;
  if (found?.checkpoint) captioner.unset.delete(network);
  else {
    captioner.initialise([network]);
    const set = (await initial?.(stage, captioner)) ?? "none";
    if (stage === "decoder" && config.decoder.tokenEmbedding === "clip" && set === "none")
      throw new UserError(
        "decoder.tokenEmbedding=clip needs CLIP's token table, which this program does not read: give trainCaptioner `initial`, with `loadTokenTable`",
      );
    if (codes && config.decoder.conditionEmbedding === "words") {
      const { startCodesFromWords } = await import("./code-words.js");
      await startCodesFromWords(context, codes);
    }
  }
  return found ? handOver(found) : false;
}

/** Returns a checkpoint once and does not keep it. */
function handOver(found: FoundCheckpoint): () => FoundCheckpoint {
  const held = [found];
  return () => held.pop()!;
}

async function runTracked(
  trainer: Trainer,
  { platform, run, config, captioner, collective = single }: StageContext,
  watcher: Watcher,
  resume: StageOptions["resume"],
): Promise<"finished" | "interrupted"> {
  const { count: factor, unit } = trainer.perStep;
  const pace = watcher.pace?.(trainer);
  const work = { label: trainer.stage, total: trainer.steps, unit: "steps", perUnit: { factor, unit } };
  const interrupted = () => watcher.interrupted();
  const outcome = await watcher.track(work, (progress) => {
    if (collective.rank > 0) return followStage(trainer, { collective, log: config.log, interrupted, pace });
    return runStage(trainer, {
      platform,
      run,
      seed: config.seed,
      log: config.log,
      progress,
      interrupted,
      collective,
      resume,
      kept: keptVocabulary(captioner.tokenizer),
      onStep: (entry) => watcher.onStep?.(entry, trainer),
      onSample: (path) => watcher.onSample?.(path, trainer),
      onPhase: (phase) => watcher.onPhase?.(phase, trainer),
      ...(pace ? { pace } : {}),
    });
  });
  if (outcome === "interrupted") watcher.stopped?.();
  await ownPart(collective, async () => watcher.goOn?.());
  return outcome;
}

/** Loads the image tokenizer's weights from its finished stage, or by `initial`. Throws a `UserError` if there are none. */
async function loadTrainedTokenizer(
  { captioner, run, platform, config }: StageContext,
  initial: PipelineOptions["initial"],
): Promise<void> {
  const { checkpoint, path } = await latestCheckpoint(platform.files, run.checkpointFolder("vqvae"));
  if (!checkpoint && initial) {
    captioner.initialise([captioner.imageTokenizer]);
    const set = await initial("vqvae", captioner);
    if (set === "all") return;
    if (set === "some")
      throw new UserError(
        "--stage decoder takes the image tokenizer as it is, and these weights do not hold all of this run's; give it the settings of those weights, or leave out --stage",
      );
  }
  if (!checkpoint || checkpoint.step < config.vqvae.steps) {
    throw new UserError(
      `${run.path} has no finished vqvae (step ${checkpoint?.step ?? 0} of ${config.vqvae.steps}); resume it without --stage decoder`,
    );
  }
  loadWeights(captioner.imageTokenizer, checkpoint.model, `${path}/model.safetensors`);
  captioner.unset.delete(captioner.imageTokenizer);
}

/**
 * Writes the captioner with its networks' current weights (random where they have none yet), for `Captioner.load` and
 * `fromFolder`.
 */
export async function saveTrained(captioner: Captioner, files: Files, folder: string): Promise<void> {
  captioner.initialise();
  const weights = new Map([
    ...(await readWeights(captioner.imageTokenizer, "vqvae.")),
    ...(await readWeights(captioner.decoder, "decoder.")),
  ]);
  await captioner.save(files, folder, weights, { half: true });
}
