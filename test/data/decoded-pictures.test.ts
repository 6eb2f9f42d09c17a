/** Pictures that are decoded once and kept on disk: what is decoded, what is held in memory, and what a damaged cache does. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import t, { type Test } from "tap";
import { type Dataset, MemoryImages, readImages } from "../../dist/data/dataset.js";
import { DecodedPictures, type PictureCache } from "../../dist/data/decoded-pictures.js";
import { loadFolder } from "../../dist/data/folder.js";
import type { FolderOptions } from "../../dist/data/load-listed.js";
import { ReadAhead } from "../../dist/data/read-ahead.js";
import type { Disk } from "../../dist/platform/disk.js";
import { UserError } from "../../dist/platform/errors.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { nodeDisk } from "../../dist/platform/node-disk.js";

const { files, hash } = nodePlatform;
const size = 4;
const each = size * size * 3;

async function scratch(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "decoded-"));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

/** Sources whose first byte is the picture, and counts of what is done with them. */
function sources(count: number, cache?: PictureCache, more: { memory?: number; fileBytes?: number } = {}) {
  const done = { read: 0, decoded: 0, problems: [] as string[] };
  const bytes = Array.from({ length: count }, (_, i) => Uint8Array.of(i, 7));
  const pictures = new DecodedPictures(
    bytes.map((_, i) => ({
      name: `${i}.png`,
      stamp: async () => `unchanged ${bytes[i]!.join()}`,
      async read() {
        done.read++;
        if (bytes[i]!.length === 0) throw new UserError("gone");
        return bytes[i]!;
      },
    })),
    {
      size,
      hash,
      cache,
      decode: async ([value]) => {
        done.decoded++;
        if (value === 99) throw new UserError("no picture");
        return new Uint8Array(each).fill(value!);
      },
      onProblem: (sentence) => done.problems.push(sentence),
      ...more,
    },
  );
  const all = [...bytes.keys()];
  const pixelsOf = async (numbers: number[]) => {
    const target = new Uint8Array(numbers.length * each);
    await pictures.read(numbers, target);
    return numbers.map((_, i) => target[i * each + each - 1]);
  };
  return { pictures, done, bytes, all, pixelsOf };
}

const cacheAt = (folder: string, disk: Disk = nodeDisk): PictureCache => ({ folder, files, disk });
const parts = (folder: string) => readdirSync(folder).filter((name) => name.endsWith(".pictures"));

t.test("each picture is decoded once, held on disk and not in memory", async (t) => {
  const cache = cacheAt(join(await scratch(t), "new/cache"));
  const first = sources(50, cache, { fileBytes: 20 * each });
  const told: number[][] = [];
  t.equal((await first.pictures.prepare(first.all, (...counts) => told.push(counts))).size, 0);
  t.same(told.at(-1), [50, 50], "progress ends at its total");
  t.equal(first.done.decoded, 50);
  t.equal(first.pictures.memoryBytes, 0, "no pixels are held");
  t.equal(parts(cache.folder).length, 3, "files of a bounded size");
  t.same(await first.pixelsOf([49, 0, 7, 7]), [49, 0, 7, 7], "any picture, in any order");
  t.equal(first.done.decoded, 50, "reading decodes nothing");
  await first.pictures.close();

  const second = sources(50, cache);
  await second.pictures.prepare(second.all, () => t.fail("nothing has to be decoded"));
  t.same(await second.pixelsOf(second.all), second.all);
  t.same(second.done, { read: 0, decoded: 0, problems: [] }, "a second start reads no source");
  t.equal(second.pictures.content(3), first.pictures.content(3), "and knows its content");
  await second.pictures.close();
});

t.test("what is not prepared is decoded when it is read", async (t) => {
  const cache = cacheAt(await scratch(t));
  const some = sources(20, cache);
  await some.pictures.prepare([3, 4]);
  t.equal(some.done.decoded, 2);
  t.equal(some.pictures.content(5), null);
  t.same(await some.pixelsOf([4, 5]), [4, 5]);
  t.equal(some.done.decoded, 3);
  some.bytes[6] = Uint8Array.of(99, 7);
  await t.rejects(some.pixelsOf([6]), { message: "6.png cannot be read: no picture" });
  await some.pictures.close();
});

