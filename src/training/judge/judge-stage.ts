/** A judge's training for the training loop: measures on validation pictures, and lists of judged captions. */

import type { ScenesDataset } from "../../data/scenes/dataset.js";
import { SWAPS } from "../../data/scenes/swapped.js";
import { questionsOf } from "../../evaluation/caption-pairs.js";
import { JUDGE_MEASURES, measureJudge, picturesOf } from "../../evaluation/judge/measures.js";
import { recordsOf } from "../../evaluation/pictures.js";
import type { RunFolder } from "../../io/run-folder.js";
import { cosine } from "../../metrics/clip-score.js";
import { JudgeEncoder } from "../../models/judge/judge.js";
import type { JudgeModel } from "../../models/judge/model.js";
import type { JudgeShape } from "../../models/judge/shape.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import type { Trainer } from "../trainer.js";
import { JudgeTraining } from "./judge-training.js";
import type { JudgeConfig } from "./settings.js";

/** Pictures on a list of judged captions. */
const listed = 12;
/** Resamples for intervals of measures that only a log shows. */
const loggedDraws = 4;

/** What a judge's training works on. */
export interface JudgeContext {
  readonly model: JudgeModel;
  readonly dataset: ScenesDataset;
  readonly tokenizer: Tokenizer;
  readonly config: JudgeConfig;
  readonly run: RunFolder;
}

/** The sizes of a judge with some settings. */
export function judgeShape({ data, judge }: JudgeConfig, vocabulary: number): JudgeShape {
  const { channels, downsample, resBlocks, width, heads, imageLayers, textLayers, features, context } = judge;
  const sizes = { channels, downsample, resBlocks, width, heads, imageLayers, textLayers, features, context };
  return { imageSize: data.imageSize, ...sizes, vocabulary };
}

/** The only stage of a judge's run. */
export function judgeStage(context: JudgeContext): Trainer<"judge"> {
  const { model, dataset, tokenizer, config, run } = context;
  const training = new JudgeTraining(model, context);
  const encoder = new JudgeEncoder(model, tokenizer);
  return {
    gpu: model.gpu,
    stage: "judge",
    get steps() {
      return config.judge.steps;
    },
    perStep: { count: config.judge.batch, unit: "images" },
    get loading() {
      return training.loading;
    },
    step: (step) => training.step(step),
    undo: () => training.undo(),
    memorySettings: "judge.batch, judge.negatives or data.imageSize",
    async evaluate(onBatch) {
      const measures = await measureJudge(encoder, dataset, {
        ...{ split: "validation", limit: config.log.scored, draws: loggedDraws },
        onDone: onBatch,
      });
      return Object.fromEntries(JUDGE_MEASURES.map((name) => [name, measures[name].mean]));
    },
    async sample(step) {
      return run.writeSample(
        `judge-${String(step).padStart(6, "0")}.txt`,
        await judgedList(encoder, dataset),
      );
    },
    withUsedWeights: (body) => body(),
    save: () => training.save(),
    load: (checkpoint, path) => training.load(checkpoint, path),
    dispose: () => training.dispose(),
  };
}

/** Some validation pictures with true and false captions and their cosines. */
async function judgedList(judge: JudgeEncoder, dataset: ScenesDataset): Promise<string> {
  const records = recordsOf(dataset, "validation", listed);
  const images = records.map((record) => dataset.records[record]!.image);
  const pictures = await picturesOf(judge, dataset, images);
  const lines: string[] = [];
  for (const [i, { pairs }] of questionsOf(dataset, images).entries()) {
    const width = judge.shape.features;
    const picture = pictures.subarray(i * width, (i + 1) * width);
    lines.push(dataset.records[records[i]!]!.id);
    for (const swap of SWAPS) {
      const pair = pairs[swap];
      if (!pair) continue;
      const features = await judge.encodeTexts([pair.truth, pair.lie]);
      const [truth, lie] = [0, 1].map((k) => cosine(picture, features.subarray(k * width, (k + 1) * width)));
      lines.push(`  ${truth!.toFixed(3)}  ${pair.truth}`, `  ${lie!.toFixed(3)}  ${pair.lie}  [${swap}]`);
    }
  }
  return `${lines.join("\n")}\n`;
}
