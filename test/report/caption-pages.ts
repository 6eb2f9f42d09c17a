/** A page of captions for tests: two pictures of two splits, two rows, two seeds. */

import type { CaptionPage } from "../../dist/report/caption-page.js";

export const page: CaptionPage = {
  title: "Captions of <birds>",
  legend: "Mean over 2 seeds.",
  note: "Pictures: all.",
  tables: [
    {
      title: "Scores",
      rowHead: 1,
      head: ["split", "captions by", "CIDEr-D"],
      rows: [["test", "a & b", "1.00"]],
    },
  ],
  rows: ["a & b", "c"],
  metrics: [
    { title: "CIDEr-D", decimals: 2 },
    { title: "exact", decimals: "share" },
  ],
  pictures: [
    {
      ...{
        split: "test",
        id: "one",
        png: Uint8Array.of(1, 2, 3),
        size: 16,
        references: ["a red bird", "<bird>"],
      },
      said: [
        { captions: ["a bird", "a bird"], scores: [1, Number.NaN] },
        { captions: ["a cat", "the cat"], scores: [0.25, 0.5] },
      ],
    },
    {
      ...{ split: "hard", id: "two", png: Uint8Array.of(4), size: 16, references: ["owl"] },
      said: [
        { captions: ["owl", ""], scores: [0.5, 0] },
        { captions: ["", "owl"], scores: [0.5, 0] },
      ],
    },
  ],
};
