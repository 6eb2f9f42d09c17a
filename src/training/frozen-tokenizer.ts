/** Frozen image tokenizers of runs: their weights from the folder that the settings name, and a run's own map of codes. */

import { type Config, settingsOf } from "../config/config.js";
import { loadWeights } from "../engine/weights/weights.js";
import { kindOfFolder } from "../models/load-tokenizer.js";
import { imageTokenizers } from "../models/registry.js";
import {
  readTokenizerFolder,
  readTokenizerWeights,
  type TokenizerFolder,
} from "../models/tokenizer-folder.js";
import { UserError } from "../platform/errors.js";
import { parseJson } from "../platform/json.js";
import type { Files, Platform } from "../platform/platform.js";
import type { StageContext } from "./trainer.js";

const mapFile = "code-map.json";

/** The settings, as `--set` takes them, of a run with a folder's tokenizer. */
export function tokenizerSettings(found: TokenizerFolder, folder: string): string[] {
  const { kind } = kindOfFolder(found);
  const { section, weights } = kind;
  if (!weights)
    throw new UserError(
      `${found.folder} holds a ${kind.name}, which a run trains itself: it cannot be given`,
      2,
    );
  const own = { ...found.settings, [weights.folder]: folder, [weights.sha256]: found.weights.sha256 };
  return [
    `imageTokenizer=${kind.name}`,
    ...Object.entries(own).map(([key, value]) => `${section}.${key}=${value}`),
    ...(found.imageSize === null ? [] : [`data.imageSize=${found.imageSize}`]),
  ];
}

/** The section of a configuration's image tokenizer, with its kind. */
function sectionOf(config: Config) {
  const kind = imageTokenizers.get(config.imageTokenizer);
  return { kind, own: settingsOf(config, kind) as Record<string, unknown> };
}

/** An identifier of everything that the ids of a picture depend on beside its pixels: the same for the same tokenizer. */
export function tokenizerId(config: Config, hash: Platform["hash"]): Promise<string> {
  const { kind, own } = sectionOf(config);
  const { [kind.weights?.folder ?? ""]: _, ...settings } = own;
  return hash("sha-256", JSON.stringify([kind.name, settings, config.data.imageSize]));
}

/** A map of codes to the ids of those in use, and its number of ids. */
export interface RunCodeMap {
  readonly map: readonly number[];
  readonly ids: number;
}

/** The map to the codes that occur among `codes`. Throws a `UserError` if the tokenizer has none or is mapped already. */
export function codeMapOfRun(config: Config, occurring: Iterable<number>, codes: number): RunCodeMap {
  return mappable(config).mapOf(occurring, codes);
}

/** Throws a `UserError` if a run with these settings cannot have a map of codes of its own. */
export function mappable(config: Config) {
  const { kind, own } = sectionOf(config);
  const mapped = kind.weights?.codes;
  if (!mapped) throw new UserError(`imageTokenizer=${kind.name} has no codes to prune: give --tokenizer`, 2);
  if (own[mapped.ids] !== 0)
    throw new UserError(
      "the codes of this tokenizer are mapped to ids already: import it without --codes-from",
      2,
    );
  return mapped;
}

/** Sets the settings of a run's own map. */
export async function setCodeMap(
  config: Config,
  { map, ids }: RunCodeMap,
  hash: Platform["hash"],
): Promise<void> {
  const { own } = sectionOf(config);
  const mapped = mappable(config);
  own[mapped.ids] = ids;
  own[mapped.sha256] = await mapHash(map, hash);
}

const mapHash = (map: readonly number[], hash: Platform["hash"]) => hash("sha-256", JSON.stringify(map));

/** Writes a run's own map into its folder. */
export async function writeCodeMap(files: Files, run: string, { map }: RunCodeMap): Promise<void> {
  await files.write(`${run}/${mapFile}`, `${JSON.stringify({ fullToId: map })}\n`);
}

/** Reads the map of a run. Throws a `UserError` if it is not the one that the settings name. */
async function readCodeMap(
  { files, hash }: Pick<Platform, "files" | "hash">,
  run: string,
  expected: string,
): Promise<readonly number[]> {
  const path = `${run}/${mapFile}`;
  let map: unknown = null;
  try {
    map = (parseJson(await files.readText(path)) as { fullToId?: unknown } | null)?.fullToId;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const right = Array.isArray(map) && (await mapHash(map as number[], hash)) === expected;
  if (!right) throw new UserError(`${path} is damaged: it is not the map of codes that the run began with`);
  return map as number[];
}

/**
 * Sets the weights of a captioner's frozen image tokenizer: from the folder that its settings name, with `map` or the map of the
 * run; random ones if its kind has no folder. Throws a `UserError` if the folder's weights are not those that the run began with.
 */
export async function loadFrozenTokenizer({
  captioner,
  config,
  platform,
  run,
}: Pick<StageContext, "captioner" | "config" | "platform"> & {
  run: Pick<StageContext["run"], "path"> | null;
}): Promise<void> {
  const { imageTokenizer } = captioner;
  const { kind, own } = sectionOf(config);
  const { weights } = kind;
  if (!weights) {
    captioner.initialise([imageTokenizer]);
    return;
  }
  const folder = own[weights.folder] as string;
  if (folder === "")
    throw new UserError(
      `imageTokenizer=${kind.name} needs ${kind.section}.${weights.folder}, the folder of its weights: give --tokenizer`,
      2,
    );
  const found = await readTokenizerFolder(platform.files, folder);
  if (found.weights.sha256 !== own[weights.sha256])
    throw new UserError(
      `${folder} holds another image tokenizer than the settings name: their SHA-256 differ; name the right one with --tokenizer`,
    );
  const { tensors, path } = await readTokenizerWeights(platform.files, found);
  const expected = weights.codes && (own[weights.codes.sha256] as string);
  if (expected) weights.codes!.apply(await readCodeMap(platform, run!.path, expected), tensors);
  loadWeights(imageTokenizer, tensors, path);
  captioner.unset.delete(imageTokenizer);
}
