/** The bench and the page are written against the package's entries, as anybody's program is, and not against modules behind them. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Modules that package.json exports, from the project's folder. */
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, string | { default: string }>;
};
const doors = new Set(
  Object.values(exports).map((entry) =>
    (typeof entry === "string" ? entry : entry.default).replace("./", ""),
  ),
);

/** What a module names after `from`, `import` and in the `import(…)` of its types, comments included: JSDoc has types there. */
function importsOf(source: string): string[] {
  return [...source.matchAll(/\b(?:from|import)\s*\(?\s*["'`]([^"'`]+)["'`]/g)].map(([, name]) => name!);
}

/** Of modules in built or source folders those that are no door, from the project's folder. */
function pastDoors(file: string, source: string): string[] {
  return importsOf(source)
    .filter((name) => name.startsWith("."))
    .map((name) => relative(root, join(root, dirname(file), name)))
    .filter((path) => /^(dist|dist-test|src)\//.test(path) && !doors.has(path));
}

t.test("a module behind the doors is noticed wherever it is named", async (t) => {
  const deep = "../dist/engine/gpu/gpu.js";
  for (const source of [
    `import { Gpu } from "${deep}";`,
    `export { Gpu } from '${deep}';`,
    `const { Gpu } = await import("${deep}");`,
    `/** @param {import("${deep}").Gpu} gpu */`,
    `/** @import { Gpu } from "${deep}" */`,
    `import {\n  Gpu,\n} from "${deep}";`,
  ]) {
    t.same(pastDoors("web/run.js", source), ["dist/engine/gpu/gpu.js"], source);
  }
  t.same(pastDoors("web/run.js", 'import { Gpu } from "../src/engine/gpu/gpu.js";'), [
    "src/engine/gpu/gpu.js",
  ]);
  t.same(pastDoors("web/src/gpu.ts", 'import { Gpu } from "../../dist/index.js";'), []);
});

for (const folder of ["kernels-bench", "web"]) {
  t.test(folder, async (t) => {
    const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => /\.(ts|js)$/.test(file) && !/(^|\/)(node_modules|dist[^/]*)\//.test(file))
      .map((file) => join(folder, file));
    const through = files.map((file) => [file, readFileSync(join(root, file), "utf8")] as const);
    t.ok(
      through.some(([, source]) => /dist\/index\.js"/.test(source)),
      `${files.length} modules, some of which import the package`,
    );
    for (const [file, source] of through) t.same(pastDoors(file, source), [], file);
  });
}
