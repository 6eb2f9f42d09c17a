/** Data sets as they are downloaded: small ones are made in the folders and file forms of the real ones. */

import { mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { aroundBox } from "../../dist/data/cub.js";
import { readImages } from "../../dist/data/dataset.js";
import type { DataLayout } from "../../dist/data/layout.js";
import { countsOf, countWarning, dataSource, layoutOf, loadLayout } from "../../dist/data/layouts.js";
import { decodePart, nodePlatform } from "../../dist/platform/node.js";
import { drawBirds } from "../support/birds.js";
import {
  type CubForm,
  writeCoco,
  writeCub,
  writeFlickr,
  writeImagefolder,
  writeKarpathyCoco,
} from "../support/data-sets.js";

t.setTimeout(120_000);

const { files } = nodePlatform;
const { cub, coco, flickr, imagefolder } = Object.fromEntries(
  (["cub", "coco", "flickr", "imagefolder"] as const).map((name) => [name, layoutOf(name)!]),
) as Record<"cub" | "coco" | "flickr" | "imagefolder", DataLayout>;

function scratch(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), "layouts-"));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

const load = (layout: DataLayout, folder: string, more: Parameters<typeof loadLayout>[3] = {}) =>
  loadLayout(nodePlatform, layout, folder, {
    size: 8,
    decode: (bytes, size, box) => decodePart(bytes, size, "contain", box),
    ...more,
  });

const counts = (splits: Readonly<Record<string, readonly number[]>>) =>
  Object.fromEntries(Object.entries(splits).map(([name, { length }]) => [name, length]));

t.test("CUB: pictures, ten captions, disjoint classes", async (t) => {
  const folder = scratch(t);
  const birds = await writeCub(folder, 4);
  const { dataset, listing } = await load(cub, folder, { validationShare: 0.2 });
  t.same(Object.fromEntries(countsOf(listing)), { train: 24, test: 8 }, "six classes and two");
  t.equal(dataset.splits.train!.length + dataset.splits.validation!.length, 24);
  t.ok(dataset.splits.validation!.length > 0, "some of the training pictures are set apart");
  const classesOf = (...splits: string[]) =>
    new Set(
      splits.flatMap((split) => dataset.splits[split]!.map((i) => dataset.records[i]!.id.split("/")[0])),
    );
  const [seen, unseen] = [classesOf("train", "validation"), classesOf("test")];
  t.same([...unseen].sort(), ["007.Orange_Warbler", "008.Grey_Warbler"]);
  t.notOk(
    [...unseen].some((name) => seen.has(name)),
    "no class of the test is trained",
  );

  const record = (i: number) => dataset.records.find(({ id }) => id.endsWith(birds[i]!.name))!;
  t.same(record(0).captions, birds[0]!.captions, "ten captions in their order");
  t.equal(record(1).captions.length, 9, "a blank one less");
  t.equal(record(2).captions.length, 8, "a blank one and one without a word");
  t.same(record(3).captions, birds[3]!.captions, "U+FFFD stands for a blank");
  t.same(record(4).captions, birds[4]!.captions, "a byte that is not UTF-8 goes");
  t.same(listing.leftOut.describe(), [
    `2 × blank captions (first: cvpr2016_cub/text_c10/${birds[1]!.species}/${birds[1]!.name}.txt:5)`,
    `1 × captions without a word (first: cvpr2016_cub/text_c10/${birds[2]!.species}/${birds[2]!.name}.txt:1)`,
  ]);
  t.match(listing.found[1], "2 pictures have fewer than 10 usable captions");
  t.match(
    countWarning(listing),
    "the counts are not those of CUB-200-2011: 8855 train pictures expected, 24 found; 2933 test pictures expected, 8 found",
  );

  const pixels = await readImages(dataset, [record(3).image]);
  const middle = pixels.subarray((4 * 8 + 4) * 3, (4 * 8 + 4) * 3 + 3);
  t.ok(middle[0] === middle[1] && middle[1] === middle[2], "a grey picture has three equal channels");
  await dataset.images.close();
});

