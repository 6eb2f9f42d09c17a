/** A CLIP in a folder or at an address: `config.json` and `model.safetensors`, as `node dist/import.js clip` writes them. */

import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../../engine/weights/safetensors.js";
import { download, downloadText, sha256 } from "../../platform/download.js";
import { UserError } from "../../platform/errors.js";
import { isRecord, type JsonRecord, parseJsonRecord, toJson } from "../../platform/json.js";
import type { Files, FolderFiles } from "../../platform/platform.js";
import { shown } from "../../platform/shown.js";
import type { ClipBpe } from "../../text/clip/bpe.js";
import { ClipTokenizer } from "../../text/clip/clip-tokenizer.js";
import { type ClipShape, type ClipTowerShape, clipActivations } from "./shape.js";

const configName = "config.json";
const weightsName = "model.safetensors";
const format = "mc-diffusion-clip-1";

/** What to do without CLIP weights, as the end of a sentence. */
export const howToGetClip =
  "download openai/clip-vit-base-patch32 (config.json and model.safetensors) or OpenAI's ViT-B-32.pt and run node dist/import.js clip FILE_OR_FOLDER --out weights/clip";

/** A stored CLIP. */
export interface StoredClip {
  shape: ClipShape;
  /** The parameters of a `ClipModel` by name. */
  tensors: ReadonlyMap<string, StoredTensor>;
  /** Turns texts into tokens; null: texts are given as token ids. */
  bpe: ClipBpe | null;
  /** SHA-256 of the weights file. */
  sha256: string;
  /** The weights file, for messages. */
  name: string;
}

/** Writes the weights, then the settings that name their hash. `about` says where they come from. */
export async function saveClip(
  files: Files,
  folder: string,
  { shape, tensors, bpe }: Pick<StoredClip, "shape" | "tensors" | "bpe">,
  about: JsonRecord,
): Promise<{ bytes: number }> {
  await files.makeDirectory(folder);
  const bytes = encodeSafetensors(tensors, { format });
  await files.write(`${folder}/${weightsName}`, bytes);
  const weights = { file: weightsName, bytes: bytes.length, sha256: await sha256(bytes) };
  const tokenizer = bpe && new ClipTokenizer(bpe).toJSON();
  const record = { format, about, shape, weights, tokenizer } as unknown as JsonRecord;
  await files.write(`${folder}/${configName}`, toJson(record));
  return { bytes: bytes.length };
}

/** Whether a folder holds files of a CLIP. */
export async function holdsClip(files: FolderFiles, folder: string): Promise<boolean> {
  return (await files.exists(`${folder}/${configName}`)) && (await files.exists(`${folder}/${weightsName}`));
}

/** Reads a folder that `saveClip` wrote. Throws a `UserError` that names the file if something is missing or does not fit. */
export async function readClip(files: FolderFiles, folder: string): Promise<StoredClip> {
  if (!(await holdsClip(files, folder)))
    throw new UserError(`${folder} holds no CLIP (config.json and model.safetensors): ${howToGetClip}`);
  const configPath = `${folder}/${configName}`;
  const name = `${folder}/${weightsName}`;
  const { weights, ...settings } = parseSettings(await files.readText(configPath), configPath);
  const bytes = await files.read(name);
  if (bytes.length !== weights.bytes || (await sha256(bytes)) !== weights.sha256)
    throw new UserError(
      `${name} is damaged or of another version: it is not the file whose SHA-256 ${configPath} names`,
    );
  return { ...settings, tensors: decodeSafetensors(bytes, name).tensors, sha256: weights.sha256, name };
}

/** Options of `Clip.load`, as for a captioner. */
export interface ClipDownload {
  signal?: AbortSignal | undefined;
  /** Called with the bytes of the weights loaded so far and their total. */
  onProgress?: ((progress: { loaded: number; total: number }) => void) | undefined;
  /** Keeps the weights in the browser's Cache Storage; default true. */
  cache?: boolean | undefined;
}

