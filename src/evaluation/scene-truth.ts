/** The table of what is true of captions of scenes, beside the scores of one model. */

import type { ScenesDataset } from "../data/scenes/dataset.js";
import { TRUTH_NAMES } from "../data/scenes/truth-scores.js";
import type { Evaluation } from "./scoring.js";
import { type ModelTable, measureTable, type TableInput, tableOf } from "./table/model-table.js";
import { referencesRow, sceneColumns } from "./table/scene-columns.js";

/** Says how the columns of `truthTable` are to be read. */
export const TRUTH_LEGEND =
  "Shares of the captions that say something of the kind; of the first four, of the scenes with that number of objects. references: the data set's own captions.";

/** Judges the captions of an evaluation, those of the baselines too, and the references themselves. */
export async function truthTable(
  dataset: ScenesDataset,
  { splits, seeds, draws }: Evaluation,
  onScored?: (done: number, total: number) => void,
): Promise<ModelTable> {
  const columns = sceneColumns(dataset, TRUTH_NAMES);
  const inputs = splits.map(({ split, methods, captions }): TableInput => {
    const references = captions.map((picture) => picture.references);
    const pictures = { images: captions.map(({ image }) => image), references, corpus: references };
    const rows = methods.map(({ method, name }) => ({
      ...{ method, name },
      said: captions[0]!.captions[name]!.map((_, seed) =>
        captions.map((picture) => picture.captions[name]![seed]!),
      ),
    }));
    const ids = captions.map(({ id }) => id);
    return { split, ids, pictures, rows: [...rows, referencesRow(pictures)], columns };
  });
  return tableOf(inputs, await measureTable(inputs, onScored), { seeds, draws });
}
