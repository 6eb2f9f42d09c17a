/** The compiled tests of kernels and models as modules for a page. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Tests written with the harness that need Node, and what of it. */
const NODE_ONLY: Readonly<Record<string, string>> = {
  "ops/head-loss-paper.test.js": "Dawn's null backend",
  "training/budget.test.js": "Dawn's null backend",
  "training/resume.test.js": "run folders on disk",
};

/** The test files that run in a page: all that are written with the harness and not listed above. By their paths in `test/`. */
export function pageTests(): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js") && !(name in NODE_ONLY))
    .filter((name) => /from "\.\.?\/harness\.js"/.test(readFileSync(join(root, name), "utf8")))
    .sort();
}

/**
 * Bundles modules of the compiled tests for browsers, what they share in files of its own. Fails if one reaches a
 * module of Node. Returns the files to serve by path: `/ops/rng.test.js` and a page for it, `/ops/rng.test.html`.
 */
export async function bundle(modules: readonly string[]): Promise<Map<string, string | Uint8Array>> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: modules.map((name) => join(root, name)),
    outbase: root,
    outdir: "/",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "silent",
  });
  const files = new Map<string, string | Uint8Array>();
  for (const { path, contents } of outputFiles) files.set(`/${relative("/", path)}`, contents);
  for (const name of modules) {
    files.set(
      `/${name.replace(/js$/, "html")}`,
      `<!doctype html><meta charset="utf-8"><title>${name}</title><script type="module" src="/${name}"></script>`,
    );
  }
  return files;
}