t.test("CUB: the same records wherever it is unpacked, with or without tables", async (t) => {
  const folder = scratch(t);
  const forms: Record<string, CubForm> = {
    usual: {},
    flat: { images: "", captions: "text_c10", lists: "" },
    inside: { captions: "CUB_200_2011/text_c10", lists: "CUB_200_2011" },
    nested: { images: "birds/CUB_200_2011", captions: "birds/text/text", lists: "birds" },
    attngan: {
      images: "birds/CUB_200_2011",
      captions: "birds/text",
      lists: null,
      pickles: { folder: "birds", protocol: 0 },
    },
    vqdiffusion: {
      images: "",
      captions: "text/text",
      lists: null,
      tables: false,
      pickles: { folder: "", protocol: 2 },
    },
    untabled: { tables: false, captions: "captions/text_c10", lists: "captions" },
  };
  let first: unknown;
  for (const [name, form] of Object.entries(forms)) {
    await writeCub(join(folder, name), 2, form);
    const { dataset } = await load(cub, join(folder, name));
    const records = dataset.records.map(({ id, split, captions }) => ({ id, split, captions }));
    records.sort((a, b) => (a.id < b.id ? -1 : 1));
    first ??= records;
    t.same(records, first, name);
    t.equal((await dataSource(files, join(folder, name))).source, "cub", `${name} is recognised`);
  }
});

t.test("CUB: other splits", async (t) => {
  const folder = scratch(t);
  const birds = await writeCub(folder, 4);
  const official = await load(cub, folder, { split: "official", validationShare: 0 });
  const splitOf = (i: number) =>
    official.dataset.records.find(({ id }) => id.endsWith(birds[i]!.name))!.split;
  t.same([0, 1, 2, 3].map(splitOf), ["train", "test", "train", "test"], "1 is trained");
  t.same(Object.fromEntries(countsOf(official.listing)), { train: 16, test: 16 });
  t.match(countWarning(official.listing), /5994 train .* 5794 test/);
  const trained = new Set(
    official.dataset.splits.test!.map((i) => official.dataset.records[i]!.id.split("/")[0]),
  );
  t.equal(trained.size, 8, "each class is tested");

  const byFolder = await load(cub, folder, { split: join(folder, "cvpr2016_cub") });
  t.same(counts(byFolder.dataset.splits), { train: 16, validation: 8, test: 8 }, "lists of classes");

  const lists = join(folder, "mine.txt");
  const names = drawBirds(4).map(({ name }) => name);
  writeFileSync(lists, `${names[0]}.jpg train\n${names[1]} val\r\n${names[2]},test\n`);
  const mine = await load(cub, folder, { split: lists });
  t.same(counts(mine.dataset.splits), { train: 1, validation: 1, test: 1 });
  t.equal(mine.listing.leftOut.count("pictures in no list of the split"), 29);
  writeFileSync(lists, `${names[0]} trian\n`);
  await t.rejects(load(cub, folder, { split: lists }), {
    message: `${lists}:1: expected a picture and its split (train, validation or test), found "${names[0]} trian"`,
  });
  await t.rejects(load(cub, folder, { split: "zeroshot" }), {
    message: "data.split=zeroshot is neither a split of cub (zero-shot, official) nor the path of lists",
  });
  await t.rejects(load(cub, folder, { split: folder }), /has no list of training pictures/);

  const bundle = join(folder, "bundle");
  await writeCub(bundle, 1, { lists: null, pickles: { folder: "", protocol: 2 } });
  writeFileSync(join(bundle, "test/filenames.pickle"), Buffer.from([0x80, 2, 0x4b, 7, 0x2e]));
  await t.rejects(load(cub, bundle), /filenames.pickle is not a pickled list of file names, "CLASS\/NAME"/);

  const unlisted = join(folder, "unlisted");
  await writeCub(unlisted, 2, { lists: null });
  const guessed = await load(cub, unlisted);
  t.same(Object.fromEntries(countsOf(guessed.listing)), { train: 12, test: 4 });
  t.match(
    guessed.listing.warnings[0],
    /looked for testclasses.txt .* scores do not compare with published ones/,
  );
});

