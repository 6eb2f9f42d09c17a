/** docs/equations.md: all that it names exists, and every public function of the diffusion is in it. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../..", import.meta.url));
const text = (path: string) => readFileSync(join(root, path), "utf8");

const rows = text("docs/equations.md")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| ---") && !line.startsWith("| equation"))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
  .map(([, equation, symbols, file, kernel, tests]) => ({ equation, symbols, file, kernel, tests }));

const quoted = (cell: string | undefined) => [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

t.test("each equation names a symbol, a file, a kernel and a test that exist", async (t) => {
  t.ok(rows.length >= 15, `${rows.length} equations`);
  for (const { equation, symbols, file, kernel, tests } of rows) {
    const [path] = quoted(file);
    const source = text(path!);
    t.ok(quoted(symbols).length > 0 && quoted(tests).length > 0, `${equation}: a symbol and a test`);
    for (const symbol of quoted(symbols)) {
      t.ok(
        new RegExp(`\\*/\\nexport (async )?(class|function\\*?|const) ${symbol}\\b`).test(source),
        `${equation}: ${symbol} has a doc comment`,
      );
      const exported = new RegExp(`^export (async )?(class|function\\*?|const) ${symbol}\\b`, "m");
      t.ok(exported.test(source), `${equation}: ${path} exports ${symbol}`);
    }
    const [shader, entry] = quoted(kernel);
    if (shader) {
      const code = text(shader);
      t.ok(
        new RegExp(`@compute[^\\n]*\\n?fn ${entry}\\b`).test(code),
        `${equation}: ${shader} has the entry point ${entry}`,
      );
    }
    for (const test of quoted(tests)) t.ok(existsSync(join(root, test)), `${equation}: ${test}`);
  }
});

t.test("in src/diffusion an equation's file, shader and test have one name", async (t) => {
  const name = (path: string | undefined) => path && /([^/]+?)(\.test)?\.\w+$/.exec(path)![1];
  for (const { equation, file, kernel, tests } of rows) {
    const [path] = quoted(file);
    if (!path!.startsWith("src/diffusion/")) continue;
    const [shader] = quoted(kernel);
    if (shader) t.equal(shader, `shaders/diffusion/${name(path)}.wgsl`, `${equation}: shader`);
    // The schedule and its matrices are tested against each other.
    const sameTest = path!.endsWith("transition-matrix.ts") && !shader ? "schedule" : name(path);
    t.same(quoted(tests), [`test/diffusion/${sameTest}.test.ts`], `${equation}: test`);
  }
  const shaders = readdirSync(join(root, "shaders/diffusion")).map(name);
  t.strictSame(
    shaders.filter((shader) => !existsSync(join(root, `src/diffusion/${shader}.ts`))),
    [],
    "each shader of the diffusion has its file",
  );
});

t.test("every public function of the diffusion stands for an equation", async (t) => {
  const named = new Set(rows.flatMap(({ symbols }) => quoted(symbols)));
  const lists = text("src/index.ts").matchAll(/export \{([^}]*)\} from "\.\/(diffusion\/[\w-]+)\.js"/g);
  let functions = 0;
  for (const [, list, path] of lists) {
    const source = text(`src/${path}.ts`);
    for (const symbol of list!
      .split(",")
      .map((word) => word.trim())
      .filter(Boolean)) {
      if (!new RegExp(`^export (async )?(class|function\\*?) ${symbol}\\b`, "m").test(source)) continue;
      functions++;
      t.ok(named.has(symbol), `${path}: ${symbol}`);
    }
  }
  t.ok(functions > 15, `${functions} functions and classes`);
});
