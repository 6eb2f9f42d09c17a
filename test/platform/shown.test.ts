/** Text from outside cannot command a terminal, and all of it goes through one file. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { harmlessLines, shown } from "../../dist/platform/shown.js";

t.test("control characters are written out", async (t) => {
  t.equal(shown("a\u001b[2Jb\r\nc\u009bd\u0000"), "a\\u001b[2Jb\\u000d\\u000ac\\u009bd\\u0000");
  t.equal(harmlessLines("one\ttwo\nthree\u001b]0;x\u0007\r"), "one\ttwo\nthree\\u001b]0;x\\u0007\\u000d");
  t.equal(shown("abc\u202egpj.exe"), "abc\\u202egpj.exe", "and what turns the direction of writing");
  t.equal(shown("\ud83d x \udc00"), "\\ud83d x \\udc00", "and halves of pairs");
  const plain = "Grüße, ΜΑΪ́ΟΥ, 中文, עברית, 👩‍🚀 and 🇩🇪";
  t.equal(shown(plain), plain, "letters and emoji stay");
  for (let code = 0; code <= 0xffff; code++) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be left
    if (/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(harmlessLines(String.fromCharCode(code))))
      t.fail(`${code} is left`);
  }
});

t.test("names of a megabyte are shortened", async (t) => {
  const long = `begins${"x".repeat(1e6)}ends`;
  t.ok(shown(long).length <= 301);
  t.match(shown(long), /^begins.*…x*ends$/);
  t.ok(shown(long, 40).length <= 41);
  t.ok(shown("\u001b".repeat(1e6)).length < 2000, "also where each sign takes six");
});

t.test("only terminal.ts, progress displays and the op print write to the terminal", async (t) => {
  const source = fileURLToPath(new URL("../../src", import.meta.url));
  const allowed = new Set([
    "cli/terminal.ts",
    "cli/progress.ts",
    "engine/ops/format.ts",
    "platform/decode-process.ts",
    "platform/node.ts",
  ]);
  const wrong = (readdirSync(source, { recursive: true }) as string[])
    .filter((name) => name.endsWith(".ts") && !allowed.has(name))
    .filter((name) => /\bconsole\.|process\.std(out|err)/.test(readFileSync(join(source, name), "utf8")));
  t.same(wrong, []);
});
