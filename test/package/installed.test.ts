/** The packed file in projects of users: Node, CommonJS, Deno, Bun, pages, the command, and the programs of the documents. */

import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import sharp from "sharp";
import t, { type Test } from "tap";
import { serve } from "../browser/server.js";
import { bunProgram, denoProgram } from "../runtimes/processes.js";
import { documentPrograms } from "./documents.js";
import { resultOf } from "./pages.js";
import { commonJsProgram, moduleProgram, page, pageProgram, type Result } from "./programs.js";
import { type Outcome, pack, photo, project, root, run } from "./project.js";

// Software adapters compile some kernels for seconds.
t.setTimeout(1_100_000);

const packed = pack();
/** Without sharp: PNG needs none. */
const folder = project(packed, ["webgpu", "@sparticuz/chromium"]);
copyFileSync(photo, join(folder, "picture.png"));
writeFileSync(join(folder, "caption.mjs"), moduleProgram);
writeFileSync(join(folder, "caption.cjs"), commonJsProgram);
const command = "node_modules/mc-diffusion/dist/mc-diffusion.js";

function resultIn(t: Test, { code, out, err }: Outcome): Result | null {
  t.equal(code, 0, code === 0 ? "runs" : err);
  return code === 0 ? (JSON.parse(out) as Result) : null;
}

/** The caption that the other programs have to give on the same adapter. */
let expected: Result | null = null;

t.test("a module in Node", async (t) => {
  expected = resultIn(t, await run(process.execPath, ["caption.mjs"], folder));
  t.match(expected?.text, /waving/);
});

t.test("CommonJS in Node", async (t) => {
  t.same(resultIn(t, await run(process.execPath, ["caption.cjs"], folder)), expected);
});

t.test("the command", async (t) => {
  const args = [command, "caption", "picture.png", "--json", "--seed", "1", "--steps", "8"];
  const { code, out, err } = await run(process.execPath, args, folder);
  t.equal(code, 0, code === 0 ? "runs" : err);
  const { caption, tokens } = JSON.parse(out) as { caption: string; tokens: number[] };
  t.same({ text: caption, tokens }, expected);
  const help = await run(process.execPath, [command, "caption", "--help"], folder);
  t.match(help.out, /^Usage: npx mc-diffusion caption /);
  const all = await run(process.execPath, [command, "--help"], folder);
  t.equal(all.code, 0);
  for (const name of all.out.matchAll(/^ {2}([\w-]+) {2,}\w+s /gm))
    t.ok(existsSync(join(folder, `node_modules/mc-diffusion/dist/${name[1]}.js`)), `${name[1]} is there`);
  const { version } = packed.manifest;
  t.equal((await run(process.execPath, [command, "--version"], folder)).out, `${version}\n`);
  const wrong = await run(process.execPath, [command, "capton"], folder);
  t.equal(wrong.code, 2);
  t.match(wrong.err, /There is no command capton \(did you mean caption\?\); choose caption, train/);
  t.equal((await run(process.execPath, [command], folder)).code, 2, "a command is needed");
});

t.test("a picture that is scaled, without sharp", async (t) => {
  await sharp(photo)
    .resize(200, 150, { kernel: "nearest" })
    .png({ progressive: true })
    .toFile(join(folder, "large.png"));
  const { code, out, err } = await run(process.execPath, [command, "caption", "large.png"], folder);
  t.equal(code, 0, code === 0 ? "runs" : err);
  t.match(out, /\w/);
});

t.test("what is missing is named", async (t) => {
  await sharp(photo).jpeg().toFile(join(folder, "photo.jpg"));
  const jpeg = await run(process.execPath, [command, "caption", "photo.jpg"], folder);
  t.equal(jpeg.code, 1);
  t.match(
    jpeg.err,
    /^error: photo\.jpg: reading JPEG images in Node needs the npm package sharp: npm install sharp$/m,
  );
  const bare = project(packed, []);
  copyFileSync(photo, join(bare, "picture.png"));
  const { code, err } = await run(process.execPath, [command, "caption", "picture.png"], bare);
  t.equal(code, 1);
  t.equal(
    err,
    "error: Computing in Node needs the npm package webgpu: npm install webgpu (with npx: npx -p mc-diffusion -p webgpu mc-diffusion caption photo.png).\n",
  );
});

for (const [name, program] of Object.entries({ Deno: denoProgram(), Bun: bunProgram() })) {
  if ("missing" in program) {
    t.test(`a module in ${name}`, { skip: program.missing }, () => {});
    continue;
  }
  t.test(`a module in ${name}`, async (t) => {
    const flags = name === "Deno" ? ["run", "-A", "--node-modules-dir=manual"] : [];
    t.same(resultIn(t, await run(program.path, [...flags, "caption.mjs"], folder)), expected);
  });
}

t.test("pages", async (t) => {
  const swiftShader = { MCD_ADAPTER: "swiftshader" };
  const inNode = resultIn(t, await run(process.execPath, ["caption.mjs"], folder, swiftShader));
  const bundled = await build({
    stdin: { contents: pageProgram("mc-diffusion"), resolveDir: folder },
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    logLevel: "silent",
  });
  t.same(bundled.warnings, [], "esbuild bundles a program for a page without warnings");
  const ready = pageProgram("./node_modules/mc-diffusion/dist/browser/mc-diffusion.js");
  const site = await serve({
    folder,
    files: new Map<string, string | Uint8Array>([
      ["/module.html", page(`<script type="module">${ready}</script>`)],
      ["/bundle.html", page('<script type="module" src="bundle.js"></script>')],
      ["/bundle.js", bundled.outputFiles[0]!.contents],
    ]),
  });
  t.teardown(() => site.close());
  for (const [name, about] of [
    ["module", 'by <script type="module">'],
    ["bundle", "bundled by esbuild"],
  ]) {
    await t.test(about!, async (t) => {
      t.same(await resultOf(t, `${site.url}/${name}.html`), inNode, "the same caption as in Node");
    });
  }
});

t.test("programs carry as little of it as of the sources", async (t) => {
  const bytes = async (specifier: string, resolveDir: string) => {
    const { outputFiles } = await build({
      stdin: { contents: `export { Linear, AdamW, mse } from "${specifier}";`, resolveDir },
      ...{ bundle: true, minify: true, format: "esm", target: "es2022", write: false, logLevel: "silent" },
    });
    return gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
  };
  const [own, source] = [await bytes("mc-diffusion/nn", folder), await bytes("./dist/nn.js", root)];
  t.ok(own <= source * 1.01, `${own} bytes gzip, of the sources ${source}`);
});

t.test("programs of the documents", async (t) => {
  copyFileSync(photo, join(folder, "photo.png"));
  for (const { name, code, check } of documentPrograms()) {
    const file = join(folder, `${name}.mjs`);
    writeFileSync(file, code);
    const outcome = await run(process.execPath, [file], folder);
    t.equal(outcome.code, 0, outcome.code === 0 ? `${name} runs` : outcome.err);
    t.ok(check(outcome.out), `${name} prints ${outcome.out.trim()}`);
  }
  t.ok(readFileSync(join(root, "README.md"), "utf8").includes("npm install mc-diffusion"));
});
