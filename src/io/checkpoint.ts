/**
 * Checkpoints: folders `step-000123/` with `model.safetensors`, `optimizer.safetensors` and `state.json`.
 *
 * A folder is filled under a temporary name and then renamed, so that a folder with the final name is complete unless
 * the disk damaged it; `state.json` holds the size and CRC-32 of the two other files, so that damage is seen too.
 */

import { UserError } from "../platform/errors.js";
import type { Files } from "../platform/platform.js";
import { crc32 } from "./crc32.js";
import { type JsonRecord, parseJsonRecord, toJson } from "./json.js";
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "./safetensors.js";

export interface Checkpoint {
  /** Completed optimiser steps. */
  step: number;
  model: Map<string, StoredTensor>;
  optimizer: Map<string, StoredTensor>;
  /** Whatever else training continues from: seed, configuration, data order, random state, best score … */
  state: JsonRecord;
}

const MODEL = "model.safetensors";
const OPTIMIZER = "optimizer.safetensors";
const STATE = "state.json";
const FORMAT = "mc-diffusion-checkpoint-1";
const TEMPORARY = ".saving-";
const REPLACED = ".replaced-";

/**
 * Writes `folder/step-…`, then removes all but the `keep` newest checkpoints (`keep` ≥ 1). A checkpoint of the same
 * step is replaced. Returns the new checkpoint's path.
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
  const state = toJson({
    format: FORMAT,
    step: checkpoint.step,
    files: {
      [MODEL]: { bytes: model.byteLength, crc32: crc32(model) },
      [OPTIMIZER]: { bytes: optimizer.byteLength, crc32: crc32(optimizer) },
    },
    state: checkpoint.state,
  });

  await files.makeDirectory(folder);
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

  const steps = await checkpointSteps(files, folder);
  for (const step of steps.slice(0, Math.max(0, steps.length - Math.max(1, keep)))) {
    await files.remove(`${folder}/${checkpointName(step)}`);
  }
  return path;
}

/** Reads one checkpoint folder. Throws a `UserError` that names the file when it is incomplete or damaged. */
export async function loadCheckpoint(files: Files, path: string): Promise<Checkpoint> {
  const statePath = `${path}/${STATE}`;
  const record = parseJsonRecord(await files.readText(statePath), statePath);
  const { format, step, files: sums, state } = record;
  if (format !== FORMAT) {
    throw new UserError(`${statePath} has format ${JSON.stringify(format)}, this version reads "${FORMAT}"`);
  }
  if (typeof step !== "number" || !isRecord(sums) || !isRecord(state)) {
    throw new UserError(`${statePath} lacks step, files or state`);
  }
  const read = async (name: string) => {
    const bytes = await files.read(`${path}/${name}`);
    const expected = sums[name];
    if (!isRecord(expected) || expected.bytes !== bytes.byteLength || expected.crc32 !== crc32(bytes)) {
      throw new UserError(`${path}/${name} is damaged: its size or checksum differs from ${STATE}`);
    }
    return decodeSafetensors(bytes, `${path}/${name}`).tensors;
  };
  return { step, model: await read(MODEL), optimizer: await read(OPTIMIZER), state };
}

/**
 * The newest checkpoint of `folder` that can be read, or null when there is none. Each newer one that cannot be read
 * gives a warning to print.
 */
export async function latestCheckpoint(
  files: Files,
  folder: string,
): Promise<{ checkpoint: Checkpoint | null; path: string | null; warnings: string[] }> {
  const warnings: string[] = [];
  if (!(await files.isDirectory(folder))) return { checkpoint: null, path: null, warnings };
  for (const step of (await checkpointSteps(files, folder)).reverse()) {
    const path = `${folder}/${checkpointName(step)}`;
    try {
      return { checkpoint: await loadCheckpoint(files, path), path, warnings };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      warnings.push(`skipped checkpoint ${path}: ${error.message}`);
    }
  }
  return { checkpoint: null, path: null, warnings };
}

/** `step-000123`. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}

async function checkpointSteps(files: Files, folder: string): Promise<number[]> {
  const steps: number[] = [];
  for (const name of await files.list(folder)) {
    const digits = /^step-(\d{6,})$/.exec(name)?.[1];
    if (digits !== undefined) steps.push(Number(digits));
  }
  return steps.sort((a, b) => a - b);
}

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
