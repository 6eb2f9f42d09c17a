/** Modules of the compiled tests, made ready for a page. */
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { whole } from "../whole.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The page that loads all modules of a bundle, one after the other, so that their tests share a device. */
export const TOGETHER = "together.html";

/**
 * Bundles modules of the compiled tests for browsers, what they share in files of its own. Fails if one reaches a
 * module of Node. Returns the files to serve by path: `/engine/ops/rng.test.js` and a page for it,
 * `/engine/ops/rng.test.html`, and `TOGETHER`.
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
  for (const name of modules) files.set(`/${name.replace(/js$/, "html")}`, pageOf([name]));
  files.set(`/${TOGETHER}`, pageOf(modules));
  return files;
}

/** A page that runs modules in their order. Where there are several, `mcdModule` names the one that declares tests. */
function pageOf(modules: readonly string[]): string {
  const runs = modules.map((name) => {
    const named = modules.length > 1 ? `globalThis.mcdModule = ${JSON.stringify(name)}; ` : "";
    return `${named}await import("/${name}");`;
  });
  const script = `globalThis.mcdWhole = ${whole};\n${runs.join("\n")}\nglobalThis.mcdLoaded = true;`;
  return `<!doctype html><meta charset="utf-8"><title>${modules[0]}</title><script>globalThis.mcdLoaded = false;</script><script type="module">\n${script}\n</script>`;
}
