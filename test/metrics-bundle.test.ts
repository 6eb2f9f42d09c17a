/** The door mc-diffusion/metrics as a bundler sees it: no GPU, no Node, and no WordNet data. */

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import t from "tap";

const root = fileURLToPath(new URL("..", import.meta.url));

async function bundle(contents: string): Promise<{ inputs: string[]; size: number }> {
  const { outputFiles, metafile, warnings } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  t.same(warnings, [], "no warnings");
  return {
    inputs: Object.keys(metafile.inputs),
    size: gzipSync(outputFiles[0]!.contents, { level: 9 }).length,
  };
}

t.test("all of it runs in a page and is small", async (t) => {
  const { inputs, size } = await bundle('export * from "./dist/metrics.js";');
  t.same(
    inputs.filter(
      (path) => !/^(<stdin>|dist\/(metrics|text|platform)[./]|node_modules\/porter2\/)/.test(path),
    ),
    [],
    "metrics, text, errors and the stemmer",
  );
  t.comment(`${(size / 1000).toFixed(1)} kB gzip`);
  t.ok(size <= 25_000, `${size} bytes gzip, at most 25,000`);
});

t.test("a page that names BLEU carries neither METEOR nor the tuples", async (t) => {
  const { inputs, size } = await bundle('export { bleu } from "./dist/metrics.js";');
  t.comment(`${(size / 1000).toFixed(1)} kB gzip`);
  t.ok(size <= 5000, `${size} bytes gzip, at most 5000`);
  t.ok(inputs.length > 0);
});
