/** Builds the page into a folder that any web server can serve. */

import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { marked } from "marked";
import { loadDataset } from "../dist/cli.js";
import { resolveConfig } from "../dist/index.js";
import { nodePlatform, shippedWeights } from "../dist/node.js";
import { writeDataset } from "../dist/training.js";
import { gallery } from "./gallery.js";
import { writeScenes } from "./scenes.js";

/** @param {string} name */
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** The output folder of `npm run web`. */
export const siteFolder = here("dist");

/**
 * Files below a folder, by their paths from `root`, with "/".
 * @param {string} folder
 */
const filesBelow = async (folder, root = folder) =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));

/**
 * Builds the service worker that keeps the page for offline visits. The first visit stores every file except source maps,
 * weights, training pictures, the page's own source code and the check of the GPU.
 * @param {string} folder
 */
async function buildServiceWorker(folder) {
  const files = (await filesBelow(folder))
    .filter((file) => !/\.map$|\.safetensors$|^(data|check|source)\//.test(file))
    .sort();
  const version = createHash("sha256");
  for (const file of files) version.update(file).update(await readFile(join(folder, file)));
  await build({
    entryPoints: { "service-worker": here("src/service-worker.ts") },
    outdir: folder,
    bundle: true,
    format: "iife",
    target: "es2022",
    minify: true,
    logLevel: "warning",
    define: {
      FILES: JSON.stringify(["./", ...files]),
      VERSION: JSON.stringify(version.digest("hex").slice(0, 16)),
    },
  });
}

/** Test modules that no page may run: its security policy forbids programs made of text. */
const notInPages = /^programs\//;

/**
 * Builds the check of the GPU: its worker with the tests that it runs, which are compiled already, and the files that they read. A bundle
 * of its own, so that what it shares with the page does not cut the page's files smaller.
 * @param {string} folder
 */
async function buildCheck(folder) {
  const tests = here("../dist-test");
  /** @type {{ testFiles(): string[] }} */
  const { testFiles } = await import(`${tests}/browser/test-files.js`);
  const modules = testFiles().filter((name) => !notInPages.test(name));
  await build({
    absWorkingDir: tests,
    entryPoints: ["gpu-check/worker.js", ...modules],
    outbase: tests,
    outdir: folder,
    bundle: true,
    splitting: true,
    chunkNames: "parts/[name]-[hash]",
    format: "esm",
    platform: "browser",
    target: "es2022",
    minifyWhitespace: true,
    logLevel: "warning",
  });
  await writeFile(join(folder, "modules.json"), JSON.stringify(modules));
  const files = ["shaders/common/fma.wgsl", "kernels-bench/copy.wgsl", "test/gpu-check/quick-losses.json"];
  for (const file of files) await copyFile(here(`../${file}`), join(folder, basename(file)));
}

/**
 * A page of text in the style of the demo page. `root` leads from it to the site's folder.
 * @param {string} title
 * @param {string} body
 */
const textPage = (title, body, root = "") => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${root}icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${root}style.css">
</head>
<body class="text">
<p><a href="${root}index.html">Back to the page</a></p>
<main>
${body}</main>
</body>
</html>
`;

/**
 * Writes the model card as a page, with its pictures. Links to other files of the repository become text.
 * @param {string} folder
 */
async function writeModelCard(folder) {
  const markdown = await readFile(join(shippedWeights(), "README.md"), "utf8");
  const html = (await marked.parse(markdown.replace(/<!--.*?-->/g, "")))
    .replace(/src="(?!https?:)/g, 'src="weights/emoji/')
    .replaceAll("<table>", '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>')
    .replaceAll("</table>", "</table></div>")
    .replace(/<a href="(?!https?:)[^"]*">(.*?)<\/a>/g, "$1");
  await writeFile(join(folder, "model-card.html"), textPage("Model card: the shipped captioner", html));
  for (const name of ["samples.png", "curves.svg"])
    await copyFile(join(shippedWeights(), name), join(folder, "weights/emoji", name));
}

/** Folders of the repository that the page is built from. */
const sources = ["src", "shaders", "web/src"];

/**
 * Copies the source code that the page is built from, with a list of its files.
 * @param {string} folder
 */
async function writeSources(folder) {
  const root = here("..");
  const listed = [];
  for (const part of sources) {
    const files = (await filesBelow(join(root, part), root)).filter(
      (file) => /\.(ts|wgsl|mjs)$/.test(file) && !/\.generated\.[^/]*$/.test(file),
    );
    listed.push(...files.sort());
  }
  for (const file of ["LICENSE", ...listed]) {
    // As text: browsers show it, whatever the server makes of its ending.
    const target = join(folder, "source", `${file}.txt`);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(join(root, file), target);
  }
  const items = ["LICENSE", ...listed].map((file) => `<li><a href="${file}.txt">${file}</a></li>`);
  const body = `<h1>Source code</h1>
<p>The TypeScript and WGSL that this page is built from, under the MIT licence. Kernels are in <code>shaders/</code>, the engine in <code>src/engine/</code>, the page in <code>web/src/</code>.</p>
<ul>
${items.join("\n")}
</ul>
`;
  await writeFile(join(folder, "source/index.html"), textPage("Source code of the page", body, "../"));
}

/**
 * Builds pages, styles, program, gallery, the shipped weights, the training pictures and what scenes are composed of. Replaces the folder only once everything
 * is built.
 * @param {string} folder
 */
export async function buildSite(folder) {
  const unfinished = `${folder}.unfinished-${process.pid}`;
  try {
    await mkdir(join(unfinished, "gallery"), { recursive: true });
    await mkdir(join(unfinished, "weights/emoji"), { recursive: true });
    await build({
      entryPoints: {
        main: here("src/main.ts"),
        embed: here("src/embed.ts"),
        "train-worker": here("src/train/worker.ts"),
        "kernels-worker": here("src/kernels/worker.ts"),
      },
      loader: { ".wgsl": "text" },
      outdir: unfinished,
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      minify: true,
      sourcemap: true,
      logLevel: "warning",
    });
    for (const name of ["index.html", "embed.html", "style.css", "icon.svg"])
      await copyFile(here(name), join(unfinished, name));
    for (const name of ["config.json", "model.safetensors"]) {
      await copyFile(join(shippedWeights(), name), join(unfinished, "weights/emoji", name));
    }
    await writeModelCard(unfinished);
    await writeSources(unfinished);
    // The same 512 pictures in the image sizes of the presets quick and emoji.
    for (const imageSize of [32, 64]) {
      const { data } = resolveConfig({ preset: "quick", set: [`data.imageSize=${imageSize}`] });
      const dataset = await loadDataset(data, true);
      await writeDataset(nodePlatform, join(unfinished, `data/emoji-${imageSize}`), dataset);
    }
    await writeScenes(unfinished);
    for (const [name, content] of await gallery())
      await writeFile(join(unfinished, "gallery", name), content);
    await buildCheck(join(unfinished, "check"));
    await buildServiceWorker(unfinished);
    await rm(folder, { recursive: true, force: true });
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
