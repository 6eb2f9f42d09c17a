/** JSON from outside: deep nesting is refused before anything can run out of stack. */
import t from "tap";
import { resolveConfig } from "../../dist/config/resolve.js";
import { parseCaptions } from "../../dist/data/caption-rows.js";
import { decodeSafetensors } from "../../dist/engine/weights/safetensors.js";
import { UserError } from "../../dist/platform/errors.js";
import { parseJson, parseJsonRecord } from "../../dist/platform/json.js";

const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

t.test("nesting is bounded, brackets in strings do not count", async (t) => {
  t.same(parseJson(deep(3)), { a: { a: { a: 1 } } });
  t.doesNotThrow(() => parseJson(deep(100)));
  t.throws(() => parseJson(deep(101)), SyntaxError);
  t.same(parseJson(JSON.stringify({ a: "[".repeat(500), b: ['\\"[{', "]"] })), {
    a: "[".repeat(500),
    b: ['\\"[{', "]"],
  });
  t.same(parseJson(`["\\"${"[".repeat(500)}"]`), [`"${"[".repeat(500)}`], "behind an escaped quotation mark");
  t.same(parseJson(`[${"[],".repeat(500)}[]]`), Array(501).fill([]), "many beside each other are fine");
});

t.test("every reader says so in a sentence", async (t) => {
  const nested = deep(100_000);
  const sentence = (read: () => unknown) => {
    try {
      read();
    } catch (error) {
      return error instanceof UserError ? error.message : `not ours: ${error}`;
    }
    return "nothing was thrown";
  };
  t.match(
    sentence(() => parseJsonRecord(nested, "x.json")),
    /^x\.json is not valid JSON: it is nested more than 100 deep$/,
  );
  t.match(
    sentence(() => resolveConfig({ file: { name: "c.json", text: nested } })),
    /^c\.json .*100 deep$/,
  );
  const { rows, problems } = parseCaptions("captions.jsonl", `${nested}\n{"file": "a.png", "caption": "a"}`);
  t.equal(rows.length, 1);
  t.match(problems, [{ line: 1, text: /100 deep/ }]);
  const header = new TextEncoder().encode(nested);
  const file = new Uint8Array(8 + header.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  t.match(
    sentence(() => decodeSafetensors(file, "w")),
    /^w is not a valid safetensors file.*100 deep/,
  );
});

t.test("splits named like parts of objects are refused", async (t) => {
  for (const split of ["__proto__", "constructor", "toString"]) {
    const { rows, problems } = parseCaptions(
      "captions.jsonl",
      `{"file": "a.png", "caption": "a", "split": "${split}"}`,
    );
    t.same([rows.length, problems.length], [0, 1], split);
  }
});
