/** Files of weights on disk, in Node. */

import { crc32 } from "../platform/crc32.js";
import { nodePlatform } from "../platform/node.js";
import { nodeDisk } from "../platform/node-disk.js";
import { nativeCrc32, openZip } from "../platform/node-zip.js";
import { openWeights } from "./open.js";
import type { WeightFile } from "./weight-file.js";

/**
 * Opens a file of weights (.safetensors, .pt, .pth, .ckpt, .bin), an index of shards (`*.index.json`), or a folder with one of
 * both. See `WeightFile`; close it after use.
 */
export function openWeightFile(path: string): Promise<WeightFile> {
  return openWeights(path, {
    files: nodePlatform.files,
    disk: nodeDisk,
    openArchive: openZip,
    crc32: nativeCrc32 ?? crc32,
  });
}
