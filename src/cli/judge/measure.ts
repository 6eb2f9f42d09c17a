/** `node dist/judge.js measure`: how well a judge tells captions apart. Node only. */

import {
  JUDGE_MEASURES,
  JUDGE_TITLES,
  type JudgeMeasures,
  measureJudge,
} from "../../evaluation/judge/measures.js";
import { markdownTable } from "../../evaluation/tables.js";
import { readJudge, tellOfJudge } from "../../models/judge/files.js";
import { Judge } from "../../models/judge/judge.js";
import { isRecord, type JsonRecord } from "../../platform/json.js";
import { nodePlatform as platform } from "../../platform/node.js";
import { openComputingGpu } from "../options.js";
import { withLateProgress } from "../progress.js";
import { say, tell } from "../terminal.js";
import { judgeScenes } from "./scenes.js";

/** The options of the command. */
export interface MeasureOptions {
  judge: string;
  split: string;
  limit: number;
  adapter?: string;
  tuning?: string;
  quiet?: boolean;
}

/** The bars that the judge of the results has to meet, in the measures that they are of. */
export const JUDGE_BARS = { captionFirst: 0.95, object: 0.9, attribute: 0.9, relation: 0.9 } as const;

/** Measures a judge, prints the table and writes the figures into its `judge.json`. */
export async function measureFolder({ judge: folder, split, limit, adapter, tuning, quiet }: MeasureOptions) {
  const gpu = await openComputingGpu(adapter, quiet, tuning);
  const stored = await readJudge(platform.files, folder);
  const { about } = stored;
  const judge = new Judge(gpu, stored);
  const { imageSize } = judge.shape;
  const dataset = await judgeScenes({ imageSize, things: judge.data.things, subset: 1 }, quiet);
  let done = 0;
  const measures = await withLateProgress({ label: "judge", unit: "parts", quiet }, (onProgress) =>
    measureJudge(judge, dataset, { split, limit, onDone: () => onProgress(++done, Math.max(done + 1, 30)) }),
  );
  say(measuresTable(measures, split));
  const before = isRecord(about.figures) ? about.figures : {};
  const figures = { ...before, [split]: measures as unknown as JsonRecord };
  await tellOfJudge(platform.files, folder, { figures });
  if (!quiet) tell(`written: ${folder}/judge.json`);
  judge.dispose();
  await dataset.images.close();
}

/** The measures as a Markdown table, in percent. */
export function measuresTable(measures: JudgeMeasures, split: string): string {
  const percent = (value: number) => (100 * value).toFixed(1);
  const rows = JUDGE_MEASURES.map((name) => {
    const { mean, low, high, pictures } = measures[name];
    const bar = name in JUDGE_BARS ? JUDGE_BARS[name as keyof typeof JUDGE_BARS] : null;
    const met = bar === null ? "" : `${percent(bar)}: ${mean >= bar ? "met" : "not met"}`;
    const value = Number.isNaN(mean) ? "–" : `${percent(mean)} [${percent(low)}, ${percent(high)}]`;
    return [JUDGE_TITLES[name], String(pictures), value, met];
  });
  return markdownTable([`measure on ${split}`, "pictures", "%", "bar"], rows);
}
