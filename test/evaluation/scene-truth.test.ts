/** What is true of captions of scenes, as columns of tables: the model, another picture's captions, and the references themselves. */
import t from "tap";
import { scenesDataset } from "../../dist/data/scenes/dataset.js";
import { TRUTH_NAMES } from "../../dist/data/scenes/truth-scores.js";
import { truthTable } from "../../dist/evaluation/scene-truth.js";
import type { CaptionRow } from "../../dist/evaluation/scoring.js";
import { scoresOf } from "../../dist/evaluation/scoring.js";
import { columnsOf } from "../../dist/evaluation/table/columns.js";
import { measureTable, tableOf } from "../../dist/evaluation/table/model-table.js";
import { referencesRow, sceneColumns } from "../../dist/evaluation/table/scene-columns.js";
import { modelDifferences, modelTable } from "../../dist/evaluation/table/table-text.js";
import { wordsTokenizer } from "../../dist/metrics/caption-tokenizer.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { sceneArt as art } from "../support/scene-art.js";

const dataset = await scenesDataset(nodePlatform, art, { size: 32, trainingScenes: 5 });
const records = dataset.splits.test!.slice(0, 60);
const references = records.map((record) => dataset.records[record]!.captions);
const images = records.map((record) => dataset.records[record]!.image);
const firstOf = (list: readonly string[]) => list[0]!;
const own: CaptionRow = {
  method: "model",
  name: "model",
  said: [references.map(firstOf), references.map((list) => list[3]!)],
};
const shuffled: CaptionRow = {
  method: "shuffled",
  name: "model, other picture",
  said: own.said.map((list) => [...list.slice(1), list[0]!]),
};

t.test("the table beside the scores of one model", async (t) => {
  const rows = [own, shuffled];
  const captions = records.map((record, i) => ({
    id: dataset.records[record]!.id,
    image: images[i]!,
    references: references[i]!,
    captions: Object.fromEntries(rows.map(({ name, said }) => [name, said.map((list) => list[i]!)])),
  }));
  const scores = scoresOf(rows, references, references, 50);
  const splits = [{ split: "test", pictures: 60, of: 1000, ...scores, captions }];
  const evaluation = { seeds: [1, 2], draws: 200, level: 0.95, splits };
  const table = await truthTable(dataset, evaluation);
  t.same(
    table.columns.map(({ name }) => name),
    [...TRUTH_NAMES],
  );
  const [{ rows: scored }] = table.splits as [(typeof table.splits)[number]];
  t.same(
    scored.map(({ name, method }) => [name, method]),
    [
      ["model", "model"],
      ["model, other picture", "shuffled"],
      ["references", "references"],
    ],
  );
  const [model, other, truth] = scored.map(({ scores }) => scores);
  for (const name of TRUTH_NAMES) t.equal(truth![name]!.mean, 1, `references: ${name}`);
  for (const name of ["objects1", "relation", "count", "ground"] as const) {
    t.ok([1, Number.NaN].includes(model![name]!.mean), `captions of the picture: ${name}`);
    t.ok(other![name]!.mean < 0.5, `captions of another picture: ${name} ${other![name]!.mean}`);
    t.ok(other![name]!.low <= other![name]!.mean && other![name]!.high >= other![name]!.mean, "interval");
  }
  t.same(model!.objects1!.seeds, [1, 1], "the first reference names all");
  t.ok(model!.objectRecall!.seeds[1]! < 1 || model!.objectPrecision!.mean === 1);
  t.equal(truth!.relation!.seeds.length, 1, "ten references are one score");
  t.match(modelTable(table), /\| test \| 60 \| references \| 100\.0 %/);
});

t.test("other columns do not judge the references that they compare with", async (t) => {
  const pictures = { images, references, corpus: references };
  const columns = [
    ...columnsOf(["bleu4", "ciderD", "distinct1"], { tokenizer: wordsTokenizer, training: [] }),
    ...sceneColumns(dataset, ["objects2", "relation"]),
  ];
  const ids = records.map((record) => dataset.records[record]!.id);
  const inputs = [{ split: "test", ids, pictures, rows: [own, shuffled, referencesRow(pictures)], columns }];
  const table = tableOf(inputs, await measureTable(inputs), { seeds: [1, 2], draws: 200 });
  const [{ rows, differences, family }] = table.splits as [(typeof table.splits)[number]];
  for (const name of ["bleu4", "ciderD", "distinct1"]) {
    t.ok(rows[0]!.scores[name]!.mean > 0, `${name} of the model`);
    t.ok(Number.isNaN(rows[2]!.scores[name]!.mean), `${name} of the references`);
    t.ok(Number.isNaN(differences[1]!.scores[name]!.p), "no test");
  }
  t.equal(rows[2]!.scores.relation!.mean, 1);
  t.equal(family, 6, "two rows and four columns, but for two of the references");
  t.match(modelTable(table), /references \| – \| – \| – \| 100\.0 %/);
  t.match(modelDifferences(table), /references − model \| – \| – \| – \|/);
});
