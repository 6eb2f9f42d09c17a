/** The data set that weights were trained on, for commands that score them. */

import { join } from "node:path";
import type { Config } from "../config/config.js";
import { dataSource, isBuiltIn } from "../data/layouts.js";
import { UserError } from "../platform/errors.js";
import { parseJsonRecord } from "../platform/json.js";
import { absolutePath, nodePlatform as platform } from "../platform/node.js";
import { lastName } from "../platform/path.js";

/**
 * The data set that --data names, else the one that the weights were trained on. Weights hold only the name of a picture folder;
 * the run that contains the weights knows its path.
 */
export async function sourceOf(
  config: Config,
  weights: string,
  given: string | undefined,
): Promise<Partial<Config["data"]>> {
  if (given !== undefined) {
    const named = await dataSource(platform.files, given);
    // Another kind of data has no use for the splits and boxes of the trained one.
    return named.source === config.data.source ? named : { ...named, split: "", crop: false };
  }
  const { source, folder } = config.data;
  if (isBuiltIn(source)) return {};
  const known = await knownFolder(config, weights);
  if (known !== null) return { folder: known };
  throw new UserError(
    `the weights were trained on a folder "${folder}", and ${runConfig(weights)} does not say where it is; name it with --data`,
    2,
  );
}

/** The path of the trained data that the run around the weights knows; null if there is none. */
async function knownFolder({ data: { folder } }: Config, weights: string): Promise<string | null> {
  const path = runConfig(weights);
  if (!(await platform.files.exists(path))) return null;
  const { data } = parseJsonRecord(await platform.files.readText(path), path);
  const known = data !== null && typeof data === "object" && "folder" in data ? data.folder : null;
  return typeof known === "string" && lastName(known) === folder ? known : null;
}

function runConfig(weights: string): string {
  return join(weights, "..", "config.json");
}

/** Weights with their settings, named for messages. */
export interface NamedWeights {
  readonly weights: string;
  readonly config: Config;
}

/**
 * Throws a `UserError` if some weights were trained on other data than the first, or with other splits of them: their pictures
 * could be those that the others learned from.
 */
export async function checkSameData([first, ...others]: readonly NamedWeights[]): Promise<void> {
  const own = first!.config.data;
  const ownFolder = await knownFolder(first!.config, first!.weights);
  for (const { weights, config } of others) {
    const { data } = config;
    const folder = await knownFolder(config, weights);
    const elsewhere =
      ownFolder !== null && folder !== null && absolutePath(folder) !== absolutePath(ownFolder);
    if (data.source !== own.source || data.folder !== own.folder || elsewhere)
      throw new UserError(
        `${weights} was trained on ${described(data, folder)}, ${first!.weights} on ${described(own, ownFolder)}; name the data set to score with --data`,
        2,
      );
    if (data.split !== own.split || data.validation !== own.validation)
      throw new UserError(
        `${weights} and ${first!.weights} split ${described(own, ownFolder)} in different ways (data.split, data.validation); name the data set to score with --data`,
        2,
      );
  }
}

function described({ source, folder }: Config["data"], path: string | null): string {
  return source === "emoji" ? "emoji" : `${source}:${path ?? folder}`;
}