t.test("a changed source is decoded again, the same bytes are not", async (t) => {
  const cache = cacheAt(await scratch(t));
  const before = sources(5, cache);
  await before.pictures.prepare(before.all);
  await before.pictures.close();
  const after = sources(6, cache);
  after.bytes[2] = Uint8Array.of(30, 7);
  after.bytes[3] = after.bytes[0]!; // Another stamp for this name, but known bytes.
  await after.pictures.prepare(after.all);
  t.equal(after.done.decoded, 2, "one changed, one new");
  t.equal(after.done.read, 3, "and one whose stamp is another");
  t.same(await after.pixelsOf(after.all), [0, 1, 30, 0, 4, 5]);
  await after.pictures.close();
});

t.test("pictures that cannot be read are told by number", async (t) => {
  const { pictures, bytes, all, pixelsOf } = sources(6, cacheAt(await scratch(t)));
  bytes[1] = Uint8Array.of(99, 7);
  bytes[4] = new Uint8Array();
  const unreadable = await pictures.prepare(all);
  t.same([...unreadable].map(([number, { message }]) => [number, message]).sort(), [
    [1, "no picture"],
    [4, "gone"],
  ]);
  t.same(await pixelsOf([0, 2, 3, 5]), [0, 2, 3, 5]);
  await pictures.close();
});

t.test("a damaged cache is recognised and made anew", async (t) => {
  const changed = (bytes: Buffer, change: (bytes: Buffer) => void) => {
    change(bytes);
    return bytes;
  };
  const damage: Record<string, (bytes: Buffer) => Buffer> = {
    "pixels turned over": (bytes) => changed(bytes, (all) => all.writeUInt8(all[each * 2]! ^ 1, each * 2)),
    "cut in the pixels": (bytes) => bytes.subarray(0, each * 3),
    "cut in the index": (bytes) => bytes.subarray(0, bytes.length - 30),
    "cut in the trailer": (bytes) => bytes.subarray(0, bytes.length - 1),
    "an index of something else": (bytes) => changed(bytes, (all) => all.write("X", each * 10 + 5)),
    "an index too long": (bytes) => changed(bytes, (all) => all.writeUInt32LE(2 ** 31, all.length - 8)),
    empty: () => Buffer.alloc(0),
    zeros: (bytes) => Buffer.alloc(bytes.length),
  };
  for (const [name, change] of Object.entries(damage)) {
    const cache = cacheAt(await scratch(t));
    const first = sources(10, cache);
    await first.pictures.prepare(first.all);
    await first.pictures.close();
    const path = join(cache.folder, parts(cache.folder)[0]!);
    writeFileSync(path, change(readFileSync(path)));
    const second = sources(10, cache);
    await second.pictures.prepare(second.all);
    t.same(await second.pixelsOf(second.all), second.all, `${name}: the right pixels`);
    t.ok(second.done.decoded > 0, `${name}: some are decoded`);
    t.match(second.done.problems, [/is damaged; its pictures are decoded again$/], `${name}: it is told`);
    await second.pictures.close();
    const third = sources(10, cache);
    await third.pictures.prepare(third.all);
    t.same(await third.pixelsOf(third.all), third.all);
    t.same(third.done.problems, [], `${name}: the next start finds nothing damaged`);
    await third.pictures.close();
  }
  const cache = cacheAt(await scratch(t));
  const first = sources(3, cache);
  await first.pictures.prepare(first.all);
  await first.pictures.close();
  for (const text of ["", "{", "null", '[["0.png"]]', '[["0.png", 1, "x"], 7]', "[[]]"]) {
    writeFileSync(join(cache.folder, "stamps.json"), text);
    const again = sources(3, cache);
    await again.pictures.prepare(again.all);
    t.equal(again.done.decoded, 0, `stamps ${JSON.stringify(text)}: sources are read, none is decoded`);
    t.same(await again.pixelsOf(again.all), again.all);
    await again.pictures.close();
  }
});

