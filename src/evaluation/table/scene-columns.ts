/** What is true of captions of scenes, as columns of the table of models, and the references' own row. */

import type { ScenesDataset } from "../../data/scenes/dataset.js";
import { type CaptionedScenes, type TruthName, truthMetrics } from "../../data/scenes/truth-scores.js";
import type { CaptionRow } from "../scoring.js";
import type { PictureColumn, ScoredPictures } from "./columns.js";

/** The columns with these names, in their order. Each set of captions is read once for all of them. */
export function sceneColumns(
  { art, scene }: Pick<ScenesDataset, "art" | "scene">,
  names: readonly TruthName[],
): PictureColumn[] {
  const metrics = truthMetrics(art.things);
  const captionedOf = remembered(
    (captions: readonly string[], { images }: ScoredPictures): CaptionedScenes => {
      return { captions, scenes: images.map(scene) };
    },
  );
  return names.map((name) => {
    const metric = metrics.get(name)!;
    const { title, decimals } = metric;
    return {
      ...{ name, title, decimals, ranked: true, ofReferences: true, statistic: metric },
      rows: (captions, pictures) => metric.rows(captionedOf(captions, pictures)),
    };
  });
}

/** The row of the references: what is true of the data set's own captions is the most that can be reached. */
export function referencesRow({ references }: Pick<ScoredPictures, "references">): CaptionRow {
  const count = Math.min(...references.map((list) => list.length));
  const said = Array.from({ length: count }, (_, number) => references.map((list) => list[number]!));
  return { method: "references", name: "references", said };
}

/** A function of two objects that keeps its last result for the same two. */
function remembered<A extends object, B extends object, T>(compute: (a: A, b: B) => T): (a: A, b: B) => T {
  let last: { a: A; b: B; result: T } | null = null;
  return (a, b) => {
    if (last?.a !== a || last.b !== b) last = { a, b, result: compute(a, b) };
    return last.result;
  };
}
