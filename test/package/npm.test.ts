/** The packed file installed by npm from its registry, as users do: sizes, npx, a Vite project, TypeScript 5.9. `npm run test:package` runs it. */

import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { serve } from "../browser/server.js";
import { whole } from "../whole.js";
import { resultOf } from "./pages.js";
import { moduleProgram, page, pageProgram, type Result } from "./programs.js";
import { pack, photo, root, run, scratch } from "./project.js";

t.setTimeout(1_800_000);
const skip = whole ? false : "needs npm's registry: npm run test:package";
const packed = whole ? pack() : null;
const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  devDependencies: Record<string, string>;
};
const webgpu = `webgpu@${devDependencies.webgpu}`;

/** npm, with whatever adapter and cache this machine has. */
const npm = (args: readonly string[], folder: string) =>
  run("npm", ["--no-audit", "--no-fund", ...args], folder);

t.test("npm install: what is in node_modules, and a caption once webgpu is there", { skip }, async (t) => {
  const folder = scratch();
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  const { code, err } = await npm(["install", packed!.file], folder);
  t.equal(code, 0, err);
  const files = readdirSync(join(folder, "node_modules"), { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile(),
  );
  const bytes = files.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
  t.comment(`${(bytes / 1e6).toFixed(2)} MB in ${files.length} files`);
  t.ok(bytes <= 12e6, `${bytes} bytes installed`);
  copyFileSync(photo, join(folder, "picture.png"));
  writeFileSync(join(folder, "caption.mjs"), moduleProgram);
  t.match(
    (await run(process.execPath, ["caption.mjs"], folder)).err,
    /needs the npm package webgpu: npm install webgpu/,
  );
  t.equal((await npm(["install", webgpu], folder)).code, 0, "npm install webgpu");
  const { out } = await run(process.execPath, ["caption.mjs"], folder);
  t.match((JSON.parse(out) as Result).text, /waving/);
});

t.test("npx in an empty folder", { skip }, async (t) => {
  const folder = scratch();
  copyFileSync(photo, join(folder, "photo.png"));
  const caption = ["mc-diffusion", "caption", "photo.png"];
  const bare = await run("npx", ["-y", "-p", packed!.file, ...caption], folder);
  t.equal(bare.code, 1);
  t.match(bare.err, /npx -p mc-diffusion -p webgpu mc-diffusion caption photo\.png/, "says what to type");
  const { code, out, err } = await run("npx", ["-y", "-p", packed!.file, "-p", webgpu, ...caption], folder);
  t.equal(code, 0, code === 0 ? "runs" : err);
  t.match(out, /waving/);
});

t.test("a Vite project", { skip }, async (t) => {
  const folder = scratch();
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  t.equal((await npm(["install", packed!.file, "vite@8.4.0"], folder)).code, 0, "npm install");
  mkdirSync(join(folder, "public"));
  copyFileSync(photo, join(folder, "public/picture.png"));
  const weights = "/weights";
  mkdirSync(join(folder, "public/weights"));
  for (const name of ["config.json", "model.safetensors"])
    copyFileSync(
      join(folder, "node_modules/mc-diffusion/weights/emoji", name),
      join(folder, "public/weights", name),
    );
  writeFileSync(join(folder, "main.js"), pageProgram("mc-diffusion", weights));
  writeFileSync(join(folder, "index.html"), page('<script type="module" src="/main.js"></script>'));
  const { code, err } = await run("npx", ["vite", "build"], folder);
  t.equal(code, 0, err);
  const site = await serve({ folder: join(folder, "dist") });
  t.teardown(() => site.close());
  t.match((await resultOf(t, `${site.url}/index.html`))?.text, /\w/);
});

t.test("types in TypeScript 5.9, with WebGPU's from @webgpu/types", { skip }, async (t) => {
  const folder = scratch();
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  const types = `@webgpu/types@${devDependencies["@webgpu/types"]}`;
  t.equal((await npm(["install", packed!.file, "typescript@5.9.3", types], folder)).code, 0, "npm install");
  const doors = Object.keys(packed!.manifest.exports).filter((door) => !door.includes("*"));
  const lines = doors.map((door, i) => `export * as door${i} from "mc-diffusion${door.slice(1)}";\n`);
  writeFileSync(join(folder, "doors.ts"), lines.join(""));
  for (const module of ["nodenext", "esnext"]) {
    const compilerOptions = {
      ...{ noEmit: true, strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false },
      ...{ target: "es2022", lib: ["ES2023", "DOM"], types: ["@webgpu/types"], module },
      moduleResolution: module === "esnext" ? "bundler" : module,
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    const { code, out } = await run("npx", ["tsc", "-p", "."], folder);
    t.equal(code, 0, `module ${module} ${out}`);
  }
});
