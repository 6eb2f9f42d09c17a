/** What a run keeps of its data, and what it tells when that is another. */

import t from "tap";
import { type Dataset, splitsOf } from "../../dist/data/dataset.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import { nodePlatform } from "../../dist/platform/node.js";
import type { Tokenizer } from "../../dist/text/tokenizer.js";
import { WordTokenizer } from "../../dist/text/words.js";
import { saveCheckpoint } from "../../dist/training/checkpoint.js";
import { dataDifferences, describeData, keepData, keptData } from "../../dist/training/run-data.js";
import {
  buildVocabulary,
  keptVocabulary,
  resumedVocabulary,
  writeVocabulary,
} from "../../dist/training/vocabulary.js";
import { MemoryFiles } from "../io/memory-files.js";
import { tinyConfig } from "./setup.js";
import { toyDataset } from "./toy.js";

const { hash } = nodePlatform;
const config = tinyConfig();

/** A data set whose pictures have contents; `change` makes another of its records. */
function dataset(
  change: (records: Dataset["records"][number][]) => void = () => {},
  contents = (image: number): string | null => `${image}`,
): Dataset {
  const toy = toyDataset(12);
  const records = [...toy.records];
  change(records);
  const images = { ...toy.images, count: 12, content: contents } as unknown as Dataset["images"];
  return { ...toy, images, records, splits: splitsOf(records) };
}

/** With the vocabulary of the plain data set unless told otherwise, as a run keeps it. */
const describe = async (of: Dataset, words: Dataset = dataset()) =>
  describeData(of, await buildVocabulary(words, config, new MemoryFiles()), hash);

t.test("differences are told item by item", async (t) => {
  const before = await describe(dataset());
  const differences = async (of: Dataset) => dataDifferences(before, await describe(of));
  t.same(await differences(dataset()), [], "the same data");
  t.same(await differences(dataset((records) => records.reverse())), [], "in another order");
  t.same(await differences(dataset((records) => records.splice(0, 1))), ["1 picture removed: thing 0"]);
  t.same(await differences(dataset((records) => records.splice(0, 8, { ...records[0]!, id: "new" }))), [
    "8 pictures removed: thing 0, thing 1, thing 2, thing 3, thing 4 and 3 more",
    "1 picture added: new",
  ]);
  t.same(await differences(dataset(undefined, (image) => (image === 3 ? "other" : `${image}`))), [
    "1 picture changed: thing 0",
  ]);
  t.same(await differences(dataset(undefined, () => null)), [], "what was not read may be the same");
  t.same(await differences(dataset((records) => (records[1] = { ...records[1]!, captions: ["a zebra"] }))), [
    "captions of 1 picture rewritten: thing 1",
  ]);
  t.same(
    dataDifferences(
      before,
      await describe(
        dataset(),
        dataset((records) => records.splice(1, 1)),
      ),
    ),
    ["vocabulary.json holds other words"],
  );
  t.same(await differences(dataset((records) => (records[0] = { ...records[0]!, split: "test" }))), [
    "1 picture in another split: thing 0 (validation → test)",
  ]);
});

t.test("the fingerprint is kept, with what was known before, and damage is told", async (t) => {
  const files = new MemoryFiles();
  t.equal(await keptData(files, "run"), null, "runs of older versions have none");
  const before = await describe(dataset());
  await keepData(files, "run", before);
  t.same(await keptData(files, "run"), before);
  await keepData(
    files,
    "run",
    await describe(dataset(undefined, (image) => (image < 6 ? `${image}` : null))),
    before,
  );
  t.same(await keptData(files, "run"), before, "contents that were not read this time stay known");
  const whole = await files.readText("run/data.json");
  for (const text of [
    "",
    "{",
    "null",
    "[]",
    whole.slice(0, -9),
    whole.replace("data-1", "data-2"),
    whole.replace('"train"', "7"),
    '{"format":"mc-diffusion-run-data-1","vocabulary":"x","pictures":[7]}',
  ]) {
    await files.write("run/data.json", text);
    await t.rejects(
      keptData(files, "run"),
      { name: "UserError", message: /^run\/data.json is damaged/ },
      JSON.stringify(text.slice(0, 40)),
    );
  }
});

t.test("a lost vocabulary is restored from a checkpoint, and never made of other captions", async (t) => {
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "run", {});
  const data = dataset();
  const own = await buildVocabulary(data, config, files);
  const before = await describe(data);
  const zebra = dataset((records) => (records[1] = { ...records[1]!, captions: ["a zebra"] }));
  const resume = (of: Dataset, otherData = false, known: typeof before | null = before) =>
    resumedVocabulary({ files, hash }, run, of, config, { before: known, otherData });
  const wordsOf = ({ tokenizer }: { tokenizer: Tokenizer }) => tokenizer.toJSON().words as string[];

  t.same(
    wordsOf(await resume(data)),
    own.toJSON().words,
    "nothing is trained: the same captions give the same words",
  );
  await t.rejects(
    resume(zebra),
    /vocabulary.json is missing, and these captions have other words .*--changed-data/,
  );
  await t.rejects(resume(data, false, null), /these captions have other words/, "unknown data is other data");
  t.ok(wordsOf(await resume(zebra, true)).includes("zebra"), "unless they are wanted");

  const save = (step: number, state: object) =>
    saveCheckpoint(
      files,
      run.checkpointFolder("vqvae"),
      { step, model: new Map(), optimizer: new Map(), state: state as never },
      5,
    );
  await save(3, { seed: 1 });
  await t.rejects(
    resume(zebra, true),
    /neither a checkpoint nor weights\/ hold the words/,
    "a model keeps its words",
  );
  await files.write("run/weights/config.json", JSON.stringify({ tokenizer: own.toJSON() }));
  t.same(wordsOf(await resume(zebra)), own.toJSON().words, "from the finished weights");
  await files.remove("run/weights");
  await save(6, { seed: 1, ...keptVocabulary(own) });
  const restored = await resume(zebra);
  t.same(wordsOf(restored), own.toJSON().words, "from a checkpoint");
  t.equal(restored.restored, "run/checkpoints/vqvae/step-000006", "which is named");
  await writeVocabulary(files, "run", new WordTokenizer(["other"]));
  t.same(
    wordsOf(await resume(data)),
    ["other"],
    "the file itself comes first; that it is another is told elsewhere",
  );
});
