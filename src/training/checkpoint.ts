/**
 * Checkpoints: folders `step-000123/` with `model.safetensors`, `optimizer.safetensors` and `state.json`.
 *
 * A folder is filled under a temporary name and then renamed, so a folder with the final name is complete unless the disk damaged
 * it. To detect such damage, `state.json` holds the size and CRC-32 of the two other files and its own CRC-32.
 */

import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../engine/weights/safetensors.js";
import { crc32, crc32InParts } from "../platform/crc32.js";
import { UserError } from "../platform/errors.js";
import { isRecord, type JsonRecord, parseJsonRecord, toJson } from "../platform/json.js";
import type { Files } from "../platform/platform.js";
import { shown } from "../platform/shown.js";

/** The complete state from which a training stage resumes. */
export interface Checkpoint {
  /** Completed optimiser steps. */
  step: number;
  model: Map<string, StoredTensor>;
  optimizer: Map<string, StoredTensor>;
  /** Other state that training resumes from: seed, configuration, data order, random state, best score … */
  state: JsonRecord;
}

const MODEL = "model.safetensors";
const OPTIMIZER = "optimizer.safetensors";
const STATE = "state.json";
const FORMAT = "mc-diffusion-checkpoint-1";
const TEMPORARY = ".saving-";
const REPLACED = ".replaced-";

/**
 * Writes `folder/step-…`, then removes all but the `keep` (≥ 1) most recently written checkpoints, whatever their steps: after a
 * resume from an older checkpoint because the newest was damaged, lower steps are the newer ones. Replaces a checkpoint of the
 * same step. Returns the new checkpoint's path.
 */
export async function saveCheckpoint(
  files: Files,
  folder: string,
  checkpoint: Checkpoint,
  keep: number,
): Promise<string> {
  const name = checkpointName(checkpoint.step);
  const path = `${folder}/${name}`;
  const temporary = `${folder}/${TEMPORARY}${name}`;
  const replaced = `${folder}/${REPLACED}${name}`;
  const model = encodeSafetensors(checkpoint.model, { format: FORMAT });
  const optimizer = encodeSafetensors(checkpoint.optimizer, { format: FORMAT });
  await files.makeDirectory(folder);
  const written = Math.max(0, ...(await checkpointsByAge(files, folder)).map(({ order }) => order)) + 1;
  const record = {
    step: checkpoint.step,
    written,
    files: {
      [MODEL]: { bytes: model.byteLength, crc32: await crc32InParts(model) },
      [OPTIMIZER]: { bytes: optimizer.byteLength, crc32: await crc32InParts(optimizer) },
    },
    state: checkpoint.state,
  };
  const state = toJson({ format: FORMAT, crc32: stateSum(record), ...record });

  for (const leftover of await files.list(folder)) {
    if (leftover.startsWith(TEMPORARY) || leftover.startsWith(REPLACED)) {
      await files.remove(`${folder}/${leftover}`);
    }
  }
  await files.makeDirectory(temporary);
  await files.write(`${temporary}/${MODEL}`, model);
  await files.write(`${temporary}/${OPTIMIZER}`, optimizer);
  await files.write(`${temporary}/${STATE}`, state);
  const existed = await files.exists(path);
  if (existed) await files.rename(path, replaced);
  await files.rename(temporary, path);
  if (existed) await files.remove(replaced);

  const present = await checkpointsByAge(files, folder);
  for (const old of present.slice(0, Math.max(0, present.length - Math.max(1, keep)))) {
    await files.remove(old.path);
  }
  return path;
}