t.test("CUB: bounding boxes", async (t) => {
  // As AttnGAN's code works it out for the first picture of a published file: r = 243 about (222, 179).
  const published = { x: 60, y: 27, width: 325, height: 304 };
  t.same(aroundBox(published), { x: -21, y: -64, width: 486, height: 486 });

  const folder = scratch(t);
  const [bird] = await writeCub(folder, 2);
  const whole = await load(cub, folder, { size: 32 });
  const cut = await load(cub, folder, { size: 32, crop: true });
  const pixelsOf = async ({ dataset }: typeof cut) => {
    const record = dataset.records.find(({ id }) => id.endsWith(bird!.name))!;
    return readImages(dataset, [record.image]);
  };
  const jpeg = readFileSync(join(folder, "CUB_200_2011/images", bird!.species, `${bird!.name}.jpg`));
  t.same(await pixelsOf(cut), await decodePart(jpeg, 32, "contain", aroundBox(bird!.box)));
  t.notSame(await pixelsOf(cut), await pixelsOf(whole), "not the whole picture");
  t.not(
    cut.dataset.images.content(0),
    whole.dataset.images.content(0),
    "a cache tells the cut picture from the whole one",
  );

  unlinkSync(join(folder, "CUB_200_2011/bounding_boxes.txt"));
  await t.rejects(load(cub, folder, { crop: true }), {
    message: `${folder} has no bounding_boxes.txt, which data.crop=true needs; set data.crop=false`,
  });
});

t.test("COCO: annotations of either year, Karpathy's splits", async (t) => {
  const folder = scratch(t);
  const old = join(folder, "2014");
  const birds = await writeCoco(old, 4, 2014);
  const official = await load(coco, old);
  t.equal(official.listing.title, "COCO 2014, split official");
  t.same(counts(official.dataset.splits), { train: 19, validation: 13 });
  t.match(
    countWarning(official.listing),
    /COCO 2014: 82783 train pictures expected, 19 found; 40504 validation/,
  );
  t.same(official.dataset.records[0]!.captions, birds[0]!.captions.slice(0, 5));
  t.match(official.listing.leftOut.describe(), [
    /2 × captions without a word/,
    /2 × captions of unknown images/,
  ]);

  await writeKarpathyCoco(old, birds);
  const karpathy = await load(coco, old);
  t.same(counts(karpathy.dataset.splits), { train: 19, validation: 6, test: 7 }, "restval is trained");
  t.equal(karpathy.listing.known!.splits.train, 113287);
  t.same(counts((await load(coco, old, { split: "official" })).dataset.splits), {
    train: 19,
    validation: 13,
  });

  const young = join(folder, "2017");
  await writeCoco(young, 4, 2017);
  t.equal((await load(coco, young)).listing.title, "COCO 2017, split official");
  await writeKarpathyCoco(young, birds);
  t.same(
    counts((await load(coco, young)).dataset.splits),
    { train: 19, validation: 6, test: 7 },
    "the file's names of 2014 find pictures of 2017",
  );
  t.equal((await dataSource(files, young)).source, "coco");
});

t.test("Flickr: token file with lists, tables, Karpathy's splits", async (t) => {
  const folder = scratch(t);
  const expected = drawBirds(4).map(({ captions }) => captions.slice(0, 5));
  for (const [form, splits] of [
    ["token", { train: 19, validation: 6, test: 7 }],
    ["captions.txt", null],
    ["results.csv", null],
    ["karpathy", { train: 19, validation: 6, test: 7 }],
  ] as const) {
    const path = join(folder, form);
    await writeFlickr(path, 4, form);
    const { dataset, listing } = await load(flickr, path);
    t.same(
      dataset.records.map(({ captions }) => captions),
      expected,
      `captions of ${form}`,
    );
    if (splits) t.same(counts(dataset.splits), splits);
    else t.same(Object.keys(dataset.splits).sort(), ["train", "validation"], "divided by hash");
    t.equal(
      listing.leftOut.describe().length,
      { token: 2, "captions.txt": 1, "results.csv": 1, karpathy: 0 }[form],
    );
    if (form !== "captions.txt") t.equal((await dataSource(files, path)).source, "flickr");
  }
  const token = join(folder, "token");
  await t.rejects(load(flickr, token, { split: "karpathy" }), /has no dataset_flickr8k.json/);
  rmSync(join(token, "Flickr8k_text/Flickr_8k.devImages.txt"));
  const rest = await load(flickr, token, { validationShare: 0.3 });
  t.equal(rest.listing.leftOut.count("pictures in no list of the split"), 6);
  t.ok(rest.dataset.splits.validation!.length > 0, "without a list of validation, some are set apart");
});