t.test("two processes at once, and what an ended one left", async (t) => {
  const cache = cacheAt(await scratch(t));
  const [a, b] = [sources(30, cache, { fileBytes: 5 * each }), sources(30, cache, { fileBytes: 7 * each })];
  await Promise.all([a.pictures.prepare(a.all), b.pictures.prepare(b.all)]);
  t.same(await a.pixelsOf(a.all), a.all);
  t.same(await b.pixelsOf(b.all), b.all);
  for (const { pictures } of [a, b]) await pictures.close();
  const [old, young] = ["old", "young"].map((name) => join(cache.folder, `${name}.pictures.1-0.unfinished`));
  for (const path of [old!, young!]) writeFileSync(path, "half");
  const longAgo = Date.now() / 1000 - 7200;
  utimesSync(old!, longAgo, longAgo);
  for (const name of parts(cache.folder)) utimesSync(join(cache.folder, name), longAgo, longAgo);
  const twice = parts(cache.folder).length;
  const c = sources(30, cache);
  await c.pictures.prepare(c.all);
  t.same(await c.pixelsOf(c.all), c.all);
  t.same(c.done, { read: 0, decoded: 0, problems: [] });
  t.notOk(readdirSync(cache.folder).includes("old.pictures.1-0.unfinished"), "an old unfinished file goes");
  t.ok(readdirSync(cache.folder).includes("young.pictures.1-0.unfinished"), "one at work stays");
  t.ok(parts(cache.folder).length < twice, "files that hold nothing of their own go");
  await c.pictures.close();
  const d = sources(30, cache);
  await d.pictures.prepare(d.all);
  t.same([await d.pixelsOf(d.all), d.done.decoded], [d.all, 0], "and nothing is lost with them");
  await d.pictures.close();
});

t.test("without a cache that can be written it goes on, with bounded memory", async (t) => {
  const folder = await scratch(t);
  writeFileSync(join(folder, "file"), "");
  const bad = sources(20, cacheAt(join(folder, "file/cache")), { memory: 5 * each });
  await bad.pictures.prepare(bad.all);
  t.match(bad.done.problems, [/^decoded pictures are not kept for the next start, .*file\/cache/]);
  t.same(await bad.pixelsOf(bad.all), bad.all);
  t.same(await bad.pixelsOf(bad.all), bad.all);
  t.equal(bad.pictures.memoryBytes, 5 * each, "no more than allowed");

  for (const broken of ["create", "write", "finish"] as const) {
    const disk: Disk = {
      ...nodeDisk,
      async create(path) {
        const full = () => Promise.reject(new UserError(`Cannot write ${path}: the disk is full.`));
        if (broken === "create") return full();
        const writer = await nodeDisk.create(path);
        let writes = 0;
        return {
          write: (data) => (broken === "write" && ++writes > 3 ? full() : writer.write(data)),
          finish: () => (broken === "finish" ? full() : writer.finish()),
          abandon: () => writer.abandon(),
        };
      },
    };
    const cache = cacheAt(join(folder, broken), disk);
    const full = sources(20, cache, { memory: 4 * each, fileBytes: 6 * each });
    await full.pictures.prepare(full.all);
    t.match(full.done.problems, [/the disk is full/], `${broken}: told once`);
    t.same(await full.pixelsOf(full.all), full.all, `${broken}: all pictures all the same`);
    t.ok(full.pictures.memoryBytes <= 4 * each, `${broken}: within bounds`);
    t.same(parts(cache.folder), [], `${broken}: no half file`);
    t.notOk(
      readdirSync(cache.folder).some((name) => name.includes("unfinished")),
      `${broken}: nor a rest of one`,
    );
    await full.pictures.close();
  }
  if (process.getuid?.() !== 0) {
    const readOnly = join(folder, "read-only");
    mkdirSync(readOnly);
    chmodSync(readOnly, 0o500);
    const { pictures, done, pixelsOf, all } = sources(3, cacheAt(readOnly));
    await pictures.prepare(all);
    t.same(await pixelsOf(all), all);
    t.equal(done.problems.length, 1);
  }
});

t.test("batches are read ahead, each as it is", async (t) => {
  const reads: number[][] = [];
  const dataset = {
    size: 1,
    images: {
      async read(numbers: ArrayLike<number>, target: Uint8Array) {
        reads.push(Array.from(numbers));
        const values = Array.from(numbers).flatMap((number) => [number, number, number]);
        if (values.includes(60)) throw new UserError("sixty");
        await new Promise((resolve) => setTimeout(resolve, 5 - (values[0]! % 5)));
        target.set(values);
      },
    },
  } as unknown as Dataset;
  const reader = new ReadAhead(
    dataset,
    2,
    () => 31,
    (batch) => [2 * batch, 2 * batch + 1],
  );
  const firstOf = async (batch: number) => [...(await reader.at(batch))].filter((_, i) => i % 3 === 0);
  for (const batch of [0, 1, 2, 3, 9, 10, 2, 3, 4]) {
    t.same(await firstOf(batch), [2 * batch, 2 * batch + 1], `batch ${batch}`);
    t.ok(
      reads.some(([first]) => first === 2 * (batch + 4)),
      "the next ones are on their way",
    );
  }
  const before = reads.length;
  await reader.at(5);
  await reader.at(6);
  t.equal(reads.length - before, 2, "each is read once");
  t.same(await firstOf(29), [58, 59]);
  await t.rejects(reader.at(30), { message: "sixty" }, "an error comes with its own batch");
  t.notOk(
    reads.some(([first]) => first! > 60),
    "nothing is read beyond the last",
  );
});

