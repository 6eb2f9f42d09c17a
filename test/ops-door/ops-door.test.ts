/** `mc-diffusion/ops` and `mc-diffusion/chain` as programs get them: what a bundle carries, and own WGSL files. */

import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import t, { type Test } from "tap";
import * as kernels from "../../dist/engine/gpu/kernels.generated.js";
import * as moreKernels from "../../dist/engine/gpu/more-kernels.generated.js";
import { openNodeDevice } from "../../dist/platform/node-adapter.js";

// Software adapters and compilers take seconds.
t.setTimeout(600_000);

const root = fileURLToPath(new URL("../..", import.meta.url));
const wgslFile = join(root, "test/ops-door/saxpy.wgsl");

/** A project beside which npm has put the package. */
function project(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), "ops-door-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules/mc-diffusion"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  copyFileSync(wgslFile, join(folder, "saxpy.wgsl"));
  return folder;
}

async function bundled(folder: string, contents: string): Promise<string> {
  const { outputFiles, warnings } = await build({
    stdin: { contents, resolveDir: folder },
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    loader: { ".wgsl": "text" },
    write: false,
    logLevel: "silent",
  });
  if (warnings.length > 0) throw new Error(warnings[0]!.text);
  return outputFiles[0]!.text;
}

/** The families of kernels whose text a bundle carries. */
const families = (code: string) =>
  Object.values({ ...kernels, ...moreKernels }).flatMap((family) => {
    const [{ source, spec }] = Object.values(family) as [{ source: string; spec: { file: string } }];
    // A stretch of the code that is in one family alone: its parameters or its first function would be shared.
    const marked = JSON.stringify(source).slice(1, -1);
    return code.includes(marked) ? [spec.file.replace(/^.*\/|\.wgsl$/g, "")] : [];
  });

t.test("a program carries the kernels of the ops that it names, and no others", async (t) => {
  const folder = project(t);
  const own = new Set(
    Object.values(moreKernels).map((family) =>
      Object.values(family)[0]!.spec.file.replace(/^.*\/|\.wgsl$/g, ""),
    ),
  );
  const of = async (names: string) => {
    const code = await bundled(folder, `import { ${names} } from "mc-diffusion/ops"; console.log(${names});`);
    return families(code).filter((file) => own.has(file));
  };
  const all = ["compare", "cumsum", "extreme", "functions", "gather", "top-k"];
  t.same(
    all.filter((file) => !own.has(file)),
    [],
    "these families are in the module that other doors do not name",
  );
  t.same(await of("argmax"), ["extreme"], "argmax");
  t.same(await of("gelu"), ["functions"], "gelu");
  t.same(await of("cumsum"), ["cumsum"], "cumsum");
  t.same(await of("permute, stack, softmax, min, variance"), [], "composed ops");
  t.same((await of("topK")).sort(), ["cumsum", "gather", "top-k"], "topK, whose gradient scatters");
  t.same(await of("wgsl, onGradient, checkGradients"), [], "own kernels and checks");
  const engine = await bundled(
    folder,
    'import { add, fromArray } from "mc-diffusion/engine"; console.log(add, fromArray);',
  );
  t.same(
    families(engine).filter((file) => own.has(file)),
    [],
    "an op of the engine",
  );
  t.notOk(/nodejs\.util\.inspect|argmax/.test(engine), "without the methods of mc-diffusion/chain");
  const chained = await bundled(folder, 'import "mc-diffusion/chain";');
  t.same(
    families(chained)
      .filter((file) => own.has(file))
      .sort(),
    all,
    "the chain carries them all",
  );
});

/** How programs of the package's users are compiled. */
const compilerOptions = {
  module: "NodeNext",
  target: "ES2022",
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: ["@webgpu/types"],
  typeRoots: [join(root, "node_modules")],
};

const program = `
import { Gpu, fromArray } from "mc-diffusion/engine";
import { wgsl } from "mc-diffusion/ops";

export async function run(device, text) {
  const gpu = Gpu.from(device);
  const { saxpy } = wgsl(text, "saxpy.wgsl");
  const x = fromArray(gpu, [1, 2, 3], [3]);
  const y = fromArray(gpu, [10, 20, 30], [3]);
  gpu.run(saxpy, { x, y }, { a: 2, count: 3 }, { groups: gpu.groups1d(3, gpu.tunables(saxpy).WORKGROUP) });
  return [...(await y.read())];
}
`;

interface Program {
  run(device: GPUDevice, text?: string): Promise<number[]>;
}

t.test("a WGSL file, read in Node and imported by a bundler", async (t) => {
  const folder = project(t);
  const { device } = await openNodeDevice();
  writeFileSync(join(folder, "node.js"), program);
  const inNode = (await import(pathToFileURL(join(folder, "node.js")).href)) as Program;
  t.same(await inNode.run(device, readFileSync(join(folder, "saxpy.wgsl"), "utf8")), [12, 24, 36], "in Node");
  const code = `import text from "./saxpy.wgsl"; ${program.replace("(device, text)", "(device)")}`;
  writeFileSync(join(folder, "bundle.mjs"), await bundled(folder, code));
  const inBundle = (await import(pathToFileURL(join(folder, "bundle.mjs")).href)) as Program;
  t.same(await inBundle.run(device), [12, 24, 36], "bundled, with the text inside");
});

