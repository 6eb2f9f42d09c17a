/** Alignment of models as tables: means with intervals over pictures, of words by what they say and by size, of edits, and of pairs of captions. */

import type { Role } from "../../data/scenes/phrases.js";
import { SIDES } from "../../data/scenes/scene.js";
import { SWAPS } from "../../data/scenes/swapped.js";
import {
  bootstrap,
  difference,
  LEVEL,
  type Measurement,
  meanOfDefined,
  type Score,
  scoreOf,
} from "../../metrics/bootstrap.js";
import type { Metric } from "../../metrics/scores.js";
import { cellText, markdownTable } from "../tables.js";
import { EDITS, type Edit } from "./edits.js";
import type { CaptionLooks, EditLook, PhraseLook } from "./looks.js";
import type { PairLook } from "./told-apart.js";

/** Content words by what they say, in the order of tables. */
export const ROLES: readonly Role[] = ["thing", "count", "size", "tone", "gender", "relation", "place"];

/** A number of a phrase, an edit or a pair of captions. */
interface Measure<T> {
  readonly name: string;
  readonly title: string;
  readonly decimals: Metric["decimals"];
  readonly of: (look: T) => number;
}

/** What is measured of a phrase. */
export const PHRASE_MEASURES: readonly Measure<PhraseLook>[] = [
  { name: "logProbability", title: "log p", decimals: 2, of: (look) => look.logProbability },
  { name: "inBox", title: "attention in box", decimals: "share", of: (look) => look.attention.inBox },
  { name: "area", title: "box of picture", decimals: "share", of: (look) => look.attention.area },
  { name: "pointed", title: "pointing", decimals: "share", of: (look) => look.attention.pointed },
  { name: "chance", title: "by chance", decimals: "share", of: (look) => look.attention.pointedByChance },
  { name: "attentionAuc", title: "attention AUC", decimals: 3, of: (look) => look.attention.auc },
  { name: "own", title: "Δ own, box hidden", decimals: 2, of: (look) => look.own },
  { name: "others", title: "Δ others", decimals: 2, of: (look) => look.others },
  { name: "regionAuc", title: "region AUC", decimals: 3, of: (look) => look.regionAuc },
];

/** What is measured of an edit. */
export const EDIT_MEASURES: readonly Measure<EditLook>[] = [
  { name: "madeFalse", title: "Δ made false", decimals: 2, of: (look) => look.madeFalse },
  { name: "stillTrue", title: "Δ still true", decimals: 2, of: (look) => look.stillTrue },
  { name: "editAuc", title: "AUC", decimals: 3, of: (look) => look.auc },
];

/** What is measured of a true caption beside a false one. */
export const PAIR_MEASURES: readonly Measure<PairLook>[] = [
  { name: "trueFirst", title: "true words first", decimals: "share", of: (look) => look.trueFirst },
  {
    name: "blindTrueFirst",
    title: "without the picture",
    decimals: "share",
    of: (look) => look.blindTrueFirst,
  },
  { name: "logOdds", title: "log odds", decimals: 2, of: (look) => look.logOdds },
];

/** A row: one kind of words, one edit, or one kind of swap, of one model. */
export interface AlignmentRow {
  readonly model: string;
  /** "all", a role, a size, an edit, or what is swapped. */
  readonly of: string;
  /** Phrases, edits or pairs. */
  readonly count: number;
  readonly scores: Readonly<Record<string, Score>>;
  /** Minus the first model, over the same pictures; null in the rows of the first. */
  readonly differences: Readonly<Record<string, Score>> | null;
}

/** The alignment of models on the same pictures. */
export interface Alignment {
  readonly pictures: number;
  readonly draws: number;
  readonly level: number;
  /** By what words say. */
  readonly roles: readonly AlignmentRow[];
  /** Words about one thing, by its size. */
  readonly sizes: readonly AlignmentRow[];
  readonly edits: readonly AlignmentRow[];
  /** By what the false captions have swapped. */
  readonly pairs: readonly AlignmentRow[];
}

/** What was measured of one model: of each picture, in the order of all models. */
export interface MeasuredModel {
  readonly name: string;
  readonly looks: readonly (CaptionLooks | null)[];
  readonly pairs: readonly (readonly PairLook[])[];
}

