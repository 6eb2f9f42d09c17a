/** The option `--data` of the commands. */

import type { Config } from "../config/config.js";
import { dataSource, isBuiltIn, layoutOf, layouts } from "../data/layouts.js";
import { absolutePath, nodePlatform as platform } from "../platform/node.js";

/** Its help text. */
export const dataHelp = `emoji; scenes; a folder with pictures and captions.jsonl, .csv or .txt; or NAME:FOLDER for a downloaded data set: ${layouts.map(({ name, about }) => `${name} (${about})`).join(", ")}`;

/** The settings, as of `--set`, for the value of `--data`. Throws a `UserError` for a layout that does not exist. */
export async function dataSettings(text: string): Promise<string[]> {
  const { source, folder } = await dataSource(platform.files, text);
  return isBuiltIn(source)
    ? [`data.source=${source}`]
    : [`data.source=${source}`, `data.folder=${absolutePath(folder)}`];
}

/** The settings with the path of `data.split`, if it is one, from the root, as a run may be resumed elsewhere. */
export async function withAbsoluteSplit(config: Config): Promise<Config> {
  const { source, split } = config.data;
  const layout = layoutOf(source);
  if (split === "" || !layout || layout.splits.includes(split)) return config;
  // A name that is neither is reported as it was typed.
  if (!(await platform.files.exists(split))) return config;
  return { ...config, data: { ...config.data, split: absolutePath(split) } };
}
