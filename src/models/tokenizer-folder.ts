/**
 * A frozen image tokenizer in a folder, as `import.js` writes it: `model.safetensors` with its parameters, and `config.json` with
 * its kind, its settings, where it comes from and the SHA-256 of the weights.
 */

import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../engine/weights/safetensors.js";
import { sha256 } from "../platform/download.js";
import { UserError } from "../platform/errors.js";
import { isRecord, type JsonRecord, parseJsonRecord, toJson } from "../platform/json.js";
import type { Files, FolderFiles } from "../platform/platform.js";
import { shown } from "../platform/shown.js";

const format = "mc-diffusion-image-tokenizer-1";
const configName = "config.json";
const weightsName = "model.safetensors";

/** What a folder says of its tokenizer. */
export interface TokenizerFolder {
  readonly folder: string;
  /** Name of its kind: "vqgan". */
  readonly kind: string;
  /** Settings of its kind, unchecked. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** Side of the pictures that it was trained on, in pixels; null if unknown. */
  readonly imageSize: number | null;
  /** Hash and size of the weights. */
  readonly weights: { readonly sha256: string; readonly bytes: number };
}

/** Writes a tokenizer's folder: first the weights, then the file that names them. `source` says where they come from. */
export async function writeTokenizerFolder(
  files: Files,
  tokenizer: Pick<TokenizerFolder, "folder" | "kind" | "settings" | "imageSize">,
  tensors: ReadonlyMap<string, StoredTensor>,
  source: JsonRecord,
): Promise<TokenizerFolder> {
  const { folder, kind, settings, imageSize } = tokenizer;
  const bytes = encodeSafetensors(tensors, { format });
  const weights = { sha256: await sha256(bytes), bytes: bytes.length };
  await files.makeDirectory(folder);
  await files.write(`${folder}/${weightsName}`, bytes);
  const record = { format, imageTokenizer: kind, settings, imageSize, weights, source };
  await files.write(`${folder}/${configName}`, toJson(record));
  return { ...tokenizer, weights };
}

/** Reads what a folder says of its tokenizer, not its weights. Throws a `UserError` that names the file if something is wrong. */
export async function readTokenizerFolder(files: FolderFiles, folder: string): Promise<TokenizerFolder> {
  const path = `${folder}/${configName}`;
  for (const name of [configName, weightsName]) {
    if (await files.exists(`${folder}/${name}`)) continue;
    throw new UserError(
      `${folder} holds no image tokenizer: it needs ${configName} and ${weightsName}, as import.js writes them`,
    );
  }
  const record = parseJsonRecord(await files.readText(path), path);
  if (record.format !== format)
    throw new UserError(
      `${path} has format ${shown(String(JSON.stringify(record.format)))}, that of an image tokenizer is "${format}"`,
    );
  const { imageTokenizer: kind, settings, imageSize = null, weights } = record;
  const { sha256: hash, bytes } = isRecord(weights) ? weights : {};
  const size = imageSize === null || (typeof imageSize === "number" && Number.isSafeInteger(imageSize));
  if (
    typeof kind !== "string" ||
    !isRecord(settings) ||
    !size ||
    typeof hash !== "string" ||
    !/^[0-9a-f]{64}$/.test(hash) ||
    !Number.isSafeInteger(bytes)
  )
    throw new UserError(
      `${path} is damaged: "imageTokenizer", "settings", "imageSize" and "weights" should be as import.js wrote them`,
    );
  for (const [key, value] of Object.entries(settings))
    if (!["string", "number", "boolean"].includes(typeof value))
      throw new UserError(`${path} is damaged: its setting "${shown(key)}" is not a text, number or flag`);
  return {
    folder,
    kind,
    settings: settings as TokenizerFolder["settings"],
    imageSize: imageSize as number | null,
    weights: { sha256: hash, bytes: bytes as number },
  };
}

/** The parameters of a folder's tokenizer by name. Throws a `UserError` if the file is not the one that config.json names. */
export async function readTokenizerWeights(
  files: FolderFiles,
  { folder, weights }: Pick<TokenizerFolder, "folder" | "weights">,
): Promise<{ tensors: Map<string, StoredTensor>; path: string }> {
  const path = `${folder}/${weightsName}`;
  const bytes = await files.read(path);
  if (bytes.length !== weights.bytes || (await sha256(bytes)) !== weights.sha256)
    throw new UserError(
      `${path} is damaged or of another version: it is not the file whose SHA-256 ${folder}/${configName} names`,
    );
  return { tensors: decodeSafetensors(bytes, path).tensors, path };
}
