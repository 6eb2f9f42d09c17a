/** Bundles for pages without a bundler: `node packing/bundle.mjs [folder]`; default dist/browser. Parts that are loaded when they are named lie in `parts/`. */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** @param {string} folder is emptied first: parts of other builds have other names */
export async function bundle(folder) {
  await rm(folder, { recursive: true, force: true });
  // One build each: shared parts would make a page with one of them load several files.
  for (const [name, entry] of [
    ["engine", "engine/index.js"],
    ["mc-diffusion", "index.js"],
  ]) {
    await build({
      entryPoints: { [name]: join(root, "dist", entry) },
      bundle: true,
      splitting: true,
      chunkNames: "parts/[name]-[hash]",
      minify: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      outdir: folder,
      absWorkingDir: root,
      logLevel: "warning",
    });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await bundle(process.argv[2] ?? join(root, "dist/browser"));