/** Downloads a folder that `saveClip` wrote. Throws a `UserError` that names the address if something does not fit. */
export async function downloadClip(url: string | URL, options: ClipDownload): Promise<StoredClip> {
  const page = typeof location === "undefined" ? undefined : location.href;
  if (!URL.canParse(url, page))
    throw new UserError(
      `${shown(String(url))} is not a web address; to read a local folder, use Clip.fromFolder(gpu, nodePlatform.files, folder)`,
    );
  const folder = new URL(url, page);
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  const address = (file: string) => new URL(file + folder.search, folder).href;
  const configUrl = address(configName);
  const { weights, ...settings } = parseSettings(await downloadText(configUrl, options.signal), configUrl);
  const name = address(weightsName);
  const bytes = await download(name, { ...options, expected: weights });
  return { ...settings, tensors: decodeSafetensors(bytes, name).tensors, sha256: weights.sha256, name };
}

/** Throws a `UserError` if a vocabulary has another number of tokens than the CLIP. */
export function checkVocabulary(bpe: ClipBpe, { text }: ClipShape, name: string): void {
  if (bpe.size !== text.vocabulary)
    throw new UserError(`${name} has ${bpe.size} tokens, and this CLIP has ${text.vocabulary}`);
}

function parseSettings(
  text: string,
  name: string,
): Pick<StoredClip, "shape" | "bpe"> & { weights: { sha256: string; bytes: number } } {
  const record = parseJsonRecord(text, name);
  if (record.format !== format)
    throw new UserError(
      `${name} has format ${shown(String(JSON.stringify(record.format)), 60)}, and a CLIP made by node dist/import.js clip has "${format}"`,
    );
  const { bytes, sha256 } = isRecord(record.weights) ? record.weights : {};
  if (!Number.isSafeInteger(bytes) || typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256))
    throw new UserError(`${name}: "weights" should hold the bytes and the sha256 of ${weightsName}`);
  const shape = parseShape(record.shape, name);
  const { tokenizer = null } = record;
  const bpe = tokenizer === null ? null : ClipTokenizer.fromJSON(tokenizer, name).bpe;
  if (bpe) checkVocabulary(bpe, shape, name);
  return { shape, bpe, weights: { bytes: bytes as number, sha256 } };
}

function parseShape(value: unknown, name: string): ClipShape {
  const fail: (key: string) => never = (key) => {
    throw new UserError(`${name}: "shape" has no valid ${key}; import the CLIP again`);
  };
  const record = (from: unknown, key: string): JsonRecord => (isRecord(from) ? from : fail(key));
  const shape = record(value, "shape");
  const whole = (from: JsonRecord, key: string, path: string): number => {
    const number = from[key];
    return Number.isSafeInteger(number) && (number as number) > 0 ? (number as number) : fail(path + key);
  };
  const tower = (key: "image" | "text"): ClipTowerShape => {
    const from = record(shape[key], key);
    const sizes = Object.fromEntries(
      (["width", "layers", "heads", "hidden"] as const).map((size) => [size, whole(from, size, `${key}.`)]),
    ) as Record<"width" | "layers" | "heads" | "hidden", number>;
    const activation = clipActivations.find((known) => known === from.activation);
    const { epsilon } = from;
    return {
      ...sizes,
      activation: activation ?? fail(`${key}.activation`),
      epsilon: typeof epsilon === "number" && epsilon > 0 ? epsilon : fail(`${key}.epsilon`),
    };
  };
  const [image, text] = [record(shape.image, "image"), record(shape.text, "text")];
  const { endId } = text;
  return {
    features: whole(shape, "features", ""),
    image: {
      ...tower("image"),
      imageSize: whole(image, "imageSize", "image."),
      patchSize: whole(image, "patchSize", "image."),
    },
    text: {
      ...tower("text"),
      context: whole(text, "context", "text."),
      vocabulary: whole(text, "vocabulary", "text."),
      endId:
        endId === null || (Number.isSafeInteger(endId) && (endId as number) >= 0)
          ? (endId as number | null)
          : fail("text.endId"),
    },
  };
}