/** Reads one checkpoint folder. Throws a `UserError` that names the file when it is incomplete or damaged. */
export async function loadCheckpoint(files: Files, path: string): Promise<Checkpoint> {
  const statePath = `${path}/${STATE}`;
  const record = parseJsonRecord(await files.readText(statePath), statePath);
  const { format, step, files: sums, state } = record;
  // Older versions wrote no checksum.
  if (record.crc32 !== undefined && record.crc32 !== stateSum(record)) {
    throw new UserError(`${statePath} is damaged: its checksum does not match its contents`);
  }
  if (format !== FORMAT) {
    throw new UserError(
      `${statePath} has format ${shown(String(JSON.stringify(format)))}, this version reads "${FORMAT}"`,
    );
  }
  if (!isRecord(sums) || !isRecord(state)) throw new UserError(`${statePath} lacks files or state`);
  const named = stepOfName(path.slice(path.lastIndexOf("/") + 1));
  if (!Number.isSafeInteger(step) || (step as number) < 1 || (named !== null && named !== step)) {
    const wanted = named === null ? "a whole number of steps" : `${named}, as its folder's name`;
    throw new UserError(
      `${statePath}: "step" should be ${wanted}, it is ${shown(String(JSON.stringify(step)))}`,
    );
  }
  const read = async (name: string) => {
    const bytes = await files.read(`${path}/${name}`);
    const expected = sums[name];
    if (
      !isRecord(expected) ||
      expected.bytes !== bytes.byteLength ||
      expected.crc32 !== (await crc32InParts(bytes))
    ) {
      throw new UserError(`${path}/${name} is damaged: its size or checksum differs from ${STATE}`);
    }
    return decodeSafetensors(bytes, `${path}/${name}`).tensors;
  };
  return { step: step as number, model: await read(MODEL), optimizer: await read(OPTIMIZER), state };
}

/** The checkpoint that can be read, and its folder; null if there is none. */
export interface FoundCheckpoint {
  checkpoint: Checkpoint | null;
  path: string | null;
  /** One for each newer checkpoint that cannot be read. */
  warnings: string[];
}

/**
 * Finds the most recently written checkpoint of `folder` that can be read; null if there is none. Each newer unreadable
 * checkpoint adds a warning to print.
 */
export async function latestCheckpoint(files: Files, folder: string): Promise<FoundCheckpoint> {
  const warnings: string[] = [];
  if (!(await files.isDirectory(folder))) return { checkpoint: null, path: null, warnings };
  const found = await checkpointsByAge(files, folder);
  const damaged = found.filter(({ order }) => order < 0);
  for (const { path } of [...damaged, ...found.slice(damaged.length).reverse()]) {
    try {
      return { checkpoint: await loadCheckpoint(files, path), path, warnings };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      warnings.push(`skipped checkpoint ${path}: ${error.message}`);
    }
  }
  return { checkpoint: null, path: null, warnings };
}

/** CRC-32 of the contents of `state.json`, without its format. */
function stateSum({ step, written, files, state }: JsonRecord): number {
  return crc32(new TextEncoder().encode(JSON.stringify({ step, written, files, state })));
}

/** `step-000123`. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}

function stepOfName(name: string): number | null {
  const digits = /^step-(\d{6,})$/.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/**
 * The checkpoints of a folder in the order in which they were written: first those with an unreadable state (order −1), then
 * those of versions without a counter (0), by step.
 */
async function checkpointsByAge(files: Files, folder: string): Promise<{ path: string; order: number }[]> {
  const found: { path: string; order: number; step: number }[] = [];
  for (const name of await files.list(folder)) {
    const step = stepOfName(name);
    if (step === null) continue;
    const path = `${folder}/${name}`;
    found.push({ path, step, order: await orderOf(files, `${path}/${STATE}`) });
  }
  return found.sort((a, b) => a.order - b.order || a.step - b.step);
}

async function orderOf(files: Files, statePath: string): Promise<number> {
  try {
    const { format, written } = parseJsonRecord(await files.readText(statePath), statePath);
    if (format !== FORMAT) return -1;
    return Number.isSafeInteger(written) && (written as number) > 0 ? (written as number) : 0;
  } catch (error) {
    if (error instanceof UserError) return -1;
    throw error;
  }
}
