/** Frozen image tokenizers from their folders. */

import type { Gpu } from "../engine/gpu/gpu.js";
import { loadWeights } from "../engine/weights/weights.js";
import { UserError } from "../platform/errors.js";
import type { FolderFiles } from "../platform/platform.js";
import type { ImageTokenizer, ImageTokenizerKind } from "./image-tokenizer.js";
import { imageTokenizers } from "./registry.js";
import { readTokenizerWeights, type TokenizerFolder } from "./tokenizer-folder.js";

/** A size of pictures that every tokenizer can have: a multiple of the pixels of any code. */
const anySize = 2 ** 12;

/** The kind of a folder's tokenizer, and all of its settings. Throws a `UserError` for an unknown kind or setting. */
export function kindOfFolder({ folder, kind: name, settings }: TokenizerFolder): {
  kind: ImageTokenizerKind;
  settings: Record<string, unknown>;
} {
  const where = `${folder}/config.json`;
  const kind = imageTokenizers.get(name, where);
  const all: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries(kind.settings)) all[key] = settings[key] ?? spec.default;
  const unknown = Object.keys(settings).find((key) => !Object.hasOwn(kind.settings, key));
  if (unknown !== undefined) throw new UserError(`${where}: ${name} has no setting "${unknown}"`);
  return { kind, settings: all };
}

/** The tokenizer of a folder with its weights. Throws a `UserError` if they do not fit its settings. */
export async function loadTokenizer(
  gpu: Gpu,
  files: FolderFiles,
  found: TokenizerFolder,
): Promise<ImageTokenizer> {
  const { kind, settings } = kindOfFolder(found);
  const config = { data: { imageSize: found.imageSize ?? anySize }, [kind.section]: settings };
  const problem = kind.check?.(config);
  if (problem) throw new UserError(`${found.folder}/config.json: ${problem}`);
  const tokenizer = kind.create(gpu, config);
  try {
    const { tensors, path } = await readTokenizerWeights(files, found);
    loadWeights(tokenizer, tensors, path);
    return tokenizer;
  } catch (error) {
    tokenizer.dispose();
    throw error;
  }
}
