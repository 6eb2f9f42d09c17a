/**
 * The filter of the list of runs: words, all of which a run must match. `text` is looked for in its name, note, model and state;
 * `key=value`, `key!=value`, `key<number` and `key>number` compare a setting (`decoder.dim`, or `dim` alone) or the last held-out
 * measure (`ciderD`).
 */

import { suggestion } from "../../platform/suggest.js";
import type { RunListing } from "./listing.js";
import { flatSettings } from "./settings.js";

interface Comparison {
  readonly key: string;
  readonly sign: "=" | "!=" | "<" | ">";
  readonly value: string;
}

function comparisonOf(word: string): Comparison | null {
  const [, key, sign, value] = /^([\w.-]+)(!=|=|<|>)(.*)$/.exec(word) ?? [];
  return key === undefined ? null : { key, sign: sign as Comparison["sign"], value: value! };
}

/** Settings and measures of a run by their names. */
function valuesOf({ config, stages }: RunListing): Map<string, string> {
  const values = flatSettings(config);
  for (const { metrics } of stages)
    for (const [name, value] of Object.entries(metrics)) values.set(name, String(value));
  return values;
}

/** The values of a key, which may lack its section. */
function valuesAt(values: ReadonlyMap<string, string>, key: string): string[] {
  const exact = values.get(key);
  if (exact !== undefined) return [exact];
  return [...values].flatMap(([name, value]) => (name.endsWith(`.${key}`) ? [value] : []));
}

function holds({ sign, value }: Comparison, own: string): boolean {
  if (sign === "=") return own === value;
  if (sign === "!=") return own !== value;
  const [left, right] = [Number(own), Number(value)];
  return own !== "" && value !== "" && (sign === "<" ? left < right : left > right);
}

/** Whether a run matches all words of the filter. */
export function matches(run: RunListing, filter: string): boolean {
  const { id, config, state, note } = run;
  const text = [id, state, config.model, config.imageTokenizer, note.text].join(" ").toLowerCase();
  return filter
    .split(/\s+/)
    .filter((word) => word !== "")
    .every((word) => {
      const comparison = comparisonOf(word);
      if (!comparison) return text.includes(word.toLowerCase());
      return valuesAt(valuesOf(run), comparison.key).some((own) => holds(comparison, own));
    });
}

/** What is wrong with a filter: a key that no run has; null if nothing is. */
export function filterProblem(runs: readonly RunListing[], filter: string): string | null {
  if (runs.length === 0) return null;
  for (const word of filter.split(/\s+/)) {
    const comparison = comparisonOf(word);
    if (!comparison) continue;
    const known = new Set(runs.flatMap((run) => [...valuesOf(run).keys()]));
    if (valuesAt(new Map([...known].map((name) => [name, ""])), comparison.key).length > 0) continue;
    return `No run has the setting or measure ${comparison.key}${suggestion(comparison.key, [...known])}.`;
  }
  return null;
}
