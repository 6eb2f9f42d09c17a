/** Files of captions and references in the forms that other tools write. */

import t from "tap";
import { pairCaptions, parseCaptionFile } from "../../dist/data/caption-files.js";
import { UserError } from "../../dist/platform/errors.js";

const names = { results: "results.json", references: "references.json" };

t.test("every form holds the same captions", async (t) => {
  const expected = [
    ["7", ["a cat", "the cat"]],
    ["8", ["a dog"]],
  ];
  const list = [
    { image_id: 7, caption: "a cat" },
    { image_id: "8", caption: "a dog" },
    { image_id: 7, id: 99, caption: "the cat" },
  ];
  const lines = list.map((entry) => JSON.stringify(entry)).join("\n");
  const forms: readonly (readonly [string, string])[] = [
    ["results.json", JSON.stringify(list)],
    ["annotations.json", JSON.stringify({ images: [{ id: 7 }], annotations: list })],
    ["object.json", JSON.stringify({ 7: ["a cat", "the cat"], 8: "a dog" })],
    ["lines.jsonl", `\uFEFF${lines}\r\n\n`],
    ["lines.json", lines],
    ["lists.jsonl", '{"id": 7, "captions": ["a cat", "the cat"]}\n{"file": "8", "caption": "a dog"}'],
    ["table.csv", 'Image_ID,Caption,x\n7,a cat,1\n8,"a dog",2\n7,"the cat",3\n'],
  ];
  for (const [name, text] of forms) t.same([...parseCaptionFile(name, text)], expected, name);
  t.same([...parseCaptionFile("one.json", '{"image_id": 1, "caption": "x"}')], [["1", ["x"]]], "one line");
  t.same(
    [...parseCaptionFile("q.csv", 'id,caption\n1,"a ""red"", cat\nhere"')],
    [["1", ['a "red", cat\nhere']]],
  );
});

t.test("what is wrong is said with file and line", async (t) => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["a.json", "  \n", /^a\.json is empty/],
    ["a.json", '[\n{"image_id": 1, "caption": "x"},\n{"image_id" 2}]', /^a\.json, line 3, is not valid JSON/],
    ["a.json", '[\n{"image_id": 1,', /^a\.json, line 2, is not valid JSON/],
    ["a.jsonl", '{"image_id": 1, "caption": "x"}\n{oops}', /^a\.jsonl, line 2, is not valid JSON/],
    ["a.json", '[{"image_id": 1}]', /^a\.json: entry 0 has no caption/],
    ["a.json", '[{"caption": "x"}]', /^a\.json: entry 0 has no id/],
    ["a.json", "[3]", /entry 0 should be an object/],
    ["a.json", '{"1": 5}', /^a\.json: "1" has no caption/],
    ["a.json", '{"annotations": [{"image_id": 1, "caption": 2}]}', /annotations 0 has no caption/],
    ["a.json", "[]", /has no captions/],
    ["a.json", "5", /should hold a list/],
    ["a.csv", "name,text\n", /line 1, should name the columns/],
    ["a.csv", "id,caption\n1,a,b\n", /line 2, has 3 fields; the header has 2/],
    ["a.csv", 'id,caption\n1,"a\n', /line 2, cannot be read: a double quote is never closed/],
  ];
  for (const [name, text, expected] of cases) {
    t.throws(() => parseCaptionFile(name, text), { message: expected }, text);
    t.throws(() => parseCaptionFile(name, text), UserError);
  }
});

t.test("results pair with references in their order", async (t) => {
  const results = parseCaptionFile("r.json", '{"b": "one", "a": "two"}');
  const references = parseCaptionFile("g.json", '{"a": ["x", "y"], "b": "z", "c": "w"}');
  t.same(pairCaptions(results, references, names), {
    ids: ["b", "a"],
    candidates: ["one", "two"],
    references: [["z"], ["x", "y"]],
    missing: 1,
  });
  t.throws(() => pairCaptions(references, references, names), {
    message: "results.json has more than one caption for picture a; each picture should have one",
  });
  t.throws(() => pairCaptions(references, results, { ...names, results: "r" }), {
    message: /r has more than one|no references for/,
  });
  const unknown = parseCaptionFile(
    "r.json",
    '{"p": "1", "q": "2", "r": "3", "s": "4", "t": "5", "u": "6", "a": "7"}',
  );
  t.throws(() => pairCaptions(unknown, references, names), {
    message: /^references\.json has no references for 6 pictures \(p, q, r, s, t, …\) of results\.json/,
  });
});
