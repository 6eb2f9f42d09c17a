/** A data set packed for a page comes back as it was. */
import t from "tap";
import { type Dataset, MemoryImages, readImages } from "../../dist/data/dataset.js";
import { readDataset, writeDataset } from "../../dist/data/prepared.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { MemoryFiles } from "../io/memory-files.js";

const { hash } = nodePlatform;
const size = 3;
const bytes = size * size * 3;

/** Four pictures; record 2 is in no split, as `data.subset` leaves records out. */
function dataset(): Dataset {
  const splitOf = ["train", "validation", "train", "train"];
  return {
    name: "four",
    size,
    images: new MemoryImages(
      Uint8Array.from({ length: 4 * bytes }, (_, i) => (i * 7) % 256),
      size,
    ),
    records: splitOf.map((split, i) => ({
      id: `${i}.png`,
      // Pictures in another order than their records.
      image: 3 - i,
      captions: [`picture ${i}`],
      keywordCaptions: [],
      split,
      attributes: { tones: [], gender: null, object: "picture" },
    })) as unknown as Dataset["records"],
    splits: { train: [0, 3], validation: [1] },
  };
}

t.test("what is in a split comes back, with its pixels", async (t) => {
  const files = new MemoryFiles();
  const before = dataset();
  await writeDataset({ files, hash }, "data", before);
  const after = await readDataset({ files, hash }, "data");
  t.same(after.splits, { train: [0, 2], validation: [1] });
  t.equal(after.images.count, 3);
  for (const [number, kept] of [0, 1, 3].entries()) {
    const [old, now] = [before.records[kept]!, after.records[number]!];
    t.same({ ...now, image: 0 }, { ...old, image: 0 });
    t.same(
      await readImages(after, [now.image]),
      await readImages(before, [old.image]),
      `the pixels of ${old.id}`,
    );
  }
});

t.test("damage is named", async (t) => {
  const files = new MemoryFiles();
  await writeDataset({ files, hash }, "data", dataset());
  const [index, images] = [await files.readText("data/dataset.json"), await files.read("data/images.u8")];
  const damaged = { message: "data/images.u8 is damaged: it is not what dataset.json describes" };
  await files.write("data/images.u8", images.subarray(1));
  await t.rejects(readDataset({ files, hash }, "data"), damaged, "a byte too few");
  await files.write(
    "data/images.u8",
    images.map((value, i) => (i === 5 ? value ^ 1 : value)),
  );
  await t.rejects(readDataset({ files, hash }, "data"), damaged, "a bit turned over");
  await files.write("data/images.u8", images);
  await files.write("data/dataset.json", index.replace("dataset-1", "dataset-9"));
  await t.rejects(readDataset({ files, hash }, "data"), {
    message: /^data\/dataset.json has format "mc-diffusion-dataset-9"/,
  });
  await files.write("data/dataset.json", index.replace('"size"', '"side"'));
  await t.rejects(readDataset({ files, hash }, "data"), {
    message: "data/dataset.json lacks name, size or records",
  });
});
