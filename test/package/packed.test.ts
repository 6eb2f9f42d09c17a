/** The packed file: what is in it, how large it is, its types and its README. */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import t from "tap";
import { pack, project, root } from "./project.js";

t.setTimeout(600_000);
const { readmeForNpm } = (await import(pathToFileURL(join(root, "packing/readme.mjs")).href)) as {
  readmeForNpm: (text: string, repository: string | undefined, folder?: string) => string;
};
const packed = pack();
const { manifest, paths } = packed;

/** Bytes of all files below a folder. Links to the development packages count as what npm would install. */
function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

t.test("at most 12 MB installed, dependencies included", async (t) => {
  const installed = new Set<string>();
  const waiting = Object.keys(manifest.dependencies);
  for (let name = waiting.pop(); name; name = waiting.pop()) {
    if (installed.has(name)) continue;
    installed.add(name);
    const { dependencies = {} } = JSON.parse(
      readFileSync(join(root, "node_modules", name, "package.json"), "utf8"),
    ) as { dependencies?: Record<string, string> };
    waiting.push(...Object.keys(dependencies));
  }
  const others = [...installed].reduce((sum, name) => sum + bytesBelow(join(root, "node_modules", name)), 0);
  const own = bytesBelow(packed.folder);
  const mega = (bytes: number) => (bytes / 1e6).toFixed(2);
  t.comment(
    `packed ${mega(packed.size)} MB, unpacked ${mega(own)} MB, ${installed.size} dependencies ${mega(others)} MB`,
  );
  t.ok(own + others <= 12e6, `${own + others} bytes`);
  t.notOk(installed.has("webgpu") || installed.has("sharp"), "neither webgpu nor sharp");
});

t.test("optional peers, of which none is installed by itself", async (t) => {
  t.same(Object.keys(manifest.peerDependencies).sort(), [
    "@sparticuz/chromium",
    "@webgpu/types",
    "sharp",
    "webgpu",
  ]);
  for (const name of Object.keys(manifest.peerDependencies))
    t.equal(manifest.peerDependenciesMeta[name]?.optional, true, name);
});

t.test("no stray files, and everything that package.json names", async (t) => {
  const known =
    /^(LICENSE|README\.md|THIRD-PARTY-LICENSES|package\.json|wordnet\/(LICENSE|wordnet-3\.0\.txt\.gz)|weights\/emoji\/(README\.md|config\.json|model\.safetensors)|dist\/[\w/.-]+\.(js|d\.ts))$/;
  t.same(
    paths.filter((path) => !known.test(path)),
    [],
  );
  const sources = new Set(
    (readdirSync(join(root, "src"), { recursive: true }) as string[]).map((name) =>
      name.replace(/\.ts$/, ""),
    ),
  );
  const stale = paths.filter((path) => {
    const name = /^dist\/(?!browser\/)(.*?)(\.d\.ts|\.js)$/.exec(path)?.[1];
    return name !== undefined && !sources.has(name);
  });
  t.same(stale, [], "nothing of sources that are gone");
  const targets = Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === "string" ? [] : Object.values(entry),
  );
  const named = [...targets, ...manifest.sideEffects, ...Object.values(manifest.bin)];
  t.same(
    named.map((path) => path.replace(/^\.\//, "")).filter((path) => !paths.includes(path)),
    [],
    "entries, programs and files with side effects",
  );
});

t.test("publint", async (t) => {
  const { messages, pkg } = await publint({ pkgDir: packed.folder, pack: false, strict: true });
  t.same(
    messages.map((message) => formatMessage(message, pkg as Record<string, unknown>)),
    [],
  );
});

t.test("arethetypeswrong, for a package of modules", async (t) => {
  const program = join(root, "node_modules/@arethetypeswrong/cli/dist/index.js");
  const args = [program, packed.file, "--profile", "esm-only", "--no-color", "--no-emoji"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  t.equal(status, 0, status === 0 ? "no problems" : `${stdout}${stderr}`);
});

t.test("its types pass without skipLibCheck, without @types/node too", async (t) => {
  const folder = project(packed, ["@webgpu/types"]);
  const doors = Object.keys(manifest.exports).filter((door) => !door.includes("*"));
  const lines = doors.map((door, i) => `export * as door${i} from "mc-diffusion${door.slice(1)}";\n`);
  writeFileSync(join(folder, "doors.ts"), lines.join(""));
  // TypeScript 7 has WebGPU's types itself; `npm run test:package` compiles with 5.9, which needs those of @webgpu/types.
  for (const module of ["nodenext", "esnext"]) {
    const compilerOptions = {
      ...{ noEmit: true, strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false },
      ...{ target: "es2022", lib: ["ES2023", "DOM"], types: [], module },
      moduleResolution: module === "esnext" ? "bundler" : module,
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    const program = join(root, "node_modules/@typescript/native/bin/tsc");
    // Without what tap loads into the processes that it starts: the compiler's start script does not bear it.
    const command = ["-u", "NODE_OPTIONS", process.execPath, program, "-p", folder];
    const { status, stdout, stderr } = spawnSync("env", command, { encoding: "utf8" });
    t.equal(status, 0, `module ${module} ${stdout}${stderr}`);
  }
});

t.test("the README has no picture or link that npm cannot resolve", async (t) => {
  for (const name of ["README.md", "weights/emoji/README.md"]) {
    const text = readFileSync(join(packed.folder, name), "utf8");
    const addresses = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, address]) => address!);
    t.same(
      addresses.filter((address) => !/^(https:|#)/.test(address)),
      [],
      name,
    );
  }
  const text =
    "See [docs](docs/a.md#b) and [npm](https://npmjs.com).\n\n![Seen](../x.png)\n\n*Below.*\n\nEnd.\n";
  t.equal(readmeForNpm(text, undefined), "See docs and [npm](https://npmjs.com).\n\nEnd.\n");
  t.equal(
    readmeForNpm(text, "git+https://github.com/o/n.git", "weights/emoji/"),
    text
      .replace("docs/a.md#b", "https://github.com/o/n/blob/HEAD/weights/emoji/docs/a.md#b")
      .replace("../x.png", "https://raw.githubusercontent.com/o/n/HEAD/weights/x.png"),
  );
  t.throws(() => readmeForNpm(text, "https://example.com/n"), { message: /no addresses of files are known/ });
});

t.test("npm pack in the project's own folder says how to pack", async (t) => {
  const { status, stderr } = spawnSync("npm", ["pack", "--dry-run"], { cwd: root, encoding: "utf8" });
  t.not(status, 0);
  t.match(stderr, /Pack with npm run pack/);
});
