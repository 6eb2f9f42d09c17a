import t from "tap";
import type { ClipFeatureTable } from "../../../dist/evaluation/clip-features.js";
import {
  COLUMN_NAMES,
  clipColumns,
  columnsOf,
  DEFAULT_COLUMNS,
  type PictureColumn,
  parseColumns,
} from "../../../dist/evaluation/table/columns.js";
import { reportCaptions } from "../../../dist/metrics/caption-metrics.js";
import { wordsTokenizer } from "../../../dist/metrics/caption-tokenizer.js";
import { clipScore, refClipScore } from "../../../dist/metrics/clip-score.js";
import { diversity } from "../../../dist/metrics/diversity.js";
import { ptbTokenizer } from "../../../dist/metrics/ptb/tokenizer.js";
import { UserError } from "../../../dist/platform/errors.js";
import { wordNet } from "../../wordnet.js";

const captions = ["a man with dark skin", "two dogs, running", "A cat.", "a man with dark skin"];
const references = [
  ["man: dark skin tone", "a man with dark skin"],
  ["two puppies run", "dogs"],
  ["a red cat on a mat"],
  ["woman: dark skin tone"],
];
const pictures = { images: [3, 1, 0, 2], references, corpus: references };
const training = ["A cat", "a dog"];

const sums = (rows: Float64Array, width: number) =>
  Array.from({ length: width }, (_, k) =>
    rows.reduce((sum, value, i) => (i % width === k ? sum + value : sum), 0),
  );

t.test("columns score captions as score.js does", async (t) => {
  for (const tokenizer of [ptbTokenizer, wordsTokenizer]) {
    const columns = columnsOf(parseColumns("all").columns, { tokenizer, wordNet, training });
    const { scores, each } = reportCaptions(captions, references, { tokenizer, wordNet });
    const varied = diversity(captions, training, tokenizer);
    const expected: Record<string, number> = { ...scores, ...varied };
    t.same(
      columns.map(({ name }) => name),
      Object.keys(expected)
        .map((name) => [COLUMN_NAMES.indexOf(name as (typeof COLUMN_NAMES)[number]), name] as const)
        .sort(([a], [b]) => a - b)
        .map(([, name]) => name),
      "all metrics of score.js, in the order of the table",
    );
    for (const column of columns) {
      const { name } = column;
      if (column.statistic === null) {
        t.equal(column.of(captions), expected[name], `${tokenizer.name}: ${name} of the set`);
        continue;
      }
      const rows = column.rows(captions, pictures);
      const score = column.statistic.of(sums(rows, column.statistic.width));
      t.ok(Math.abs(score - expected[name]!) < 1e-12, `${tokenizer.name}: ${name} ${score}`);
      const own = each[1]![name as keyof (typeof each)[1]];
      if (own === undefined) continue;
      const { width } = column.statistic;
      t.same(column.statistic.of(rows.subarray(width, 2 * width)), own, `${name} of a picture`);
    }
  }
});

t.test("shares of new captions need captions to compare with", async (t) => {
  const [column] = columnsOf(["newCaptions"], { tokenizer: ptbTokenizer, training: [] }) as [PictureColumn];
  t.same([...column.rows(captions, pictures)], [0, 0, 0, 0, 0, 0, 0, 0], "none applies");
});

t.test("what --metrics may name", async (t) => {
  t.same(parseColumns("all"), { columns: [...COLUMN_NAMES], truths: "all" });
  t.same(
    parseColumns(" relation,ciderD, objects2, bleu4 "),
    { columns: ["bleu4", "ciderD"], truths: ["objects2", "relation"] },
    "in the order of the table",
  );
  t.throws(
    () => parseColumns("bleu4,ciderd"),
    /"ciderd" is no metric \(did you mean ciderD\?\): name some of/,
  );
  for (const wrong of ["", "all,bleu4", "bleu4,"]) t.throws(() => parseColumns(wrong), UserError);
  for (const names of Object.values(DEFAULT_COLUMNS))
    t.same(parseColumns(names.join(",")).columns, names, "the defaults exist");
  t.throws(() => columnsOf(["meteor"], { tokenizer: ptbTokenizer, training }), /needs WordNet/);
});

t.test("CLIP's columns: the features of the picture, the caption and its references", async (t) => {
  const features: ClipFeatureTable = {
    ofPicture: (image) => Float32Array.of(1, image, -1),
    ofText: (text) => Float32Array.of(text.length, 1, text.charCodeAt(0) - 97),
  };
  const [score, withReferences] = clipColumns(features) as [PictureColumn, PictureColumn];
  const [rows, more] = [score.rows(captions, pictures), withReferences.rows(captions, pictures)];
  for (const [i, caption] of captions.entries()) {
    const [picture, text] = [features.ofPicture(pictures.images[i]!), features.ofText(caption)];
    t.same([rows[2 * i], rows[2 * i + 1]], [clipScore(picture, text), 1]);
    t.equal(more[2 * i], refClipScore(picture, text, references[i]!.map(features.ofText)));
  }
  t.ok(new Set(rows).size > 3, "pictures differ");
});
