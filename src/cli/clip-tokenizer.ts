/** The tokenizer of a CLIP in a folder. */

import type { ClipOptions } from "../models/clip/clip.js";

/** `Clip`'s option `tokenize` for a folder; nothing if it holds no merges. */
export async function clipTokenizer(_folder: string): Promise<ClipOptions> {
  return {};
}