t.test("the example of docs/ops.md: an op with its gradient", async (t) => {
  const folder = project(t);
  const document = readFileSync(join(root, "docs/ops.md"), "utf8");
  const block = (language: string) =>
    new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(document)![1]!;
  writeFileSync(join(folder, "cube.wgsl"), block("wgsl"));
  const command = join(folder, "node_modules/mc-diffusion/dist/kernel-types.js");
  t.equal(node(folder, command, "cube.wgsl").status, 0, "types are written");
  writeFileSync(join(folder, "cube.ts"), block("ts"));
  const declaration = 'declare module "*.wgsl" {\n  const text: string;\n  export default text;\n}\n';
  writeFileSync(join(folder, "wgsl.d.ts"), declaration);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const compiled = node(folder, join(root, "node_modules/@typescript/native/bin/tsc"), "-p", ".");
  t.equal(compiled.status, 0, `it compiles ${compiled.stdout}`);
  const code = `
    import { Gpu, fromArray } from "mc-diffusion/engine";
    import { checkGradients } from "mc-diffusion/ops";
    import { cube } from "./cube.ts";
    export async function run(device) {
      const gpu = Gpu.from(device);
      const x = fromArray(gpu, [1, -2, 0.5], [3], "f32", "x");
      const report = await checkGradients(cube, [x]);
      if (!report.passed) throw new Error(String(report));
      return [...(await cube(x).read())];
    }`;
  writeFileSync(join(folder, "bundle.mjs"), await bundled(folder, code));
  const { device } = await openNodeDevice();
  const made = (await import(pathToFileURL(join(folder, "bundle.mjs")).href)) as Program;
  t.same(await made.run(device), [1, -8, 0.125], "values, and gradients beside finite differences");
});

/** Runs a program of Node; tap hooks itself into child processes through NODE_OPTIONS, which the compiler does not survive. */
function node(folder: string, ...parts: string[]) {
  return spawnSync("env", ["-u", "NODE_OPTIONS", process.execPath, ...parts], {
    cwd: folder,
    encoding: "utf8",
  });
}

t.test("kernel-types.js writes types that calls are checked against", (t) => {
  const folder = project(t);
  const command = join(folder, "node_modules/mc-diffusion/dist/kernel-types.js");
  const { status, stdout, stderr } = node(folder, command, "saxpy.wgsl");
  t.same([status, stdout], [0, "saxpy.kernels.ts\n"], `the command succeeds ${stderr}`);
  const calls = `
import { type Gpu, type Tensor } from "mc-diffusion/engine";
import { wgsl } from "mc-diffusion/ops";
import "mc-diffusion/chain";
import type { SaxpyKernels } from "./saxpy.kernels.js";

export function use(gpu: Gpu, x: Tensor, y: Tensor, ids: Tensor<"u32">, text: string) {
  const { saxpy } = wgsl<SaxpyKernels>(text, "saxpy.wgsl");
  gpu.run(saxpy, { x, y }, { a: 2, count: 3 }, { groups: [1], tune: { WORKGROUP: 32 } });
  // @ts-expect-error a binding with a wrong name
  gpu.run(saxpy, { x, z: y }, { a: 2, count: 3 }, { groups: [1] });
  // @ts-expect-error a tensor of the wrong element type
  gpu.run(saxpy, { x: ids, y }, { a: 2, count: 3 }, { groups: [1] });
  // @ts-expect-error a missing uniform
  gpu.run(saxpy, { x, y }, { a: 2 }, { groups: [1] });
  const chained: Tensor = x.mul(2).add(y).softmax(0);
  // @ts-expect-error an op that integers do not have
  ids.gelu();
  // @ts-expect-error two element types
  ids.eq(x);
  return [chained, ids.permute([0]).eq(3)];
}
`;
  writeFileSync(join(folder, "use.ts"), calls);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["use.ts"] }));
  const compiled = node(folder, join(root, "node_modules/@typescript/native/bin/tsc"), "-p", ".");
  t.equal(compiled.status, 0, `each wrong call is an error and nothing else is\n${compiled.stdout}`);
  const bad = node(folder, command, "package.json");
  t.same(
    [bad.status, bad.stderr],
    [2, "error: package.json is no WGSL file: its name should end in .wgsl\n"],
    "another file",
  );
  writeFileSync(join(folder, "broken.wgsl"), "fn main() {}");
  const broken = node(folder, command, "broken.wgsl");
  t.equal(broken.status, 1, "a file without an entry point");
  t.match(broken.stderr, /^error: broken\.wgsl:1: it has no entry point/, "says why");
  t.end();
});
