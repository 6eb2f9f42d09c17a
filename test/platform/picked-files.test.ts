/** A folder that was picked in a page reads as the same folder on the disk does in Node. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PNG } from "pngjs";
import t from "tap";
import { loadFolder } from "../../dist/data/folder.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { pickedFiles } from "../../dist/platform/picked-files.js";

function png(shade: number): Buffer {
  const picture = new PNG({ width: 4, height: 4 });
  picture.data.fill(shade);
  return PNG.sync.write(picture);
}

const names = ["captions.jsonl", "a.png", "b.png", "sub/c.png", "unnamed.png"];

/** The folder on the disk, and the same as a browser gives it: files with paths that begin with the folder's name. */
function folder(testdir: string, captions: readonly object[]) {
  const path = join(testdir, "pictures");
  mkdirSync(join(path, "sub"), { recursive: true });
  for (const [i, name] of names.slice(1).entries()) writeFileSync(join(path, name), png(60 * i));
  writeFileSync(join(path, "captions.jsonl"), captions.map((row) => JSON.stringify(row)).join("\n"));
  const blobs = new Map(
    names.map((name) => [`pictures/${name}`, new Blob([readFileSync(join(path, name))])]),
  );
  return { path, picked: { ...nodePlatform, files: pickedFiles(blobs) } };
}

t.test("the same data set", async (t) => {
  const { path, picked } = folder(t.testdir(), [
    { file: "a.png", caption: "one" },
    { file: "b.png", caption: "two" },
    { file: "sub/c.png", captions: ["three", "trois"] },
  ]);
  const disk = await loadFolder(nodePlatform, path, { size: 8 });
  const page = await loadFolder(picked, "pictures", { size: 8 });
  t.same(page, { ...disk, dataset: { ...disk.dataset, name: "pictures" } });
  t.equal(page.uncaptioned, 1, "a picture without a caption is counted");
});

t.test("the same sentences", async (t) => {
  const { path, picked } = folder(t.testdir(), [
    { file: "a.png", caption: "one" },
    { file: "none.png", caption: "two" },
    { file: "../b.png", caption: "three" },
    { file: "b.png", caption: "" },
  ]);
  const sentence = (loading: Promise<unknown>) =>
    loading.then(
      () => "",
      (error: Error) => error.message,
    );
  const disk = await sentence(loadFolder(nodePlatform, path));
  t.match(disk, /3 bad rows/);
  t.equal(await sentence(loadFolder(picked, "pictures")), disk.replaceAll(path, "pictures"));
});

t.test("what was not picked, and what went away since", async (t) => {
  const gone = new Blob(["x"]);
  gone.arrayBuffer = async () => {
    throw new DOMException("gone", "NotReadableError");
  };
  const files = pickedFiles(new Map([["f/gone.bin", gone]]));
  await t.rejects(files.read("f/none"), { message: "Cannot read f/none: it is not among the files picked." });
  await t.rejects(files.list("g"), { message: "Cannot list g: none of its files was picked." });
  await t.rejects(files.read("f/gone.bin"), {
    message: "Cannot read f/gone.bin: it was moved or changed since it was picked.",
  });
});
