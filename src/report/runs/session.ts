/** The runs that the page knows, and which of them its view shows. */

import { COLOURS } from "../axes.js";
import { matches } from "./filter.js";
import type { CurvesAnswer, RunListing, RunsAnswer } from "./listing.js";
import { DEFAULT_VIEW, type View } from "./view.js";

/** Runs that are chosen where the URL names none. */
const FIRST = 5;
/** Columns of pixels of all curves of a chart together, and the least of one. */
const [MOST_COLUMNS, LEAST_COLUMNS] = [4000, 60];
/** Columns of pixels of a chart. */
const CHART = 300;
const DASHES = ["", "6 3", "2 3", "9 3 2 3"];

/** How the curves of a run look. */
export interface RunStyle {
  readonly colour: string;
  readonly dash: string;
}

/** A run that is chosen, with its look. */
export interface ChosenRun {
  readonly run: RunListing;
  readonly style: RunStyle;
}

/** State of the page. Nothing here touches the document. */
export class Session {
  readonly listings = new Map<string, RunListing>();
  view: View = DEFAULT_VIEW;
  #revision = 0;
  readonly #curves = new Map<string, { request: string; answer: CurvesAnswer }>();

  get revision(): number {
    return this.#revision;
  }

  /** Takes what changed. Returns whether anything did. */
  take({ revision, ids, changed }: RunsAnswer): boolean {
    const known = new Set(ids);
    const gone = [...this.listings.keys()].filter((id) => !known.has(id));
    for (const id of gone) this.listings.delete(id);
    for (const run of changed) this.listings.set(run.id, run);
    this.#revision = revision;
    return gone.length > 0 || changed.length > 0;
  }

  /** The runs that match the filter, in order. */
  shown(): RunListing[] {
    const { filter, order } = this.view;
    const key = (run: RunListing) => (order === "model" ? String(run.config.model ?? "") : "");
    return [...this.listings.values()]
      .filter((run) => matches(run, filter))
      .sort((a, b) =>
        order === "changed"
          ? b.changed - a.changed || compare(a.id, b.id)
          : compare(key(a), key(b)) || compare(a.id, b.id),
      );
  }

  /** Ids of the chosen runs. */
  get chosenIds(): readonly string[] {
    return (
      this.view.runs ??
      this.shown()
        .slice(0, FIRST)
        .map(({ id }) => id)
    );
  }

  /** The chosen runs that exist, each with the look of its place among all that are chosen. */
  chosen(): ChosenRun[] {
    return this.chosenIds.flatMap((id, i) => {
      const run = this.listings.get(id);
      return run ? [{ run, style: styleOf(i) }] : [];
    });
  }

  /** The address of a run's curves in this view. */
  curvesAddress(id: string, count = this.chosenIds.length): string {
    const { x, share, from, to } = this.view;
    const points = Math.max(LEAST_COLUMNS, Math.min(CHART, Math.floor(MOST_COLUMNS / count)));
    const params = new URLSearchParams({ run: id, x, share: String(share), points: String(points) });
    if (from !== null) params.set("from", String(from));
    if (to !== null) params.set("to", String(to));
    return `curves?${params}`;
  }

  /** The curves of a run as last read, whether they are still those of this view or not. */
  curves(id: string): CurvesAnswer | null {
    return this.#curves.get(id)?.answer ?? null;
  }

  /** Changes with the curves of a run that `curves` returns. */
  curvesKey(id: string): string {
    const kept = this.#curves.get(id);
    return kept ? `${kept.request} ${kept.answer.revision}` : "";
  }

  /** The chosen runs whose curves have to be read (again). */
  missingCurves(): string[] {
    const count = this.chosenIds.length;
    return this.chosen().flatMap(({ run: { id, revision } }) => {
      const kept = this.#curves.get(id);
      const isCurrent = kept?.request === this.curvesAddress(id, count) && kept.answer.revision >= revision;
      return isCurrent ? [] : [id];
    });
  }

  keepCurves(request: string, answer: CurvesAnswer): void {
    this.#curves.set(answer.id, { request, answer });
    const chosen = new Set(this.chosenIds);
    for (const id of this.#curves.keys()) if (!chosen.has(id)) this.#curves.delete(id);
  }
}

/** The look of the run that was chosen in this place: colours first, then dashes. */
export function styleOf(place: number): RunStyle {
  return {
    colour: COLOURS[place % COLOURS.length]!,
    dash: DASHES[Math.floor(place / COLOURS.length) % DASHES.length]!,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
