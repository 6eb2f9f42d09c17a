/** The WGSL that the build puts into the modules, against the files in shaders/. */
import { readFileSync } from "node:fs";
import type { Kernel } from "../../dist/gpu/kernel.js";
import * as kernels from "../../dist/gpu/kernels.generated.js";
import { test } from "../harness.js";

test("lines of the WGSL that runs are those of the file", (t) => {
  for (const [name, entries] of Object.entries(kernels)) {
    const { source, spec } = Object.values(entries)[0] as Kernel;
    const file = readFileSync(new URL(`../../${spec.file}`, import.meta.url), "utf8");
    const tokens = (text: string) =>
      text
        .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""))
        .split("\n")
        .map((line) => line.replace(/\/\/.*|\s/g, ""));
    t.same(tokens(source), tokens(file), `${name}: the same but for comments and blanks`);
    const marks = (text: string) =>
      [...text.matchAll(/\/\/ ?(@(?:tune|variant)\b.*)/g)].map(([, mark]) => mark);
    t.same(marks(source), marks(file), "with the marks of tunables and variants");
    t.ok(
      source.length < file.length && !/\/\/(?!@)|^ | $/m.test(source),
      "without other comments and blanks",
    );
  }
});
