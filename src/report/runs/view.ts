/** What the page of runs shows, as its URL says it: everybody with the link and the folder sees the same. */

import { X_AXES, type XAxis } from "./listing.js";

export const TABS = ["curves", "settings", "samples", "scores", "notes"] as const;
export type Tab = (typeof TABS)[number];

export const ORDERS = ["changed", "name", "model"] as const;
export type Order = (typeof ORDERS)[number];

/** The state of the page. */
export interface View {
  readonly tab: Tab;
  /** Ids of the chosen runs in the order in which they were chosen; null: those that changed last. */
  readonly runs: readonly string[] | null;
  /** The filter, see filter.ts. */
  readonly filter: string;
  readonly order: Order;
  /** The stage of the curves; "": all. */
  readonly stage: string;
  readonly x: XAxis;
  /** The curves are smoothed over this part of their length; 0: not at all. */
  readonly share: number;
  /** Range of x; null: all. */
  readonly from: number | null;
  readonly to: number | null;
  /** Whether settings that are equal in all chosen runs are shown, too. */
  readonly all: boolean;
  /** Samples as of this step; null: the last. */
  readonly step: number | null;
  /** Whether baselines are shown among the scores. */
  readonly baselines: boolean;
}

export const DEFAULT_VIEW: View = {
  tab: "curves",
  runs: null,
  filter: "",
  order: "changed",
  stage: "",
  x: "step",
  share: 60,
  from: null,
  to: null,
  all: false,
  step: null,
  baselines: false,
};

/** The view as the part of a URL behind "#"; what has its default is left out. */
export function viewToHash(view: View): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(view)) {
    if (key === "runs") {
      for (const id of view.runs ?? []) params.append("run", id);
      if (view.runs?.length === 0) params.append("run", "");
    } else if (value !== DEFAULT_VIEW[key as keyof View]) params.set(key, String(value));
  }
  return params.toString();
}

/** The view of a URL. What makes no sense has its default. */
export function viewOfHash(hash: string): View {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const oneOf = <T extends string>(key: string, allowed: readonly T[], otherwise: T) =>
    allowed.find((value) => value === params.get(key)) ?? otherwise;
  const number = <T>(key: string, otherwise: T) => {
    const text = params.get(key) ?? "";
    const value = Number(text);
    return text.trim() !== "" && Number.isFinite(value) && value >= 0 ? value : otherwise;
  };
  const runs = params.getAll("run");
  return {
    tab: oneOf("tab", TABS, DEFAULT_VIEW.tab),
    runs: runs.length === 0 ? null : [...new Set(runs.filter((id) => id !== ""))],
    filter: params.get("filter") ?? "",
    order: oneOf("order", ORDERS, DEFAULT_VIEW.order),
    stage: params.get("stage") ?? "",
    x: oneOf("x", X_AXES, DEFAULT_VIEW.x),
    share: number("share", DEFAULT_VIEW.share),
    from: number("from", null),
    to: number("to", null),
    all: params.get("all") === "true",
    step: number("step", null),
    baselines: params.get("baselines") === "true",
  };
}
