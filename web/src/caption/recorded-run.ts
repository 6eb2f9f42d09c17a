/** A recorded caption for browsers without WebGPU: every step can be looked at, as with one that was just denoised. */

import run from "../../measured/recorded-run.json" with { type: "json" };
import { fromBase64 } from "../base64.js";
import { attentionOf, type Word } from "../caption-words.js";
import { CodeFigure } from "../code-figure.js";
import { CodeGrid } from "../code-grid.js";
import { captioned, h, percent } from "../dom.js";
import { fetchPicture, readPicture } from "../picture.js";
import { Scrubber } from "../scrubber.js";
import { WordRow } from "../word-row.js";

/** The steps with the words as the row shows them and their attention to the codes. */
const steps = run.steps.map(({ u, words, text, probabilities, attention }) => ({
  u,
  words,
  text,
  row: words.map(
    (word, i): Word => ({ from: i, to: i + 1, text: word, probability: probabilities[i]!, alternatives: [] }),
  ),
  attention: {
    rows: words.length,
    columns: run.codes.length,
    data: Float32Array.from(fromBase64(attention), (weight) => weight / 255),
  },
}));

/** The recorded run, with its picture. Throws a `UserError` if the picture cannot be fetched. */
export async function recordedRun(): Promise<HTMLElement> {
  const picture = await fetchPicture(`gallery/${run.picture}`, "the recorded picture");
  const side = Math.round(Math.sqrt(run.codes.length));
  let index = steps.length - 1;
  const readout = h("p", { class: "readout", "aria-live": "polite" });
  const result = h("p", { class: "caption" });
  const { seed, steps: count, guidance, scale } = run.settings;
  const grid = new CodeGrid({
    label:
      "The recorded picture under its code grid; the arrow keys move from cell to cell and show the words that attend to it",
    onCell: (cell) => {
      const { row, attention } = steps[index]!;
      const weights = cell === null ? null : row.map((word) => attentionOf(attention, word)[cell]!);
      words.tint(weights);
      const most = weights ? weights.indexOf(Math.max(...weights)) : -1;
      readout.textContent = weights
        ? `Attended to most by ${row[most]!.text} ${percent(weights[most]!)}.`
        : "";
    },
  });
  const words = new WordRow({
    label: "Recorded caption",
    onPoint: (at) =>
      grid.light(at === null ? null : attentionOf(steps[index]!.attention, steps[index]!.row[at]!)),
  });
  const show = (at: number) => {
    index = at;
    words.show(steps[at]!.row);
    result.textContent = steps[at]!.u === 0 ? steps[at]!.text : "…";
  };
  const scrubber = new Scrubber(show);
  const figure = new CodeFigure();
  grid.show(picture.pixels, side);
  const png = new Blob([fromBase64(run.reconstruction)]);
  const reconstruction = await readPicture(png, "the recorded reconstruction");
  figure.show({ ids: Uint32Array.from(run.codes), reconstruction: reconstruction.pixels }, run.codebook);
  show(index);
  scrubber.show(steps, index);
  return h(
    "section",
    { class: "recorded", "aria-label": "A recorded caption" },
    h(
      "div",
      { class: "result" },
      captioned(grid.element, "The picture as the model sees it, under its code grid"),
      h(
        "div",
        { class: "said" },
        h("p", { class: "quiet" }, "Recorded: nothing is computed in this browser."),
        result,
        words.element,
        readout,
        scrubber.element,
        h(
          "p",
          { class: "quiet small" },
          `${count} steps with seed ${seed}, guidance ${guidance} with ω = ${scale}, recorded on ${run.adapter.split(":")[0]}. Of ${run.seeds} captions sampled for this picture, ${run.rightOfSeeds} were right.`,
        ),
      ),
    ),
    h(
      "section",
      { class: "figures", "aria-label": "The recorded picture’s codes" },
      captioned(figure.codes, figure.facts),
      captioned(figure.reconstruction, "The VQ-VAE’s reconstruction from the codes"),
    ),
  );
}
