/** Modules of the compiled tests, made ready for a page. */
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * Bundles modules of the compiled tests for browsers, what they share in files of its own. Fails if one reaches a
 * module of Node. Returns the files to serve by path: `/engine/ops/rng.test.js` and a page for it,
 * `/engine/ops/rng.test.html`.
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
      `<!doctype html><meta charset="utf-8"><title>${name}</title><script type="module">import "/${name}"; globalThis.mcdLoaded = true;</script>`,
    );
  }
  return files;
}
