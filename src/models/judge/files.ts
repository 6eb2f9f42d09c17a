/** A judge in a folder: `judge.json` and `judge.safetensors`. */

import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../../engine/weights/safetensors.js";
import { sha256 } from "../../platform/download.js";
import { UserError } from "../../platform/errors.js";
import { isRecord, type JsonRecord, parseJsonRecord, toJson } from "../../platform/json.js";
import type { Files, FolderFiles } from "../../platform/platform.js";
import { shown } from "../../platform/shown.js";
import { WordTokenizer } from "../../text/words.js";
import type { JudgeShape } from "./shape.js";

const configName = "judge.json";
const weightsName = "judge.safetensors";
const format = "mc-diffusion-judge-1";
const sizes = [
  ...(["imageSize", "channels", "downsample", "resBlocks", "width", "heads"] as const),
  ...(["imageLayers", "textLayers", "features", "context", "vocabulary"] as const),
] as const;

/** The data that a judge was trained on. */
export interface JudgeData {
  /** Kinds of things of its scenes; 0 = all. */
  readonly things: number;
}

/** A stored judge. */
export interface StoredJudge {
  readonly shape: JudgeShape;
  readonly data: JudgeData;
  readonly tokenizer: WordTokenizer;
  /** The parameters of a `JudgeModel` by name, without those of naming. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** What else is told of it: settings of its training, and figures once it is measured. */
  readonly about: JsonRecord;
  /** SHA-256 of the weights file. */
  readonly sha256: string;
  /** The weights file, for messages. */
  readonly name: string;
}

/** Writes the weights as float16, then the settings that name their hash. */
export async function saveJudge(
  files: Files,
  folder: string,
  judge: Pick<StoredJudge, "shape" | "data" | "tokenizer" | "tensors" | "about">,
): Promise<{ bytes: number }> {
  const { shape, data, tokenizer, about } = judge;
  await files.makeDirectory(folder);
  const stored = [...judge.tensors]
    .filter(([name]) => !name.startsWith("naming."))
    .map(([name, tensor]) => [name, tensor.dtype === "F32" ? { ...tensor, dtype: "F16" } : tensor] as const);
  const bytes = encodeSafetensors(new Map(stored as [string, StoredTensor][]), { format });
  await files.write(`${folder}/${weightsName}`, bytes);
  const weights = { file: weightsName, bytes: bytes.length, sha256: await sha256(bytes) };
  const record = { format, about, shape, data, weights, tokenizer: tokenizer.toJSON() };
  await files.write(`${folder}/${configName}`, toJson(record as unknown as JsonRecord));
  return { bytes: bytes.length };
}

/** Adds to what a judge's folder tells of it, such as its figures. */
export async function tellOfJudge(files: Files, folder: string, about: JsonRecord): Promise<void> {
  const path = `${folder}/${configName}`;
  const record = parseJsonRecord(await files.readText(path), path);
  const before = isRecord(record.about) ? record.about : {};
  await files.write(path, toJson({ ...record, about: { ...before, ...about } }));
}

/** Reads a folder that `saveJudge` wrote. Throws a `UserError` that names the file if something is missing or does not fit. */
export async function readJudge(files: FolderFiles, folder: string): Promise<StoredJudge> {
  const path = `${folder}/${configName}`;
  const name = `${folder}/${weightsName}`;
  for (const file of [path, name])
    if (!(await files.exists(file)))
      throw new UserError(
        `${folder} holds no judge: there is no ${file}; node dist/judge.js train makes one`,
      );
  const record = parseJsonRecord(await files.readText(path), path);
  if (record.format !== format)
    throw new UserError(
      `${path} has format ${shown(String(JSON.stringify(record.format)), 60)}, and a judge has "${format}"`,
    );
  const bytes = await files.read(name);
  const weights = isRecord(record.weights) ? record.weights : {};
  const hash = await sha256(bytes);
  if (weights.sha256 !== hash)
    throw new UserError(
      `${name} is damaged or of another version: it is not the file whose SHA-256 ${path} names`,
    );
  const tokenizer = WordTokenizer.fromJSON(record.tokenizer, path);
  const shape = shapeOf(record.shape, path);
  if (shape.vocabulary !== tokenizer.vocabularySize)
    throw new UserError(`${path} has ${tokenizer.vocabularySize} words, and its judge ${shape.vocabulary}`);
  const { things = 0 } = isRecord(record.data) ? record.data : {};
  if (!Number.isSafeInteger(things)) throw new UserError(`${path}: "data" has no valid things`);
  return {
    ...{ shape, tokenizer, name, sha256: hash },
    data: { things: things as number },
    tensors: decodeSafetensors(bytes, name).tensors,
    about: isRecord(record.about) ? record.about : {},
  };
}

function shapeOf(value: unknown, path: string): JudgeShape {
  const record = isRecord(value) ? value : {};
  return Object.fromEntries(
    sizes.map((key) => {
      const size = record[key];
      if (!Number.isSafeInteger(size) || (size as number) < (key === "resBlocks" ? 0 : 1))
        throw new UserError(`${path}: "shape" has no valid ${key}`);
      return [key, size as number];
    }),
  ) as unknown as JudgeShape;
}
