/** Exports runs as event files of TensorBoard: one folder for each run, with the same path as the run's. Node only. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { type LogEntry, parseLogLine } from "../../io/run-folder.js";
import { type EventImage, imageRecord, scalarRecord, versionRecord } from "../../io/tensorboard/events.js";
import { decodePixels, nodePlatform as platform } from "../../platform/node.js";
import { nodeDisk } from "../../platform/node-disk.js";
import { readPictureHeader } from "../../platform/picture-header.js";
import { figuresOf } from "../../report/quantities.js";
import type { SampleListing } from "../../report/runs/listing.js";
import type { WatchedRun } from "./watched-run.js";

/** TensorBoard looks for this beginning. One name, so that a second export replaces the first. */
export const EVENTS = "events.out.tfevents.mc-diffusion";
/** Bytes that are written at once. */
const BLOCK = 1 << 20;

/** What was written of a run. */
export interface Exported {
  readonly steps: number;
  readonly images: number;
  /** Samples that could not be read, one sentence each. */
  readonly problems: readonly string[];
}

/**
 * Writes `out/ID/events.out.tfevents.mc-diffusion`: every number of the log by the tag `STAGE/NAME`, then the samples. The log has
 * durations and no times of day, so the last step is taken to be as old as the log, and each step as long as it took.
 */
export async function exportRun(
  run: WatchedRun,
  out: string,
  onStep: (steps: number) => void = () => {},
): Promise<Exported> {
  const folder = run.id === "." ? out : `${out}/${run.id}`;
  await platform.files.makeDirectory(folder);
  const writer = await nodeDisk.create(`${folder}/${EVENTS}`);
  try {
    const seconds = [...run.log.stages.values()].reduce((sum, stage) => sum + stage.seconds, 0);
    const { mtimeMs } = await stat(run.log.path).catch(() => ({ mtimeMs: Date.now() }));
    let time = mtimeMs / 1000 - seconds;
    let block: Uint8Array[] = [versionRecord(time)];
    let bytes = 0;
    const write = async (record: Uint8Array) => {
      block.push(record);
      bytes += record.length;
      if (bytes < BLOCK) return;
      await writer.write(Buffer.concat(block));
      [block, bytes] = [[], 0];
    };
    /** When each stage had completed which steps. */
    const times = new Map<string, { step: number; time: number }[]>();
    let steps = 0;
    for await (const entry of entriesOf(run.log.path)) {
      if (Number.isFinite(entry.ms)) time += entry.ms / 1000;
      const { stage, step } = entry;
      const known = times.get(stage) ?? [];
      times.set(stage, known);
      known.push({ step, time });
      const values = figuresOf(entry).map(([name, value]) => [`${stage}/${name.replace(".", "/")}`, value]);
      await write(scalarRecord({ time, step }, Object.fromEntries(values)));
      steps++;
      if (steps % 100 === 0) onStep(steps);
    }
    onStep(steps);
    const problems: string[] = [];
    let images = 0;
    for (const sample of run.listing!.samples) {
      const path = `${run.folder}/samples/${sample.name}`;
      try {
        const image = await imageOf(path);
        await write(imageRecord(timeOf(sample, times, time), tagOf(sample), image));
        images++;
      } catch (error) {
        problems.push(`${path}: ${(error as Error).message}`);
      }
    }
    await writer.write(Buffer.concat(block));
    await writer.finish();
    return { steps, images, problems };
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** The entries of a log; a run without one has none. */
async function* entriesOf(path: string): AsyncGenerator<LogEntry> {
  if (!(await platform.files.exists(path))) return;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const entry = parseLogLine(line);
    if (entry) yield entry;
  }
}

function tagOf({ name, stage }: SampleListing): string {
  return stage === null ? `samples/${name.replace(/\.\w+$/, "")}` : `${stage}/samples`;
}

/** When a sample was made: at its step, or after the last one. */
function timeOf(
  { stage, step }: SampleListing,
  times: ReadonlyMap<string, readonly { step: number; time: number }[]>,
  end: number,
): { time: number; step: number } {
  const last = [...times.values()].at(-1)?.at(-1)?.step ?? 0;
  if (stage === null || step === null) return { time: end, step: last };
  return { time: times.get(stage)?.findLast((one) => one.step <= step)?.time ?? end, step };
}

/** A sample as PNG; drawings are rendered. */
async function imageOf(path: string): Promise<EventImage> {
  const bytes = await platform.files.read(path);
  const { format, width, height } = readPictureHeader(bytes, true);
  if (format === "png") return { width, height, png: bytes };
  const picture = await decodePixels(bytes, { alpha: false, svg: "bounded" });
  return { width: picture.width, height: picture.height, png: await platform.images.encodePng(picture) };
}
