/** Which tests run outside of Node. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Tests written with the harness that need Node, and what of it. */
const NODE_ONLY: Readonly<Record<string, string>> = {
  "diffusion/head-loss-paper.test.js": "Dawn's null backend",
  "engine/gpu/kernel-lines.test.js": "the files of shaders/",
  "models/clip/towers.test.js": "vectors on disk",
  "models/vqgan/vqgan.test.js": "vectors on disk",
  "training/budget.test.js": "Dawn's null backend",
  "training/judge/judge.test.js": "the art of scenes on disk",
  "training/resume.test.js": "run folders on disk",
  "training/settings.test.js": "folders of pictures on disk",
};

/** The test files that run in a page: all that are written with the harness and not listed above. By their paths in `test/`. */
export function testFiles(): string[] {
  const root = fileURLToPath(new URL("..", import.meta.url));
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js") && !(name in NODE_ONLY))
    .filter((name) =>
      /import \{[^}]*\btest\b[^}]*\} from "(?:\.\.?\/)+harness\.js"/.test(
        readFileSync(join(root, name), "utf8"),
      ),
    )
    .sort();
}