t.test("a shorter last batch has its own pictures alone", async (t) => {
  const dataset = {
    size: 1,
    images: new MemoryImages(
      Uint8Array.from({ length: 21 }, (_, i) => i),
      1,
    ),
  };
  const numbers = [[0, 1, 2], [3, 4, 5], [6]];
  const reader = new ReadAhead(
    dataset as unknown as Dataset,
    3,
    () => 3,
    (batch) => numbers[batch]!,
  );
  // Twice: the second time its predecessors' memory is there to be used again.
  for (const batch of [0, 1, 2, 0, 1, 2]) {
    const expected = numbers[batch]!.flatMap((number) => [3 * number, 3 * number + 1, 3 * number + 2]);
    t.same([...(await reader.at(batch))], expected, `batch ${batch}`);
  }
});

/** A folder of PNGs, with counts of what is decoded of it. */
async function pictureFolder(t: Test, count: number) {
  const path = await scratch(t);
  const rows: string[] = [];
  for (let i = 0; i < count; i++) {
    const background = { r: i, g: 100, b: 200 };
    const png = sharp({ create: { width: 8, height: 8, channels: 3, background } }).png();
    writeFileSync(join(path, `${i}.png`), await png.toBuffer());
    rows.push(`{"file":"${i}.png","caption":"picture","split":"${i % 4 === 3 ? "validation" : "train"}"}`);
  }
  writeFileSync(join(path, "captions.jsonl"), rows.join("\n"));
  const decoded: number[] = [];
  const platform = {
    ...nodePlatform,
    images: {
      ...nodePlatform.images,
      async decode(bytes: Uint8Array, ...rest: [number, "contain" | "cover"]) {
        const image = await nodePlatform.images.decode(bytes, ...rest);
        decoded.push(image.data[0]!);
        return image;
      },
    },
  };
  const cache = cacheAt(join(await scratch(t), "cache"));
  const load = async (options: FolderOptions) => {
    decoded.length = 0;
    return loadFolder(platform, path, { size, cache, ...options });
  };
  return { path, decoded, load, cache };
}

t.test("a subset decodes its own pictures only", async (t) => {
  const { decoded, load, path } = await pictureFolder(t, 40);
  const whole = (await load({})).dataset;
  t.equal(decoded.length, 40, "all of a whole data set");
  await load({});
  t.equal(decoded.length, 0, "once");
  const used = (dataset: Dataset) => [...dataset.splits.train!, ...dataset.splits.validation!.slice(0, 2)];
  const { dataset } = await load({ subset: 5, used, size: 3 });
  t.same(
    [...decoded].sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 7],
    "of a subset what is used",
  );
  t.same(dataset.splits.train, whole.splits.train!.slice(0, 5));
  t.same(dataset.records, whole.records, "records and splits are those of the whole");
  t.same([...(await readImages(dataset, [11])).subarray(0, 3)], [11, 100, 200], "any other can be read");

  writeFileSync(join(path, "1.png"), "no picture");
  writeFileSync(join(path, "30.png"), "no picture");
  await t.rejects(load({ subset: 5, used }), /has 1 bad row.*\n.*captions.jsonl:2: 1.png cannot be read/s);
  const without = await load({ subset: 5, used, skipBad: true });
  t.equal(without.skipped.length, 1, "a bad picture is left out");
  t.same(
    without.dataset.splits.train!.map((record) => without.dataset.records[record]!.id),
    ["0.png", "2.png", "4.png", "5.png", "6.png"],
    "and another takes its place",
  );
  t.match((await load({ skipBad: true })).skipped, [/1.png/, /30.png/], "the whole has two");
});
