/** The runs that the browser stores for this page, across reloads. */

import { type Config, opfsFiles, resolveConfig } from "../../../dist/index.js";
import { type LogEntry, RunFolder } from "../../../dist/report.js";

/** Their folder in the origin private file system: each run has a folder in it. */
export const runsFolder = "training";

/** The folder of a run. */
export const pathOf = (id: string): string => `${runsFolder}/${id}`;

/** A name for a run that begins now; names sort by time. */
export const newId = (time = new Date()): string =>
  `run-${time.toISOString().slice(0, 19).replaceAll(":", "-")}`;

export interface KeptRun {
  readonly id: string;
  readonly log: readonly LogEntry[];
  /** Steps of both stages by its settings. */
  readonly steps: { readonly vqvae: number; readonly decoder: number };
  readonly isFinished: boolean;
}

/** The stored runs, the oldest first. Throws a `UserError` if the browser's storage cannot be read. */
export async function keptRuns(): Promise<KeptRun[]> {
  if (!(await opfsFiles.exists(runsFolder))) return [];
  const runs: KeptRun[] = [];
  for (const id of await opfsFiles.list(runsFolder)) {
    const run = await keptRun(id);
    if (run) runs.push(run);
  }
  return runs;
}

/** The settings of a stored run. */
export const configOf = (run: RunFolder): Config =>
  resolveConfig({ file: { name: `${run.path}/config.json`, text: JSON.stringify(run.config) } });

/** A stored run; null if it was not begun: its pictures are stored last. Throws a `UserError` if it cannot be read. */
export async function keptRun(id: string): Promise<KeptRun | null> {
  if (!(await opfsFiles.exists(`${pathOf(id)}/data/dataset.json`))) return null;
  const run = await RunFolder.open(opfsFiles, pathOf(id));
  const { vqvae, decoder } = configOf(run);
  const log = await run.readLog();
  const last = log.findLast(({ stage }) => stage === "decoder")?.step ?? 0;
  const hasWeights = await opfsFiles.exists(`${pathOf(id)}/weights/model.safetensors`);
  return {
    id,
    log,
    steps: { vqvae: vqvae.steps, decoder: decoder.steps },
    isFinished: last >= decoder.steps && hasWeights,
  };
}

/** When a run began, as people write it. */
export function begun(id: string): string {
  const [, date, time] = /^run-(\d+-\d+-\d+)T(\d+-\d+-\d+)$/.exec(id) ?? [];
  const at = new Date(`${date}T${time?.replaceAll("-", ":")}Z`);
  return Number.isNaN(at.getTime())
    ? id
    : at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
