import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import t, { type Test } from "tap";
import { parseCaptions } from "../../dist/data/caption-rows.js";
import { parseCsv } from "../../dist/data/csv.js";
import { readImages } from "../../dist/data/dataset.js";
import { loadFolder } from "../../dist/data/folder.js";
import { nodePlatform } from "../../dist/platform/node.js";

async function folder(t: Test, captions: Record<string, string>, images: readonly string[]): Promise<string> {
  const path = mkdtempSync(join(tmpdir(), "folder-"));
  t.teardown(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(captions)) writeFileSync(join(path, name), text);
  for (const [i, name] of images.entries()) {
    const background = { r: 40 * i, g: 100, b: 200 };
    const image = sharp({ create: { width: 8, height: 8, channels: 3, background } });
    const format = name.endsWith(".jpg") ? "jpeg" : name.endsWith(".webp") ? "webp" : "png";
    writeFileSync(join(path, name), await image.toFormat(format).toBuffer());
  }
  return path;
}

t.test("CSV as in RFC 4180", async (t) => {
  const text = 'file,caption\r\na.png,"one, ""two""\nthree"\r\n\r\nb.png,\n"c.png",x';
  t.same(parseCsv(text), [
    { line: 1, fields: ["file", "caption"] },
    { line: 2, fields: ["a.png", 'one, "two"\nthree'] },
    { line: 5, fields: ["b.png", ""] },
    { line: 6, fields: ["c.png", "x"] },
  ]);
  t.equal(parseCsv('a,"open')[0]!.problem, "a double quote is never closed");
  t.equal(parseCsv('"a"b,c')[0]!.problem, "text follows a closing double quote");
  t.same(parseCsv("a,"), [{ line: 1, fields: ["a", ""] }]);
  t.same(parseCsv(""), []);
});

t.test("the three formats say the same", async (t) => {
  const expected = [
    { line: 1, file: "a.png", captions: ["a cat"] },
    { line: 2, file: "b.jpg", captions: ["a dog, sitting"] },
  ];
  t.same(
    parseCaptions(
      "captions.jsonl",
      '\uFEFF{"file":"./a.png","caption":"a cat"}\r\n{"file":"b.jpg","captions":["a dog, sitting"]}\r\n',
    ).rows,
    expected,
  );
  t.same(parseCaptions("captions.txt", "a.png\ta cat\nb.jpg\ta dog, sitting\n").rows, expected);
  t.same(parseCaptions("captions.txt", "a.png\ta cat\rb.jpg\ta dog, sitting\r").rows, expected, "CR alone");
  const csv = parseCaptions("captions.csv", 'Caption,id,FILE\na cat,7,a.png\n"a dog, sitting",8,b.jpg\n');
  t.same(
    csv.rows,
    expected.map((row) => ({ ...row, line: row.line + 1 })),
  );
});

t.test("bad rows are named by line", async (t) => {
  const lines = [
    "{broken",
    "[1]",
    '{"caption":"no file"}',
    '{"file":"a.png"}',
    '{"file":"a.png","caption":" ! "}',
    '{"file":"../a.png","caption":"x"}',
    '{"file":"/etc/a.png","caption":"x"}',
    '{"file":"a.gif","caption":"x"}',
    '{"file":"a.png","caption":"x","split":"trian"}',
    '{"file":"a.png","caption":"x","captions":["y"]}',
    '{"file":"a.png","captions":[]}',
    '{"file":"a.png","caption":"fine","split":"val"}',
  ];
  const { rows, problems } = parseCaptions("captions.jsonl", lines.join("\n"));
  t.same(rows, [{ line: 12, file: "a.png", captions: ["fine"], split: "validation" }]);
  t.same(
    problems.map(({ line }) => line),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  );
  t.match(problems[5]!.text, "lies outside the folder");
  t.match(problems[8]!.text, 'the split of a.png is "trian"; it can be train, validation or test');
  t.match(parseCaptions("captions.txt", "a.png a cat").problems[0]!.text, "there is no tab");
  t.match(parseCaptions("captions.csv", "a.png,a cat").problems[0]!.text, "the header should name");
  t.match(parseCaptions("captions.csv", "file,caption\na.png,a,cat").problems[0]!, {
    line: 2,
    text: "the row has 3 fields, the header has 2",
  });
});

t.test("a good folder: rows of one file merge, splits are stable", async (t) => {
  const names = ["a.png", "b.jpg", "c.webp", "alone.png"];
  const path = await folder(
    t,
    {
      "captions.csv":
        "file,caption,split\na.png,a cat,train\nb.jpg,a dog,\na.png,one cat,\na.png,a cat,\nc.webp,a man,test\n",
    },
    names,
  );
  const { dataset, skipped, uncaptioned } = await loadFolder(nodePlatform, path, { size: 4 });
  t.same(skipped, []);
  t.equal(uncaptioned, 1);
  t.same(
    dataset.records.map(({ id, captions, image }) => [id, captions, image]),
    [
      ["a.png", ["a cat", "one cat"], 0],
      ["b.jpg", ["a dog"], 1],
      ["c.webp", ["a man"], 2],
    ],
  );
  t.same(dataset.splits, { train: [0], validation: [1], test: [2] }, "the only free picture validates");
  t.equal(dataset.images.count, 3);
  t.same([...(await readImages(dataset, [0])).subarray(0, 3)], [0, 100, 200], "the pixels of a.png");
  t.equal(dataset.records[2]!.attributes.gender, "male");
});

