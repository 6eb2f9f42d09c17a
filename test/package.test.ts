/** The package as others get it: what a page loads, and the tarball in an empty project, in Node and in Chromium. */

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";
import sharp from "sharp";
import t, { type Test } from "tap";
import { sharedBrowser } from "./browser/chromium.js";
import { openPage } from "./browser/launch.js";
import { serve } from "./browser/server.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);
// Software adapters compile some kernels for seconds.
t.setTimeout(600_000);

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

/** Packs the project and unpacks it, as npm would, in an empty project below `folder`. Returns the project's folder. */
async function install(t: Test, folder: string): Promise<string> {
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
  const project = join(folder, "project");
  const modules = join(project, "node_modules");
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
  await writeFile(join(project, "package.json"), JSON.stringify({ type: "module" }));
  return project;
}

/** A drawing of the data set as a PNG of the model's own size, so that nobody has to scale it. */
async function emoji(name: string, size: number): Promise<Buffer> {
  const path = join(root, "node_modules/@iconify-json/noto/icons.json");
  const set = JSON.parse(await readFile(path, "utf8")) as {
    width: number;
    height: number;
    icons: Record<string, { body: string }>;
  };
  const box = `0 0 ${set.width} ${set.height}`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="${box}">${set.icons[name]!.body}</svg>`;
  return sharp(Buffer.from(svg)).resize(size, size).flatten({ background: "#fff" }).png().toBuffer();
}

interface Result {
  text: string;
  tokens: number[];
}

/** Few steps, for time; of these seeds 0 to 3 end in four captions. */
const options = JSON.stringify({ steps: 8, seed: 1 });

const nodeProgram = `
import { readFile } from "node:fs/promises";
import { Captioner, Gpu } from "mc-diffusion";
import { nodePlatform, openNodeDevice, shippedWeights } from "mc-diffusion/node";
import { fromArray } from "mc-diffusion/engine";

const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);
const captioner = await Captioner.fromFolder(gpu, nodePlatform.files, shippedWeights());
const { imageSize } = captioner.config.data;
const picture = await nodePlatform.images.decode(await readFile("picture.png"), imageSize, "contain");
const { text, tokens } = await captioner.caption(picture, ${options});
console.log(JSON.stringify({ text, tokens, engine: typeof fromArray }));
captioner.dispose();
gpu.dispose();
`;

/** What a page runs that has the captioner from `specifier`. */
const pageProgram = (specifier: string) => `
import { Captioner } from "${specifier}";

const captioner = await Captioner.load("/node_modules/mc-diffusion/weights/emoji");
const picture = document.querySelector("img");
await picture.decode();
const { text, tokens } = await captioner.caption(picture, ${options});
captioner.dispose();
document.querySelector("output").textContent = JSON.stringify({ text, tokens });
`;

const page = (script: string) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Captions</title>
<img src="picture.png" alt="">
<output></output>
${script}
</html>
`;

/** The page's result, or null as soon as it has complained. */
async function resultOf(t: Test, url: string): Promise<Result | null> {
  const { page, problems } = await openPage(await sharedBrowser(), url);
  try {
    const output = page.locator("output");
    let text = "";
    while (text === "" && problems.length === 0) {
      await page.waitForTimeout(200);
      text = (await output.textContent()) ?? "";
    }
    // The page has nothing left to do: what it complains of comes now.
    await page.waitForTimeout(500);
    t.same(problems, [], "no errors, warnings or uncaptured GPU errors in the page");
    return text === "" ? null : (JSON.parse(text) as Result);
  } finally {
    await page.close();
  }
}

t.test("the tarball captions a picture in an empty project", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "package-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const project = await install(t, folder);
  await writeFile(join(project, "picture.png"), await emoji("umbrella-with-rain-drops", 64));

  await writeFile(join(project, "caption.js"), nodeProgram);
  const { stdout } = await run(process.execPath, ["caption.js"], {
    cwd: project,
    // The adapter that Chromium has.
    env: { ...process.env, MCD_ADAPTER: "swiftshader" },
  });
  const { engine, ...expected } = JSON.parse(stdout) as Result & { engine: string };
  const { text, tokens } = expected;
  t.ok(tokens.length > 0 && tokens.every(Number.isInteger), `in Node, a caption: "${text}"`);
  t.equal(engine, "function", "the engine is an entry of its own");

  const bundled = await build({
    stdin: { contents: pageProgram("mc-diffusion"), resolveDir: project },
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    logLevel: "silent",
  });
  t.same(bundled.warnings, [], "esbuild bundles a program for a page without warnings");
  const ready = pageProgram("./node_modules/mc-diffusion/dist/browser/mc-diffusion.js");
  const site = await serve({
    folder: project,
    files: new Map<string, string | Uint8Array>([
      ["/module.html", page(`<script type="module">${ready}</script>`)],
      ["/bundle.html", page('<script type="module" src="bundle.js"></script>')],
      ["/bundle.js", bundled.outputFiles[0]!.contents],
    ]),
  });
  t.teardown(() => site.close());
  for (const [name, about] of [
    ["module", 'in a page, by <script type="module">'],
    ["bundle", "in a page, bundled by esbuild"],
  ]) {
    await t.test(about!, async (t) => {
      t.same(await resultOf(t, `${site.url}/${name}.html`), expected, "the same caption as in Node");
    });
  }
});
