/** The declaration files that users of the package need. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * The declaration files that the entries in `exports` import, the entries among them, with their texts. None refers to
 * @webgpu/types: TypeScript has WebGPU's types of its own from version 6 on, and both together contradict each other.
 *
 * @param {string} root folder that the paths are relative to
 * @param {Readonly<Record<string, unknown>>} exports of package.json
 * @returns {Map<string, string>} by path
 */
export function declarations(root, exports) {
  const found = new Map();
  const waiting = Object.values(exports).flatMap((entry) =>
    entry && typeof entry === "object" && "types" in entry ? [String(entry.types)] : [],
  );
  for (let path = waiting.pop(); path; path = waiting.pop()) {
    path = join(path);
    if (found.has(path)) continue;
    const text = readFileSync(join(root, path), "utf8");
    for (const [, relative] of text.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g))
      waiting.push(join(dirname(path), /** @type {string} */ (relative).replace(/\.js$/, ".d.ts")));
    found.set(path, text);
  }
  return found;
}
