/** The door mc-diffusion/nn as a bundler sees it: a program carries the kernels of what it names, and no others. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import t from "tap";

const root = fileURLToPath(new URL("..", import.meta.url));
const families = readdirSync(join(root, "shaders"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".wgsl"))
  .map((name) => name.replace(/\.wgsl$/, ""));

/** The families of kernels, by the names of their files, in the bundle of a program that exports `name` of the door. */
async function familiesOf(name: string): Promise<string[]> {
  const { outputFiles, warnings } = await build({
    stdin: { contents: `export { ${name} } from "./dist/nn.js";`, resolveDir: root },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "silent",
  });
  t.same(warnings, [], "no warnings");
  const { text } = outputFiles[0]!;
  return families
    .filter((family) => text.includes(`("${family}",`))
    .map((family) => family.replace(/^.*\//, ""))
    .sort();
}

const products = ["combine", "matmul", "matmul-registers", "matmul-subgroup", "reduce", "unary"];

/** Views are copied by `strided`, whatever else a program does. */
const expected: Record<string, string[]> = {
  Dropout: ["dropout"],
  Embedding: ["embedding"],
  GroupNorm: ["group-norm"],
  Linear: products,
  Lstm: [...products, "lstm"],
  Conv2d: ["combine", "conv2d", "conv2d-groups", "conv2d-registers", "conv2d-subgroups"],
  Attention: [...products, "attention", "attention-masked", "attention-registers", "attention-subgroup"],
  maxPool2d: ["pool2d"],
  maskedAttention: ["attention-masked", "reduce"],
  binaryCrossEntropy: ["binary-cross-entropy", "reduce"],
  smoothedCrossEntropy: ["smoothed-cross-entropy"],
  Sgd: ["adamw", "optimizers"],
  AdamW: ["adamw", "optimizers"],
};

for (const [name, own] of Object.entries(expected)) {
  t.test(`a program that imports ${name} carries its kernels alone`, async (t) => {
    t.same(await familiesOf(name), [...own, "strided"].sort());
  });
}

t.test("schedules carry no kernel", async (t) => {
  t.same(await familiesOf("cosineRate, warmUp"), []);
});
