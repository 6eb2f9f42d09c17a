import t from "tap";
import { type Dataset, MemoryImages, splitsOf } from "../../../dist/data/dataset.js";
import { splitView } from "../../../dist/evaluation/sweep/split-view.js";

const splits = ["test", "train", "validation", "test", "validation"];
const records = splits.map((split, i) => ({
  ...{ id: `${split} ${i}`, image: (i + 2) % 5, captions: [`caption ${i}`], keywordCaptions: [], split },
  attributes: { tone: "none", gender: "none", objectWords: [] } as const,
}));
const whole: Dataset = {
  ...{ name: "five", size: 1, records, splits: splitsOf(records) },
  images: new MemoryImages(
    Uint8Array.from({ length: 15 }, (_, i) => Math.floor(i / 3)),
    1,
  ),
};

t.test("a view holds the records of its splits and no others", async (t) => {
  const view = splitView(whole, ["train", "validation"]);
  t.same(Object.keys(view.splits), ["train", "validation"]);
  t.same({ ...view.splits }, { train: [0], validation: [1, 2] }, "numbered anew");
  t.same(
    view.records.map(({ id }) => id),
    ["train 1", "validation 2", "validation 4"],
  );
  t.notMatch(JSON.stringify(view), /caption 0|caption 3|test/, "nothing of the test split is in it");
  const target = new Uint8Array(3);
  await view.images.read([view.records[2]!.image], target);
  t.same([...target], [1, 1, 1], "the picture of record 4");
  await t.rejects(
    view.images.read([whole.records[0]!.image], target),
    /picture 2 is not of train or validation/,
  );
  t.throws(() => view.images.content(whole.records[3]!.image), /picture 0 is not of/);
  t.same({ ...splitView(whole, ["train", "none"]).splits }, { train: [0] }, "a split that is not there");
});