t.test("imagefolder: JSON lines, CSV, a folder for each split", async (t) => {
  const folder = scratch(t);
  for (const form of ["jsonl", "csv", "splits"] as const) {
    const path = join(folder, form);
    const birds = await writeImagefolder(path, 4, form);
    const { dataset } = await load(imagefolder, path);
    const captions = form === "csv" ? [birds[0]!.captions[7]] : birds[0]!.captions;
    t.same(dataset.records.find(({ id }) => id.endsWith(`${birds[0]!.name}.jpg`))!.captions, captions, form);
    t.equal(dataset.records.length, 32);
    if (form === "splits") t.same(counts(dataset.splits), { test: 7, train: 19, validation: 6 });
    t.equal((await dataSource(files, path)).source, "imagefolder");
  }
  const bad = join(folder, "bad");
  await writeImagefolder(bad, 1, "jsonl");
  const text = readFileSync(join(bad, "metadata.jsonl"), "utf8");
  writeFileSync(join(bad, "metadata.jsonl"), `${text}{"file_name": "none.png", "text": "x"}\n{}\n`);
  await t.rejects(load(imagefolder, bad), {
    message: `${bad} has 2 bad rows; correct them or leave them out with --skip-bad:\n  metadata.jsonl:9: there is no file none.png\n  metadata.jsonl:10: the file name is missing`,
  });
  t.equal((await load(imagefolder, bad, { skipBad: true })).dataset.records.length, 8);
});

t.test("what is not such a data set: one sentence that says what was looked for", async (t) => {
  const folder = scratch(t);
  await mkdir(join(folder, "some"));
  writeFileSync(join(folder, "notes.txt"), "");
  const holds = "it holds notes.txt, some";
  for (const [layout, looked] of [
    [
      cub,
      'no folder "images" of CUB-200-2011 (looked for CUB_200_2011/images and images, up to three folders deep)',
    ],
    [
      coco,
      "no captions of COCO (looked for annotations/captions_train2017.json and the like, and for dataset_coco.json)",
    ],
    [
      flickr,
      "no captions of Flickr (looked for *.token, *.token.txt, captions.txt, results.csv and dataset_flickr*.json, up to two folders deep)",
    ],
    [imagefolder, "no metadata.jsonl or metadata.csv (looked up to two folders deep)"],
  ] as const) {
    await t.rejects(load(layout, folder), { message: `${folder} has ${looked}; ${holds}` });
    await t.rejects(
      load(layout, join(folder, "none")),
      /none is not a folder; --data \w+:FOLDER takes one with/,
    );
    if (layout !== cub)
      await t.rejects(load(layout, folder, { crop: true }), /data.crop=true needs bounding boxes/);
  }
  const packed = join(folder, "packed");
  await writeCub(packed, 1);
  renameSync(join(packed, "cvpr2016_cub"), join(packed, "cvpr2016_cub.tgz"));
  await t.rejects(load(cub, packed), /has pictures but no captions .*; unpack cvpr2016_cub.tgz/);

  const strangers = join(folder, "strangers");
  await writeCub(strangers, 1, { captions: "text_c10" });
  renameSync(join(strangers, "text_c10"), join(strangers, "old"));
  await mkdir(join(strangers, "text_c10/a"), { recursive: true });
  writeFileSync(join(strangers, "text_c10/a/b.txt"), "a bird\n");
  await t.rejects(load(cub, strangers), /none of the 1 files of text_c10 belongs to one of the 8 pictures/);

  const pictureless = join(folder, "pictureless");
  await writeCoco(pictureless, 1, 2017);
  for (const part of ["train", "val"]) rmSync(join(pictureless, `${part}2017`), { recursive: true });
  await t.rejects(
    load(coco, pictureless),
    /has none of the 8 pictures of annotations\/captions_train2017.json/,
  );
  writeFileSync(join(pictureless, "annotations/captions_train2017.json"), "{}");
  await t.rejects(load(coco, pictureless), /lacks the list "images" or "annotations" of COCO's captions/);
});

t.test("--data names a layout, or a folder that is recognised", async (t) => {
  const folder = scratch(t);
  t.same(await dataSource(files, "emoji"), { source: "emoji", folder: "" });
  t.same(await dataSource(files, `cub:${folder}`), { source: "cub", folder });
  t.same(await dataSource(files, folder), { source: "folder", folder }, "our own formats, if nothing else");
  await t.rejects(dataSource(files, `cup:${folder}`), {
    message: `--data cup:${folder}: there is no layout "cup" (did you mean cub?); layouts: folder, cub, coco, flickr, imagefolder`,
  });
  await t.rejects(dataSource(files, "coco:"), { message: "--data coco: names no folder; write coco:FOLDER" });
  writeFileSync(join(folder, "captions.jsonl"), "");
  writeFileSync(join(folder, "metadata.jsonl"), "");
  t.same(await dataSource(files, folder), { source: "folder", folder }, "our own caption file comes first");
});
