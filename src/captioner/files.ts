/** A captioner in a folder or at an address: `config.json` and `model.safetensors`. */

import type { Config } from "../config/config.js";
import { resolveConfig } from "../config/resolve.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../engine/weights/safetensors.js";
import { loadWeights } from "../engine/weights/weights.js";
import { imageTokenizers } from "../models/registry.js";
import { download, downloadText, sha256 } from "../platform/download.js";
import { UserError } from "../platform/errors.js";
import { isRecord, type JsonRecord, parseJsonRecord, toJson } from "../platform/json.js";
import { lastName } from "../platform/path.js";
import type { Files, FolderFiles } from "../platform/platform.js";
import { shown } from "../platform/shown.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { tokenizerFromJSON } from "../text/tokenizers.js";
import type { CaptionModel } from "./model.js";

const configName = "config.json";
const weightsName = "model.safetensors";
/**
 * Version 2 names its networks: `model`, `imageTokenizer`, `data.tokenizer`. Version 1 predates the choice and implies the
 * defaults.
 */
const format = "mc-diffusion-captioner-2";
const readFormats: readonly unknown[] = ["mc-diffusion-captioner-1", format];
/** Format of the weights file itself, unchanged since version 1. */
const weightsFormat = "mc-diffusion-captioner-1";
const configSections = ["data", "vqvae", "decoder", "sampling"] as const;

/** The element type of the decoder's weights and values. */
export type Precision = Config["decoder"]["precision"];

/** The `LoadOptions` of the download. */
export interface DownloadOptions {
  signal?: AbortSignal | undefined;
  /** Called with the bytes of the weights loaded so far and their total. */
  onProgress?: ((progress: { loaded: number; total: number }) => void) | undefined;
  /** Keeps the weights in the browser's Cache Storage; default true. */
  cache?: boolean | undefined;
}

/** A stored captioner: settings, words, and the bytes of the weights with a name for messages. */
export interface StoredCaptioner extends StoredModel {
  bytes: Uint8Array;
  name: string;
}

/**
 * Writes `model.safetensors` and `config.json` into a folder. `weights` are named `vqvae.…` and `decoder.…`; with `half` the
 * decoder's and the VQ-VAE's weights are stored as float16, the codebook and a frozen tokenizer as float32. Only the last component of the data path is
 * written, because weights are meant to be published.
 */
export async function saveModel(
  model: CaptionModel,
  files: Files,
  folder: string,
  weights: ReadonlyMap<string, StoredTensor>,
  options: { half?: boolean; about?: JsonRecord } = {},
): Promise<void> {
  const stored = new Map<string, StoredTensor>();
  for (const [name, tensor] of weights) {
    // The codes that the decoder has learned from are those of the frozen weights, to the last bit.
    const exact = name.includes("codebook") || (!model.trainsTokenizer && name.startsWith("vqvae."));
    const shrink = options.half && tensor.dtype === "F32" && !exact;
    stored.set(name, shrink ? { ...tensor, dtype: "F16" } : tensor);
  }
  await files.makeDirectory(folder);
  const bytes = encodeSafetensors(stored, { format: weightsFormat });
  await files.write(`${folder}/${weightsName}`, bytes);
  const { tokenizer } = model;
  const config = publishedConfig(model.config);
  const described = {
    weights: { file: weightsName, bytes: bytes.length, sha256: await sha256(bytes) },
    config,
    tokenizer: tokenizer.toJSON(),
  } as unknown as JsonRecord;
  const record = {
    format,
    sha256: await modelHash(described),
    ...(options.about ? { about: options.about } : {}),
    ...described,
  };
  await files.write(`${folder}/${configName}`, toJson(record));
}

/** The settings without the paths of this machine's folders: the last name of each stays. */
function publishedConfig(config: Config): Config {
  const { section, weights } = imageTokenizers.get(config.imageTokenizer);
  const { data, decoder } = config;
  const published = {
    ...config,
    data: { ...data, folder: lastName(data.folder), vocabulary: lastName(data.vocabulary) },
    decoder: { ...decoder, clipWeights: lastName(decoder.clipWeights) },
  };
  if (!weights) return published;
  const own = (config as unknown as Record<string, Record<string, string>>)[section]!;
  return { ...published, [section]: { ...own, [weights.folder]: lastName(own[weights.folder]!) } };
}

/** Reads the settings that `save` wrote, without a device, to compare them with others. Throws as `fromFolder` does. */
export async function settingsIn(files: FolderFiles, folder: string): Promise<Config> {
  const path = `${folder}/${configName}`;
  await checkFolder(files, folder);
  return (await parseModel(await files.readText(path), path)).config;
}

async function checkFolder(files: FolderFiles, folder: string): Promise<void> {
  for (const name of [configName, weightsName]) {
    if (await files.exists(`${folder}/${name}`)) continue;
    throw new UserError(
      `${folder} holds no captioner: it needs config.json and model.safetensors, as a finished run's weights/ has`,
    );
  }
}