t.test("validation takes the share that is asked for, by file name", async (t) => {
  const names = Array.from({ length: 30 }, (_, i) => `${i}.png`);
  const path = await folder(t, { "captions.txt": names.map((name) => `${name}\tpicture`).join("\n") }, names);
  const load = async (validationShare: number) => {
    const { dataset } = await loadFolder(nodePlatform, path, { size: 2, validationShare });
    return dataset.splits;
  };
  const splits = await load(0.3);
  t.same(await load(0.3), splits);
  t.ok(
    splits.validation!.length >= 3 && splits.validation!.length <= 16,
    `${splits.validation!.length} of 30`,
  );
  t.equal((await load(1e-9)).validation!.length, 1, "at least one");
  t.equal((await load(1)).train!.length, 1, "and at least one to train on");
  t.equal((await load(0)).validation, undefined);
});

t.test("bad files are listed at once and skipped only when asked", async (t) => {
  const path = await folder(
    t,
    {
      "captions.txt": "a.png\ta cat\ngone.png\ta dog\nbad.png\ta bird\nno tab\na.png\tone cat\n",
      "bad.png": "not a picture",
    },
    ["a.png"],
  );
  const failed = loadFolder(nodePlatform, path);
  await t.rejects(failed, /has 3 bad rows; correct them or leave them out with --skip-bad/);
  await t.rejects(
    failed,
    /captions.txt:2: there is no file gone.png\n {2}captions.txt:3: bad.png cannot be read: .*\n {2}captions.txt:4: there is no tab/,
  );
  const { dataset, skipped } = await loadFolder(nodePlatform, path, { skipBad: true, size: 2 });
  t.equal(skipped.length, 3);
  t.same(dataset.records[0]!.captions, ["a cat", "one cat"]);
  const many = await folder(t, { "captions.txt": "x\n".repeat(25) }, []);
  await t.rejects(loadFolder(nodePlatform, many), /25 bad rows[\s\S]*captions.txt:20: [\s\S]*and 5 more$/);
  await t.rejects(
    loadFolder(nodePlatform, many, { skipBad: true }),
    /yields no usable picture \(25 rows were skipped\)/,
  );
});

t.test("folders without captions, or with too many", async (t) => {
  await t.rejects(loadFolder(nodePlatform, "/nowhere"), /\/nowhere is not a folder/);
  await t.rejects(
    loadFolder(nodePlatform, await folder(t, {}, [])),
    /needs one of captions.jsonl, captions.csv/,
  );
  const two = await folder(t, { "captions.txt": "", "captions.csv": "" }, []);
  await t.rejects(loadFolder(nodePlatform, two), /several caption files \(captions.csv, captions.txt\)/);
  const clash = await folder(t, { "captions.csv": "file,caption,split\na.png,x,train\na.png,y,test\n" }, [
    "a.png",
  ]);
  await t.rejects(
    loadFolder(nodePlatform, clash),
    /captions.csv:3: a.png is in split test here and in train before/,
  );
});

t.test("many captions of few pictures: the work grows with their number", async (t) => {
  const additions = async (count: number): Promise<number> => {
    const rows = Array.from({ length: count }, (_, i) => `${"abc"[i % 3]}.png\tpicture number ${i}`);
    const path = await folder(t, { "captions.txt": rows.join("\n") }, ["a.png", "b.png", "c.png"]);
    const add = Set.prototype.add;
    let calls = 0;
    Set.prototype.add = function (value) {
      calls++;
      return add.call(this, value);
    };
    try {
      const { dataset } = await loadFolder(nodePlatform, path, { size: 8 });
      t.same(
        dataset.records.map(({ captions }) => captions.length),
        [0, 1, 2].map((i) => Math.ceil((count - i) / 3)),
        `${count} captions, all kept`,
      );
      t.equal(dataset.records[1]!.captions.at(-1), rows.findLast((row) => row.startsWith("b"))!.slice(6));
    } finally {
      Set.prototype.add = add;
    }
    return calls;
  };
  const [some, many] = [await additions(10_000), await additions(100_000)];
  t.ok(many <= 10 * some + 1000, `${some} additions to sets, then ${many}`);
});

t.test("names of a megabyte and control characters do not come back whole", async (t) => {
  const long = `${"n".repeat(1e6)}.gif`;
  const path = await folder(
    t,
    { "captions.txt": `${long}\ta cat\n\u001b[2Jx.gif\ta cat\n\u001b[2Jy.png\ta cat` },
    ["a.png"],
  );
  const said = await loadFolder(nodePlatform, path).then(
    () => "nothing was thrown",
    (error: Error) => error.message,
  );
  t.match(said, /n…n*\.gif is not a \.png/);
  t.match(said, /there is no file \\u001b\[2Jy\.png/);
  t.ok(said.length < 2000);
  t.notOk(said.includes("\u001b"));
});
