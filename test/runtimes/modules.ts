/** What the short form runs: every op, one training, one caption. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { shippedWeights } from "../../dist/platform/node.js";

/** Compiled test files by their paths in `test/`. */
export const modules: readonly string[] = [
  "engine/ops/views.test.js",
  "engine/ops/more-views.test.js",
  "training/step.test.js",
  "runtimes/caption.js",
];

/** The files that they fetch, by path: the shipped weights. */
export async function served(): Promise<Map<string, Uint8Array>> {
  const names = ["config.json", "model.safetensors"];
  const files = names.map(
    async (name) => [`/weights/emoji/${name}`, await readFile(join(shippedWeights(), name))] as const,
  );
  return new Map(await Promise.all(files));
}