/** Reads a captioner that `saveModel` wrote. Throws a `UserError` that names the file if something is missing or does not fit. */
export async function readFolder(files: FolderFiles, folder: string): Promise<StoredCaptioner> {
  const configPath = `${folder}/${configName}`;
  const weightsPath = `${folder}/${weightsName}`;
  await checkFolder(files, folder);
  const model = await parseModel(await files.readText(configPath), configPath);
  const bytes = await files.read(weightsPath);
  const { expected } = model;
  if (expected && (bytes.length !== expected.bytes || (await sha256(bytes)) !== expected.sha256)) {
    throw new UserError(
      `${weightsPath} is damaged or of another version: it is not the file whose SHA-256 ${configPath} names`,
    );
  }
  return { ...model, bytes, name: weightsPath };
}

/**
 * Downloads the settings of a captioner that `saveModel` wrote from the web address of its folder; `weights` downloads the rest.
 * The weights are verified against the hash in config.json and kept in Cache Storage where available. Throws a `UserError` that
 * names the address if something does not fit.
 */
export async function downloadFolder(
  url: string | URL,
  { signal, onProgress, cache }: DownloadOptions,
): Promise<StoredModel & { weights(): Promise<StoredCaptioner> }> {
  signal?.throwIfAborted();
  const folder = webAddress(url);
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  const address = (name: string) => {
    const file = new URL(name, folder);
    file.search = folder.search;
    return file.href;
  };
  const model = await parseModel(await downloadText(address(configName), signal), address(configName));
  const { expected } = model;
  const name = address(weightsName);
  return {
    ...model,
    async weights() {
      const bytes = await download(name, { signal, onProgress, expected, cache });
      signal?.throwIfAborted();
      return { ...model, bytes, name };
    },
  };
}

/** A new captioner with the weights of a stored one, which `weights` gets; it is disposed of if they do not come. */
export async function assemble<M extends CaptionModel>(
  Model: new (gpu: Gpu, config: Config, tokenizer: Tokenizer, options: { initialise: boolean }) => M,
  { gpu, stored, precision }: { gpu: Gpu; stored: StoredModel; precision: Precision | undefined },
  weights: (model: M) => Promise<StoredCaptioner>,
): Promise<M> {
  const config = settingsFor(gpu, stored, precision);
  // The file sets every parameter, and random initialisation would take longer than reading it.
  const model = new Model(gpu, config, stored.tokenizer, { initialise: false });
  try {
    fillModel(model, await weights(model));
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** Settings of a stored captioner on this adapter: float16 only where available, unless `precision` sets it. */
function settingsFor(gpu: Gpu, { config }: StoredModel, precision?: Precision): Config {
  config.decoder.precision = precision ?? (gpu.has("shader-f16") ? config.decoder.precision : "float32");
  return config;
}

/** Sets the weights of a model's networks from the bytes of the file. */
export function fillModel(model: CaptionModel, { bytes, name }: StoredCaptioner): void {
  const { tensors } = decodeSafetensors(bytes, name);
  loadWeights(model.imageTokenizer, tensors, name, "vqvae.");
  loadWeights(model.decoder, tensors, name, "decoder.");
  model.unset.clear();
}

/** Contents of config.json. */
export interface StoredModel {
  config: Config;
  tokenizer: Tokenizer;
  /** Hash and size of the weights file; undefined in files that predate the hash. */
  expected: { sha256: string; bytes: number } | undefined;
}

async function parseModel(text: string, name: string): Promise<StoredModel> {
  const record = parseJsonRecord(text, name);
  if (!readFormats.includes(record.format)) {
    throw new UserError(
      `${name} has format ${shown(String(JSON.stringify(record.format)))}, this version reads ${readFormats.map((known) => `"${known}"`).join(" and ")}`,
    );
  }
  // Files that predate the hash have none.
  if (record.sha256 !== undefined && record.sha256 !== (await modelHash(record))) {
    throw new UserError(
      `${name} is damaged or was changed: its "sha256" is not that of its config, tokenizer and weights; save the captioner again (or, if you changed it on purpose, remove "sha256")`,
    );
  }
  const { config: settings, weights } = record;
  const lacking = configSections.find((section) => !isRecord(settings) || !isRecord(settings[section]));
  if (lacking !== undefined) throw new UserError(`${name}: "config" lacks the section "${lacking}"`);
  const config = resolveConfig({ file: { name, text: JSON.stringify(settings) } });
  const tokenizer = await tokenizerFromJSON(record.tokenizer, name);
  if (weights === undefined) return { config, tokenizer, expected: undefined };
  const { bytes, sha256 } = isRecord(weights) ? weights : {};
  if (!Number.isSafeInteger(bytes) || typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new UserError(`${name}: "weights" should hold the bytes and the sha256 of ${weightsName}`);
  }
  return { config, tokenizer, expected: { bytes: bytes as number, sha256 } };
}

/** SHA-256 of everything that determines a model's captions: settings, words in order, hash of the weights. */
function modelHash({ config, tokenizer, weights }: JsonRecord): Promise<string> {
  return sha256(new TextEncoder().encode(JSON.stringify({ weights, config, tokenizer })));
}

/** Parses the web address of a folder. Throws a `UserError` for anything else, such as a folder's path in Node. */
function webAddress(url: string | URL): URL {
  const page = typeof location === "undefined" ? undefined : location.href;
  const address = URL.canParse(url, page) ? new URL(url, page) : null;
  if (address && ["http:", "https:", "blob:", "data:"].includes(address.protocol)) return address;
  throw new UserError(
    `${shown(String(url))} is not a web address; for a folder in Node, import Captioner from mc-diffusion/node`,
  );
}
