/** Scores of captions of scenes by what is true of them, as sums over pictures. */

import { meanOfDefined } from "../../metrics/bootstrap.js";
import type { Metric } from "../../metrics/scores.js";
import { CaptionReader } from "./caption-reader.js";
import type { Scene } from "./scene.js";
import type { Thing } from "./things.js";
import { type CaptionTruth, truthOf } from "./truth.js";

/** Names of the scores, in the order of tables. */
export const TRUTH_NAMES = [
  ...(["objects1", "objects2", "objects3", "objects4", "objectPrecision", "objectRecall"] as const),
  ...(["relation", "relationShown", "count", "countShown"] as const),
  ...(["place", "sizeSaid", "ground", "toneSaid", "genderSaid"] as const),
] as const;
/** A name of `TRUTH_NAMES`. */
export type TruthName = (typeof TRUTH_NAMES)[number];

/** A score: its title, and what a caption adds to its numerator and denominator. */
interface TruthScore {
  readonly title: string;
  readonly terms: (truth: CaptionTruth) => readonly [number, number];
}

/** A verdict counts if there is one. */
const share = (title: string, verdict: (truth: CaptionTruth) => number): TruthScore => ({
  title,
  terms: (truth) => (Number.isNaN(verdict(truth)) ? [0, 0] : [verdict(truth), 1]),
});
const allNamed = (count: number): TruthScore =>
  share(`all named of ${count}`, ({ objects, things, namedRight }) =>
    objects === count ? Number(namedRight === things) : Number.NaN,
  );

const SCORES: Readonly<Record<TruthName, TruthScore>> = {
  objects1: allNamed(1),
  objects2: allNamed(2),
  objects3: allNamed(3),
  objects4: allNamed(4),
  objectPrecision: { title: "object precision", terms: ({ named, namedRight }) => [namedRight, named] },
  objectRecall: { title: "object recall", terms: ({ things, namedRight }) => [namedRight, things] },
  relation: share("relation", (truth) => truth.relation),
  relationShown: share("relation of shown", (truth) => truth.relationShown),
  count: share("count", (truth) => truth.count),
  countShown: share("count of shown", (truth) => truth.countShown),
  place: share("place", (truth) => truth.place),
  sizeSaid: share("size", (truth) => truth.size),
  ground: share("ground", (truth) => truth.ground),
  toneSaid: share("tone said", (truth) => truth.tone),
  genderSaid: share("gender said", (truth) => truth.gender),
};

/** Captions, and the scene of each. */
export interface CaptionedScenes {
  readonly captions: readonly string[];
  readonly scenes: readonly Scene[];
}

/** A score with its sums. */
export interface TruthMetric extends Pick<Metric, "title" | "decimals" | "width" | "of"> {
  /** The contribution of each picture, [n, 2], for one caption of each scene. */
  rows(captioned: CaptionedScenes): Float64Array;
}

/**
 * The scores of captions of scenes that show `things`. Captions are read once for all scores of one `CaptionedScenes`: pass the same
 * object. Throws a RangeError unless each caption has a scene.
 */
export function truthMetrics(things: readonly Thing[]): ReadonlyMap<TruthName, TruthMetric> {
  const reader = new CaptionReader(things);
  let last: { of: CaptionedScenes; truths: readonly CaptionTruth[] } | null = null;
  const truthsOf = (of: CaptionedScenes) => {
    const { captions, scenes } = of;
    if (captions.length !== scenes.length)
      throw new RangeError(`truthMetrics: ${captions.length} captions are not of ${scenes.length} scenes`);
    if (last?.of !== of) last = { of, truths: captions.map((text, i) => truthOf(scenes[i]!, reader, text)) };
    return last.truths;
  };
  return new Map(
    TRUTH_NAMES.map((name) => {
      const { title, terms } = SCORES[name];
      const rows = (of: CaptionedScenes) => Float64Array.from(truthsOf(of).flatMap(terms));
      return [name, { ...meanOfDefined, title, decimals: "share", rows }];
    }),
  );
}
