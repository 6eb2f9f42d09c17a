/** Both stages of a run of `train.js`, its scores and its report, with progress on the terminal. */

import type { Captioner } from "../captioner/captioner.js";
import { single } from "../platform/collective.js";
import type { JsonRecord } from "../platform/json.js";
import { nodePlatform as platform } from "../platform/node.js";
import { closeRun, writeReport } from "../training/closing.js";
import { type InitialWeights, initialWeightsOf, takeWeights } from "../training/initial-weights.js";
import { trainCaptioner, type Watcher } from "../training/pipeline.js";
import { sharePlanned, type TimePlan } from "../training/time-plan.js";
import type { Stage, StageContext } from "../training/trainer.js";
import { setClipTable } from "./clip-files.js";
import { withProgress } from "./progress.js";
import { say, tell } from "./terminal.js";
import type { TrainOptions } from "./train-options.js";

const { files } = platform;

/** A run with a time limit has a plan, which rank 0 corrects; all processes have its settings. Null in other runs. */
export type PlannedContext = StageContext & { plan: TimePlan | null; isPlanned: boolean };

/** Both stages, the scores and the report. `goOn` is called after each batch and throws to end the work. */
export async function trainStages(
  context: PlannedContext,
  options: Omit<TrainOptions, "resume"> & { resume: boolean },
  goOn: () => void,
  isStopping: () => boolean,
  stopped: () => void,
): Promise<void> {
  const { config, run, plan, isPlanned, collective = single } = context;
  const { quiet, resume, stage } = options;
  const init = await initialWeightsOf(files, run.path);
  const watcher: Watcher = {
    track: (work, body) => withProgress({ ...work, quiet }, body),
    interrupted: isStopping,
    stopped,
    goOn,
    pace(trainer) {
      if (!isPlanned) return undefined;
      // Corrects the plan, and stores the corrections.
      return async (step, ms, isSaved) => {
        const before = trainer.steps;
        const after = plan?.after(trainer.stage, step, ms, isSaved) ?? before;
        if (after !== before) await run.setConfig(config as unknown as JsonRecord);
        await sharePlanned(collective, config);
      };
    },
  };
  await trainCaptioner(context, watcher, {
    resume,
    ...(stage === "all" ? {} : { stages: [stage] }),
    initial: (of, captioner) => initialWeights(captioner, of, init, quiet),
    async ended() {
      const scoring = async () => {
        plan?.scored();
        if (isPlanned) await sharePlanned(collective, config);
      };
      if (stage !== "vqvae") await closeRun(context, watcher, { say, scoring });
      else if (collective.rank === 0) await writeReport(context);
    },
  });
}

/** Gives the network of a stage its weights from `init` and from CLIP, where the run has these, and tells what they are. */
async function initialWeights(
  captioner: Captioner,
  stage: Stage,
  init: InitialWeights | null,
  quiet?: boolean,
): Promise<"all" | "some" | "none"> {
  const isTaken = init !== null && !(stage === "decoder" && init.newDecoder);
  const taken = isTaken ? await takeWeights(captioner, stage, files, init.folder) : null;
  if (taken && !quiet) tell(`init:    ${taken.told}`);
  const hasTable = stage === "decoder" && (await setClipTable(captioner));
  return taken?.complete ? "all" : taken || hasTable ? "some" : "none";
}
