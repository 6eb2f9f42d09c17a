/** The package as others get it: what a page loads, and the tarball in an empty project. */

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { PNG } from "pngjs";
import t from "tap";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);
// Software adapters compile some kernels for seconds.
t.setTimeout(600_000);

/** Most bytes that a page downloads. */
const budgets = { "engine.js": 60_000, "index.js": 120_000 };

for (const [entry, budget] of Object.entries(budgets)) {
  t.test(`${entry} for browsers`, async (t) => {
    const { outputFiles, metafile, warnings } = await build({
      entryPoints: [join(root, "dist", entry)],
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
    const inputs = Object.values(metafile.inputs).flatMap(({ imports }) => imports.map(({ path }) => path));
    t.same(
      inputs.filter((path) => path.startsWith("node:") || path.includes("node_modules")),
      [],
      "nothing of Node, no package",
    );
    const size = gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
    t.comment(`${entry}: ${(size / 1000).toFixed(1)} kB gzip`);
    t.ok(size <= budget, `${size} bytes gzip, at most ${budget}`);
  });
}

const program = `
import { readFile } from "node:fs/promises";
import { Captioner, Gpu } from "mc-diffusion";
import { nodePlatform, openNodeDevice, shippedWeights } from "mc-diffusion/node";
import { fromArray } from "mc-diffusion/engine";

const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);
const captioner = await Captioner.fromFolder(gpu, nodePlatform.files, shippedWeights());
const { imageSize } = captioner.config.data;
const picture = await nodePlatform.images.decode(await readFile("disc.png"), imageSize, "contain");
const { text, tokens } = await captioner.caption(picture, { steps: 3 });
console.log(JSON.stringify({ text, tokens, engine: typeof fromArray }));
captioner.dispose();
gpu.dispose();
`;

t.test("the tarball captions a picture in an empty project", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "package-"));
  t.teardown(() => rm(folder, { recursive: true }));
  await run("npm", ["run", "-s", "bundle"], { cwd: root });
  const packed = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    cwd: root,
    maxBuffer: 1 << 26,
  });
  const [{ filename, files }] = JSON.parse(packed.stdout) as [
    { filename: string; files: { path: string }[] },
  ];
  const paths = new Set(files.map(({ path }) => path));
  await run("tar", ["-xzf", join(folder, filename), "-C", folder]);
  const modules = join(folder, "project", "node_modules");
  await mkdir(modules, { recursive: true });
  await run("mv", [join(folder, "package"), join(modules, "mc-diffusion")]);
  const { exports, dependencies } = JSON.parse(
    await readFile(join(modules, "mc-diffusion", "package.json"), "utf8"),
  ) as {
    exports: Record<string, string | Record<string, string>>;
    dependencies: Record<string, string>;
  };
  const targets = Object.values(exports).flatMap((entry) =>
    typeof entry === "string" ? [] : Object.values(entry),
  );
  t.same(
    targets.filter((path) => !paths.has(path.replace(/^\.\//, ""))),
    [],
    "everything that exports names is in it",
  );
  // What npm would install beside it; SwiftShader for machines without any other adapter.
  for (const name of [...Object.keys(dependencies), "@sparticuz/chromium"]) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, "node_modules", name), join(modules, name));
  }
  const project = join(folder, "project");
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(join(project, "caption.js"), program);
  const png = new PNG({ width: 40, height: 40 });
  png.data.fill(200);
  await writeFile(join(project, "disc.png"), PNG.sync.write(png));
  const { stdout } = await run(process.execPath, ["caption.js"], { cwd: project });
  const result = JSON.parse(stdout) as { text: string; tokens: number[]; engine: string };
  t.ok(result.tokens.length > 0 && result.tokens.every(Number.isInteger), `a caption: "${result.text}"`);
  t.equal(result.engine, "function", "the engine is an entry of its own");
});
