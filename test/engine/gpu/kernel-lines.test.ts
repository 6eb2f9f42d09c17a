/** The WGSL that the build puts into the modules, against the files in shaders/. */
import { readFileSync } from "node:fs";
import type { Kernel } from "../../../dist/engine/gpu/kernel.js";
import * as kernels from "../../../dist/engine/gpu/kernels.generated.js";
import * as moreKernels from "../../../dist/engine/gpu/more-kernels.generated.js";
import { test } from "../../harness.js";

test("lines of the WGSL that runs are those of the file", (t) => {
  for (const [name, entries] of Object.entries({ ...kernels, ...moreKernels })) {
    const { source, spec } = Object.values(entries)[0] as Kernel;
    const file = readFileSync(new URL(`../../../${spec.file}`, import.meta.url), "utf8");
    // Types of vectors are shortened (vec3<u32> to vec3u), the second operand takes its type from the first (2u to 2), and
    // numbers lose zeros (2.0 to 2. and 0.5 to .5).
    const short = (text: string) =>
      text
        .replace(/\b(vec[234]|mat4x4)<([fui])32>/g, "$1$2")
        .replace(/(?<![\w.])(\d+)u\b/g, "$1")
        .replace(/(?<![\w.])(\d+\.)0(?![\w.])/g, "$1")
        .replace(/(?<![\w.])0(?=\.\d)/g, "");
    const tokens = (text: string) =>
      short(text)
        .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""))
        .split("\n")
        .map((line) => line.replace(/\/\/.*|\s/g, ""));
    t.same(tokens(source), tokens(file), `${name}: the same but for comments, blanks and what is shortened`);
    const marks = (text: string) =>
      [...text.matchAll(/\/\/ ?(@(?:tune|variant)\b.*)/g)].map(([, mark]) => mark);
    t.same(marks(source), marks(file), "with the marks of tunables and variants");
    t.ok(
      source.length < file.length && !/\/\/(?!@)|^ | $/m.test(source),
      "without other comments and blanks",
    );
  }
});
