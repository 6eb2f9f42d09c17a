/** `node dist/judge.js train`: trains a judge in a run folder. Node only. */

import { readWeights } from "../../engine/weights/weights.js";
import { RunFolder } from "../../io/run-folder.js";
import { saveJudge } from "../../models/judge/files.js";
import { JudgeModel } from "../../models/judge/model.js";
import { UserError } from "../../platform/errors.js";
import { type JsonRecord, parseJsonRecord, toJson } from "../../platform/json.js";
import { lockFolder } from "../../platform/lock.js";
import {
  onInterrupt,
  nodePlatform as platform,
  type StopSignal,
  signalExitCode,
} from "../../platform/node.js";
import { formatDuration } from "../../report/duration.js";
import { WordTokenizer } from "../../text/words.js";
import { judgeVocabulary } from "../../training/judge/batches.js";
import { judgeShape, judgeStage } from "../../training/judge/judge-stage.js";
import { JudgePace } from "../../training/judge/pace.js";
import { type JudgeConfig, judgeConfig, resumedJudgeConfig } from "../../training/judge/settings.js";
import { runStage } from "../../training/loop.js";
import { openTrainingGpu } from "../device-losses.js";
import { defaultRunFolder } from "../options.js";
import { withProgress } from "../progress.js";
import { asStarted } from "../started-as.js";
import { say, tell } from "../terminal.js";
import { judgeScenes } from "./scenes.js";

const { files } = platform;

/** The options of the command. */
export interface JudgeTrainOptions {
  out?: string;
  resume?: string;
  seed?: number;
  minutes?: number;
  set: string[];
  adapter?: string;
  tuning?: string;
  quiet?: boolean;
}

/** The settings of a new run, or of the run to go on with. Throws a `UserError` for options that do not go together. */
async function opened(options: JudgeTrainOptions): Promise<{ config: JudgeConfig; begun: RunFolder | null }> {
  const { resume, out, seed, minutes, set } = options;
  if (resume !== undefined) {
    for (const [name, value] of Object.entries({ out, seed, minutes }))
      if (value !== undefined)
        throw new UserError(`--${name} cannot be given with --resume: a run keeps its settings`, 2);
    const begun = await RunFolder.open(files, resume);
    return { config: resumedJudgeConfig(begun.config, set), begun };
  }
  if (minutes !== undefined && set.some((entry) => entry.trim().startsWith("judge.steps")))
    throw new UserError("--minutes chooses the steps: leave out --set judge.steps", 2);
  const given = [
    ...(seed === undefined ? [] : [`seed=${seed}`]),
    ...(minutes === undefined ? [] : [`minutes=${minutes}`]),
  ];
  return { config: judgeConfig([...given, ...set]), begun: null };
}

/** Trains a judge to its end or until it is stopped; at the end writes `weights/` in the run's folder. */
export async function trainJudge(options: JudgeTrainOptions): Promise<void> {
  const began = platform.now();
  const { quiet } = options;
  const { config, begun } = await opened(options);
  const path = begun?.path ?? options.out ?? defaultRunFolder("judge");
  if (!begun) await RunFolder.checkFree(files, path);
  const gpu = await openTrainingGpu(options);
  const dataset = await judgeScenes(config.data, quiet);
  const vocabularyPath = `${path}/vocabulary.json`;
  const tokenizer = begun
    ? WordTokenizer.fromJSON(
        parseJsonRecord(await files.readText(vocabularyPath), vocabularyPath),
        vocabularyPath,
      )
    : judgeVocabulary(dataset);
  const things = config.judge.naming > 0 ? dataset.art.things.length : 0;
  const model = new JudgeModel(gpu, judgeShape(config, tokenizer.vocabularySize), { things });
  model.initialise(config.seed);
  await files.makeDirectory(path);
  await lockFolder(path);
  const run = begun ?? (await RunFolder.create(files, path, config as unknown as JsonRecord));
  await run.setConfig(config as unknown as JsonRecord);
  if (!begun) await files.write(vocabularyPath, toJson(tokenizer.toJSON()));
  if (!quiet) {
    tell(
      `data:    ${dataset.art.things.length} things, ${dataset.size} pixels; ${tokenizer.vocabularySize} words`,
    );
    tell(`model:   ${(model.parameterCount / 1e6).toFixed(2)} M parameters`);
    tell(`run:     ${path}`);
  }
  let stopping: StopSignal | null = null;
  const restoreSignals = onInterrupt((signal) => {
    stopping = signal;
    tell("\nstopping after this step; the run can be resumed");
  });
  const trainer = judgeStage({ model, dataset, tokenizer, config, run });
  const pace = config.minutes > 0 && !begun ? new JudgePace(config, platform.now, began) : null;
  try {
    const { judge } = config;
    const state = await withProgress(
      {
        ...{ label: "judge", total: judge.steps, unit: "steps", quiet: quiet ?? false },
        perUnit: { factor: judge.batch, unit: "images" },
      },
      (progress) =>
        runStage(trainer, {
          ...{ platform, run, seed: config.seed, log: config.log, progress },
          interrupted: () => stopping !== null,
          resume: begun !== null,
          ...(pace && {
            pace: async (step: number, ms: number) => {
              if (pace.after(step, ms)) await run.setConfig(config as unknown as JsonRecord);
            },
          }),
        }),
    );
    if (state === "interrupted") {
      tell(`stopped; go on with: ${asStarted("node dist/judge.js")} train --resume ${path}`);
      if (stopping) process.exitCode = signalExitCode[stopping as StopSignal];
      return;
    }
    const folder = `${path}/weights`;
    const { bytes } = await saveJudge(files, folder, {
      ...{ shape: model.shape, data: { things: config.data.things }, tokenizer },
      tensors: await readWeights(model),
      about: { settings: config } as unknown as JsonRecord,
    });
    tell(
      `done in ${formatDuration((platform.now() - began) / 1000)}: ${folder} (${Math.ceil(bytes / 1024)} KiB)`,
    );
    say(`measure it with: ${asStarted("node dist/judge.js")} measure --judge ${folder}`);
  } finally {
    restoreSignals();
    trainer.dispose();
    model.dispose();
    await dataset.images.close();
  }
}
