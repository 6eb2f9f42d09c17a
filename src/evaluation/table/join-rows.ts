/** Captions of several models as rows of one table. */

import type { CaptionedSplit } from "../evaluation.js";

/** What one model said of the pictures of every split. */
export interface ModelCaptions {
  readonly name: string;
  readonly splits: readonly CaptionedSplit[];
}

/**
 * For each split the rows of all models under their names. A row is named by its model, where settings are compared by model and
 * setting, by the setting alone if there is one model. The first model's baselines stand last; those of others are left out.
 */
export function joinRows(models: readonly ModelCaptions[], compares: boolean): CaptionedSplit[] {
  const nameOf = (model: string, setting: string) => {
    if (!compares) return model;
    return models.length > 1 ? `${model} ${setting}` : setting;
  };
  const [first] = models;
  return first!.splits.map(({ split, records, rows }, s) => {
    const said = models.flatMap(({ name, splits }) =>
      splits[s]!.rows.filter(({ method }) => method === "model").map((row) => ({
        ...row,
        name: nameOf(name, row.name),
      })),
    );
    const setting = rows[0]!.name;
    const baselines = rows
      .filter(({ method }) => method !== "model")
      .map((row) => {
        // "cfg:2, other picture" begins with the setting.
        const rest = row.method === "shuffled" ? row.name.slice(setting.length) : null;
        return rest === null ? row : { ...row, name: nameOf(first!.name, setting) + rest };
      });
    return { split, records, rows: [...said, ...baselines] };
  });
}