/** Joins the measures of models. All have looked at the same pictures. */
export function alignmentOf(models: readonly MeasuredModel[], draws: number): Alignment {
  const pictures = models[0]?.looks.length ?? 0;
  const rows = <T>(
    kinds: readonly string[],
    measures: readonly Measure<T>[],
    of: (model: MeasuredModel, picture: number, kind: string) => readonly T[],
  ): AlignmentRow[] => {
    const cells = kinds.flatMap((kind) =>
      models.map((model) => {
        const chosen = Array.from({ length: pictures }, (_, picture) => of(model, picture, kind));
        return { name: model.name, kind, chosen, count: chosen.reduce((sum, list) => sum + list.length, 0) };
      }),
    );
    const measurements = cells.flatMap(({ chosen }) =>
      measures.map(
        (measure): Measurement => ({ statistic: meanOfDefined, seeds: [sumsOf(chosen, measure.of)] }),
      ),
    );
    const estimates = bootstrap(measurements, pictures, { draws });
    return cells.map(({ name, kind, count }, cell) => {
      const place = (number: number, measure: number) => estimates[number * measures.length + measure]!;
      const first = cell - (cell % models.length);
      const named = (score: (measure: number) => Score) =>
        Object.fromEntries(measures.map((measure, m) => [measure.name, score(m)]));
      return {
        ...{ model: name, of: kind, count },
        scores: named((m) => scoreOf(place(cell, m))),
        differences:
          cell === first ? null : named((m) => scoreOf(difference(place(cell, m), place(first, m)))),
      };
    });
  };
  return {
    ...{ pictures, draws, level: LEVEL },
    roles: rows(["all", ...ROLES], PHRASE_MEASURES, ({ looks }, picture, kind) =>
      phrasesOf(looks[picture]!).filter(({ role }) => kind === "all" || role === kind),
    ),
    sizes: rows(Object.keys(SIDES), PHRASE_MEASURES, ({ looks }, picture, kind) =>
      phrasesOf(looks[picture]!).filter(({ size }) => size === kind),
    ),
    edits: rows([...EDITS], EDIT_MEASURES, ({ looks }, picture, kind) =>
      (looks[picture]?.edits ?? []).filter(({ edit }) => edit === (kind as Edit)),
    ),
    pairs: rows([...SWAPS], PAIR_MEASURES, (model, picture, kind) =>
      model.pairs[picture]!.filter(({ swap }) => swap === kind),
    ),
  };
}

const phrasesOf = (look: CaptionLooks | null): readonly PhraseLook[] => look?.phrases ?? [];

/** Sum and number of what is defined, for each picture: rows of `meanOfDefined`. */
function sumsOf<T>(pictures: readonly (readonly T[])[], of: (look: T) => number): Float64Array {
  return Float64Array.from(
    pictures.flatMap((looks) => {
      const values = looks.map(of).filter((value) => !Number.isNaN(value));
      return [values.reduce((sum, value) => sum + value, 0), values.length];
    }),
  );
}

/** The four tables as Markdown, and with several models the differences to the first. Rows without anything are left out. */
export function alignmentTables({ roles, sizes, edits, pairs }: Alignment): string {
  const parts = [
    table("words", roles, PHRASE_MEASURES),
    table("words about a thing of size", sizes, PHRASE_MEASURES),
    table("the thing is", edits, EDIT_MEASURES),
    table("the false caption has another", pairs, PAIR_MEASURES),
  ];
  const differences = [
    table("words, minus the first model", roles, PHRASE_MEASURES, true),
    table("the thing is, minus the first model", edits, EDIT_MEASURES, true),
    table("the false caption has another, minus the first model", pairs, PAIR_MEASURES, true),
  ];
  return [...parts, ...differences].filter((part) => part !== null).join("\n\n");
}

function table(
  title: string,
  rows: readonly AlignmentRow[],
  measures: readonly Omit<Measure<never>, "of">[],
  compared = false,
): string | null {
  const shown = rows.filter(({ count, differences }) => count > 0 && (!compared || differences !== null));
  if (shown.length === 0) return null;
  return markdownTable(
    [title, "model", "number", ...measures.map((measure) => measure.title)],
    shown.map(({ of, model, count, scores, differences }) => [
      ...[of, model, String(count)],
      ...measures.map(({ name, decimals }) =>
        cellText((compared ? differences! : scores)[name]!, decimals, compared),
      ),
    ]),
  );
}

/** Says how the tables are to be read. */
export function alignmentLegend({ pictures, draws, level }: Alignment): string {
  return (
    `Means over the words of ${pictures} pictures [${Math.round(100 * level)} % interval over pictures, ${draws} resamples]. ` +
    "Attention and log p of a word while it is hidden from the network. Δ: change of its log p, in nats, when the codes of its box are hidden, " +
    "or when the scene is drawn again. AUC: 0.5 is chance. True words first: the words in which a caption of the data set and a false one differ, " +
    "hidden from the network, are likelier as they are."
  );
}
