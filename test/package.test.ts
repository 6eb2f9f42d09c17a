/** What a page loads of the package; test/package/ has the packed file in projects of users. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";
import t from "tap";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Most bytes that a page downloads before it asks for anything: what is loaded when it is named is not among them. */
const budgets = { "engine/index.js": 60_000, "index.js": 120_000 };

for (const [entry, budget] of Object.entries(budgets)) {
  t.test(`${entry} for browsers`, async (t) => {
    const { outputFiles, metafile, warnings } = await build({
      entryPoints: [join(root, "dist", entry)],
      bundle: true,
      splitting: true,
      outdir: "out",
      absWorkingDir: root,
      minify: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      write: false,
      metafile: true,
      logLevel: "silent",
    });
    t.same(warnings, [], "no warnings");
    const first = loadedWith(metafile, "out/index.js");
    const inputs = first.flatMap((path) => Object.keys(metafile.outputs[path]!.inputs));
    t.ok(inputs.length > 30);
    t.same(
      inputs.filter((path) => path.startsWith("node:") || path.includes("node_modules")),
      [],
      "nothing of Node, no package",
    );
    t.same(
      inputs.filter((path) => path.includes("/text/clip/")),
      [],
      "CLIP's tokenizer only when a captioner has it",
    );
    const paths = new Set(first.map((path) => join(root, path)));
    const files = outputFiles.filter(({ path }) => paths.has(path));
    t.equal(files.length, first.length);
    const size = files.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0);
    t.comment(`${entry}: ${(size / 1000).toFixed(1)} kB gzip`);
    t.ok(size <= budget, `${size} bytes gzip, at most ${budget}`);
  });
}

/** The output files that a page loads with one of them: it and what it imports, but not what it imports later. */
function loadedWith({ outputs }: Metafile, path: string): string[] {
  const found = new Set([path]);
  for (const file of found)
    for (const { path: next, kind } of outputs[file]!.imports)
      if (kind === "import-statement") found.add(next);
  return [...found];
}
