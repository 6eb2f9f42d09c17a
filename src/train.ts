#!/usr/bin/env node
/** `node dist/train.js`: data → VQ-VAE → codes → decoder → captions, in one run folder. */

import { checkClipTable, withoutClip } from "./cli/clip-files.js";
import { codeStoreFor } from "./cli/code-store.js";
import { loadDataset } from "./cli/load-dataset.js";
import "./baselines.js";
import "./samplers.js";
import { Interrupted, openTrainingGpu, trainThroughLosses, withWayOn } from "./cli/device-losses.js";
import { defaultRunFolder, runCommand } from "./cli/options.js";
import { ownCodeMap } from "./cli/own-code-map.js";
import { checkSame, firstAlone, joinRanks, together } from "./cli/ranks.js";
import { asStarted } from "./cli/started-as.js";
import { say, tell } from "./cli/terminal.js";
import { announce, compareData, tellCaptions } from "./cli/train-notes.js";
import { resumed, started } from "./cli/train-opening.js";
import { checkSeveral, parseTrainOptions } from "./cli/train-options.js";
import { type Material, planned } from "./cli/train-plan.js";
import type { Config } from "./config/config.js";
import { describeConfig } from "./config/resolve.js";
import { RunFolder } from "./io/run-folder.js";
import { OtherRankError, shareJson } from "./platform/collective.js";
import { onInterrupt, nodePlatform as platform, type StopSignal, signalExitCode } from "./platform/node.js";
import { formatDuration } from "./report/duration.js";
import { writeCodeMap } from "./training/frozen-tokenizer.js";
import { heldOutRecords, usedRecords } from "./training/held-out.js";
import { keepInitialWeights } from "./training/initial-weights.js";
import { buildCaptioner, tryRun } from "./training/preflight.js";
import { describeData, keepData, keptData } from "./training/run-data.js";
import { tellRunPlan } from "./training/run-plan.js";
import type { StageContext } from "./training/trainer.js";
import { buildVocabulary, resumedVocabulary, writeVocabulary } from "./training/vocabulary.js";
import "./vqgan.js";

const { files } = platform;

async function main(): Promise<void> {
  const began = platform.now();
  const options = parseTrainOptions();
  if (options.helpConfig) {
    say(describeConfig());
    return;
  }
  const ranks = await joinRanks(options, () => checkSeveral(options));
  const { collective } = ranks;
  const isFirst = collective.rank === 0;
  if (collective.size > 1 && !options.resume)
    options.out = await shareJson(collective, options.out ?? defaultRunFolder(options.preset ?? "emoji"));
  const opening = await together(collective, () =>
    options.resume ? resumed(options, options.resume) : started(options),
  );
  const { begun } = opening;
  const gpu = await together(collective, () => openTrainingGpu(options));
  const before = begun && (await keptData(files, begun.path));
  const material = async (config: Config): Promise<Material> => {
    const dataset = await loadDataset(config.data, options.quiet, (all) => usedRecords(all, config));
    const heldOut = heldOutRecords(dataset);
    const { tokenizer, restored } = begun
      ? await resumedVocabulary(platform, begun, dataset, config, {
          before,
          otherData: !!options.changedData,
        })
      : { tokenizer: await buildVocabulary(dataset, config, files), restored: null };
    const codes = begun ? null : await ownCodeMap(gpu, { config, dataset, tokenizer }, options);
    return { config, dataset, heldOut, tokenizer, restored, codes };
  };
  const shared = (config: Config) => firstAlone(collective, () => material(config));
  const isPlanned = !begun && opening.config.minutes > 0;
  const { config, dataset, heldOut, tokenizer, restored, codes, plan } = isPlanned
    ? await planned(gpu, opening.config, shared, options, began, collective)
    : { ...(await shared(opening.config)), plan: null };
  const data = await describeData(dataset, tokenizer, platform.hash);
  await checkSame(collective, "train", async () => ({
    config,
    "--gradients": options.gradients,
    "hash of the vocabulary": data.vocabulary,
    "hash of the data": await platform.hash("sha-256", JSON.stringify(data.pictures)),
  }));
  const captioner = await together(collective, async () => {
    if (begun) compareData(begun.path, before, data, options);
    tellCaptions(dataset, tokenizer, config, options.quiet);
    const note = withoutClip(options.preset, config, tokenizer);
    if (note) tell(note);
    if (!begun) await checkClipTable(config, tokenizer);
    const initialise = options.plan ?? false;
    return buildCaptioner(gpu, config, tokenizer, { initialise, processes: collective.size });
  });
  if (options.plan) {
    const memory = (options.memory ?? 6) * 2 ** 30;
    await together(collective, () =>
      tellRunPlan(captioner, dataset, { memory, now: platform.now, tell: say, collective }),
    );
    await ranks.finish();
    return;
  }
  captioner.codeStore = await codeStoreFor(captioner, config, codes?.base ?? null);
  // A plan has already tried its settings.
  if (!isPlanned) await together(collective, async () => tryRun(captioner, collective));
  // Nothing is written before data, settings and device fit, so a mistake leaves no half-made run behind.
  const run = await firstAlone(collective, () =>
    isFirst ? opening.openRun(config) : RunFolder.open(files, (options.resume ?? options.out)!),
  );
  let stopping: StopSignal | null = null;
  let restoreSignals = () => {};
  try {
    if (isFirst) {
      if (restored) tell(`careful: ${run.path}/vocabulary.json was missing; it is restored from ${restored}`);
      if (!begun || restored) await writeVocabulary(files, run.path, tokenizer);
      await keepData(files, run.path, data, before);
      if (codes) await writeCodeMap(files, run.path, codes);
      if (options.init !== undefined)
        await keepInitialWeights(files, run.path, {
          folder: options.init,
          newDecoder: options.newDecoder ?? false,
        });
    }
    // The others read what is in the folder once it is complete.
    await collective.barrier();
    const context: StageContext = {
      platform,
      config,
      captioner,
      dataset,
      run,
      heldOut,
      collective,
      transport: options.gradients,
    };
    if (!options.quiet) await announce(captioner, dataset, run, options.stage, plan);
    if (ranks.description) tell(`ranks:   ${ranks.description}`);
    // Until here a signal simply ends the process: nothing can be lost.
    restoreSignals = onInterrupt(
      (signal) => {
        stopping = signal;
        tell("\nstopping after this step; the run can be resumed");
      },
      { warned: collective.size > 1 },
    );
    await trainThroughLosses(
      { ...context, plan, isPlanned },
      options,
      () => stopping,
      () => {
        stopping ??= "SIGTERM";
      },
    );
    tell(`done in ${formatDuration((platform.now() - began) / 1000)}: ${run.path}`);
    await ranks.finish();
  } catch (error) {
    const isOther = error instanceof OtherRankError;
    // Another rank stops with all, or ends the job with its own sentence.
    if (isOther) await ranks.finish();
    else if (!(error instanceof Interrupted)) throw await withWayOn(error, run, options, collective.rank);
    tell(`stopped; go on with: ${asStarted("node dist/train.js")} --resume ${run.path}`);
    process.exitCode = signalExitCode[isOther ? "SIGTERM" : error.signal];
    await ranks.finish();
  } finally {
    restoreSignals();
  }
}

await runCommand(main);
