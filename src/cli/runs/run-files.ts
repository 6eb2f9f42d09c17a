/** What a run's folder says beside its log: settings, data, scores, samples, the note. Node only. */

import { statSync } from "node:fs";
import { stat } from "node:fs/promises";
import type { JsonRecord } from "../../platform/json.js";
import { isRecord, parseJson } from "../../platform/json.js";
import { nodePlatform as platform } from "../../platform/node.js";
import { shown } from "../../platform/shown.js";
import type {
  DataListing,
  ListedScore,
  NoteListing,
  SampleListing,
  ScoreRow,
} from "../../report/runs/listing.js";

const { files, hash } = platform;

/** The file that the page keeps a run's note in. */
export const NOTE = "notes.md";
/** Larger results of an evaluation are left out, by name. */
const LARGEST = 64 << 20;
/** JSON files of a run that are no results of an evaluation. */
const OTHERS = new Set(["config.json", "data.json", "vocabulary.json", "lock.json", "bound.json"]);

/**
 * Of a file or a folder: a text that changes with it, and milliseconds since 1970 of the change; null where nothing is. Not
 * asynchronous, because that takes ten times as long, and hundreds of runs have thousands of files to look at.
 */
export function stampOf(path: string): { text: string; time: number } | null {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found ? { text: `${found.ino}-${found.size}-${found.mtimeMs}`, time: found.mtimeMs } : null;
  } catch {
    return null;
  }
}

/** A JSON file; what is wrong with it goes to `problems`. */
async function readJson(folder: string, name: string, problems: string[]): Promise<unknown> {
  try {
    return parseJson(await files.readText(`${folder}/${name}`));
  } catch (error) {
    problems.push(`${name} cannot be read: ${shown((error as Error).message)}`);
    return null;
  }
}

/** The settings of a run without their format. */
export async function readSettings(folder: string, problems: string[]): Promise<JsonRecord> {
  if (!(await files.exists(`${folder}/config.json`))) {
    problems.push("config.json is missing");
    return {};
  }
  const before = problems.length;
  const value = await readJson(folder, "config.json", problems);
  if (isRecord(value)) {
    const { format: _, ...config } = value;
    return config;
  }
  if (problems.length === before) problems.push("config.json holds no settings");
  return {};
}

/** The fingerprint of a run's data; null if it has none. */
export async function readData(folder: string, problems: string[]): Promise<DataListing | null> {
  if (!(await files.exists(`${folder}/data.json`))) return null;
  const value = await readJson(folder, "data.json", problems);
  if (!isRecord(value) || !Array.isArray(value.pictures)) {
    if (value !== null) problems.push("data.json holds no list of pictures");
    return null;
  }
  const pictures: Record<string, number> = {};
  for (const row of value.pictures as unknown[]) {
    const split = Array.isArray(row) && typeof row[2] === "string" ? row[2] : "?";
    pictures[split] = (pictures[split] ?? 0) + 1;
  }
  const text = JSON.stringify([value.vocabulary, value.pictures]);
  return { pictures, fingerprint: (await hash("sha-256", text)).slice(0, 12) };
}

/** The scores of the results of evaluations that lie in the folder: those of the run's end, and of `evaluate.js --out`. */
export async function readScores(
  folder: string,
  names: readonly string[],
  problems: string[],
): Promise<ScoreRow[]> {
  const rows: ScoreRow[] = [];
  for (const name of names) {
    if (!name.endsWith(".json") || OTHERS.has(name)) continue;
    const path = `${folder}/${name}`;
    const { size } = await stat(path);
    if (size > LARGEST) {
      problems.push(`${name} has more than ${LARGEST >> 20} MiB and is not read`);
      continue;
    }
    const value = await readJson(folder, name, problems);
    if (isRecord(value) && Array.isArray(value.splits)) rows.push(...scoreRows(name, value.splits));
  }
  return rows;
}

function scoreRows(file: string, splits: readonly unknown[]): ScoreRow[] {
  return splits.flatMap((split): ScoreRow[] => {
    if (!isRecord(split) || typeof split.split !== "string" || !Array.isArray(split.methods)) return [];
    return (split.methods as unknown[]).flatMap((method): ScoreRow[] => {
      if (!isRecord(method) || !isRecord(method.scores)) return [];
      const scores = Object.entries(method.scores).flatMap(([name, score]) =>
        isRecord(score) ? [[name, listedScore(score)] as const] : [],
      );
      return [
        {
          file,
          split: split.split as string,
          pictures: numberOf(split.pictures) ?? 0,
          method: String(method.name ?? ""),
          isModel: method.method === "model",
          scores: Object.fromEntries(scores),
        },
      ];
    });
  });
}

function listedScore({ mean, low, high }: JsonRecord): ListedScore {
  return { mean: numberOf(mean), low: numberOf(low), high: numberOf(high) };
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

/** The pictures of a run in the order of their stages and steps; those of the end are last. */
export async function readSamples(folder: string): Promise<SampleListing[]> {
  const path = `${folder}/samples`;
  if (!(await files.isDirectory(path))) return [];
  const version = Math.round((await stat(path)).mtimeMs);
  const samples = (await files.list(path)).flatMap((name): SampleListing[] => {
    if (!/\.(png|svg)$/.test(name)) return [];
    const [, stage, step] = /^([a-z]+)-(\d{6,})\.\w+$/.exec(name) ?? [];
    if (stage === undefined) return [{ name, stage: null, step: null, version }];
    return [{ name, stage, step: Number(step), version: 0 }];
  });
  return samples.sort(
    (a, b) => (a.step ?? Number.MAX_VALUE) - (b.step ?? Number.MAX_VALUE) || (a.name < b.name ? -1 : 1),
  );
}

/** The note beside a run. */
export async function readNote(folder: string): Promise<NoteListing> {
  const path = `${folder}/${NOTE}`;
  const stamp = stampOf(path);
  return stamp ? { text: await files.readText(path), version: stamp.text } : { text: "", version: null };
}

/**
 * Replaces the note, if it is still the one of `version`: one that somebody else has changed meanwhile is kept, and returned with
 * `isKept`. An empty text removes the file.
 */
export async function writeNote(
  folder: string,
  text: string,
  version: string | null,
): Promise<NoteListing & { readonly isKept: boolean }> {
  const present = await readNote(folder);
  if (present.version !== version && present.text !== text) return { ...present, isKept: true };
  const path = `${folder}/${NOTE}`;
  if (text.trim() === "") await files.remove(path);
  else await files.write(path, text);
  return { ...(await readNote(folder)), isKept: false };
}
