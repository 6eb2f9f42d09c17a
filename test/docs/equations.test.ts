/** docs/equations.md: all that it names exists, and every public function of the diffusion is in it. */

import { existsSync, readFileSync } from "node:fs";
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
    for (const symbol of quoted(symbols)) {
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
