/** The map of codes to ids that a run makes for itself: from a file, or from its training pictures. Node only. */

import type { Config } from "../config/config.js";
import { settingsOf } from "../config/config.js";
import type { Dataset } from "../data/dataset.js";
import type { Gpu } from "../engine/gpu/gpu.js";
import { imageTokenizers } from "../models/registry.js";
import { idCount } from "../models/vqgan/code-map.js";
import { nodePlatform as platform } from "../platform/node.js";
import type { Tokenizer } from "../text/tokenizer.js";
import { trainingCodes } from "../training/decoder-stage.js";
import {
  codeMapOfRun,
  loadFrozenTokenizer,
  mappable,
  type RunCodeMap,
  setCodeMap,
} from "../training/frozen-tokenizer.js";
import { buildCaptioner, tryRun } from "../training/preflight.js";
import { readCodeMap } from "./code-map-file.js";
import { codeStoreFor, type DiskCodeStore } from "./code-store.js";
import { withProgress } from "./progress.js";
import { tell } from "./terminal.js";

/** A run's map, and the codes before it, from which ids follow without encoding again. */
export interface OwnCodeMap extends RunCodeMap {
  readonly base: { store: DiskCodeStore; map: readonly number[] } | null;
}

/** What a run is made from. */
interface Parts {
  config: Config;
  dataset: Dataset;
  tokenizer: Tokenizer;
}

/** Makes the map that the options ask for and puts it into the settings; null if they ask for none. */
export async function ownCodeMap(
  gpu: Gpu,
  parts: Parts,
  options: { codesFrom?: string; pruneCodes?: boolean; quiet?: boolean },
): Promise<OwnCodeMap | null> {
  const { codesFrom, pruneCodes, quiet } = options;
  const { config } = parts;
  if (codesFrom === undefined && !pruneCodes) return null;
  mappable(config);
  let made: OwnCodeMap;
  if (codesFrom !== undefined) {
    const { codes } = settingsOf(config, imageTokenizers.get(config.imageTokenizer)) as { codes: number };
    const map = await readCodeMap(codesFrom, codes);
    made = { map, ids: idCount(map), base: null };
  } else made = await counted(gpu, parts, quiet);
  await setCodeMap(config, made, platform.hash);
  if (!quiet)
    tell(`codes:   ${made.ids - 1} of ${made.map.length} in use: ids 1 to ${made.ids - 1}, all others id 0`);
  return made;
}

/** The map to the codes of the training pictures and of the variants that the decoder sees. */
async function counted(
  gpu: Gpu,
  { config, dataset, tokenizer }: Parts,
  quiet?: boolean,
): Promise<OwnCodeMap> {
  const captioner = buildCaptioner(gpu, config, tokenizer, { initialise: false });
  try {
    // Encoding may take hours: settings that cannot be trained are found before.
    tryRun(captioner);
    await loadFrozenTokenizer({ captioner, config, platform, run: null });
    const store = await codeStoreFor(captioner, config);
    captioner.codeStore = store;
    const work = {
      label: "codes",
      total: dataset.splits.train!.length,
      unit: "pictures",
      quiet: quiet ?? false,
    };
    const codes = await withProgress(work, (progress) =>
      trainingCodes({ captioner, dataset, config }, (done) => progress.update(done)),
    );
    const made = codeMapOfRun(config, codes, captioner.imageTokenizer.codeCount);
    return { ...made, base: store && { store, map: made.map } };
  } finally {
    captioner.dispose();
  }
}
