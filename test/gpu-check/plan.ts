/** The phases of the check in their order, and how they share the time. */

export const phases = [
  { name: "adapter", title: "Adapter and limits", seconds: 5 },
  { name: "kernels", title: "Kernels and gradients against float64", seconds: 100 },
  { name: "races", title: "Races: every kernel 50 times under odd schedules", seconds: 70 },
  { name: "determinism", title: "Determinism: the same training twice", seconds: 20 },
  { name: "training", title: "Training against stored losses", seconds: 30 },
  { name: "float16", title: "float16", seconds: 20 },
  { name: "paper-scale", title: "A training step of the paper's size", seconds: 40 },
  { name: "bench", title: "Bench with ceilings", seconds: 60 },
  { name: "tuning", title: "Tuning", seconds: 120, most: 180 },
] as const satisfies readonly PhasePlan[];

interface PhasePlan {
  readonly name: string;
  readonly title: string;
  /** Share of the time, as seconds of a whole check of the usual length. */
  readonly seconds: number;
  /** The most that the phase gets, however long the check may take. */
  readonly most?: number;
}

export type PhaseName = (typeof phases)[number]["name"];

/** The phases that run if `only` are wanted: the adapter is always looked at. */
export const chosenPhases = (only?: readonly PhaseName[]) =>
  phases.filter(({ name }) => name === "adapter" || !only || only.includes(name));

/** Seconds of starting and ending, which no phase gets. */
const around = 15;

/**
 * Seconds for the phase `index` of those that `chosen` run, with `left` seconds until the check should end: its share of them, so that
 * what earlier phases did not need goes to the later ones.
 */
export function secondsFor(chosen: readonly PhasePlan[], index: number, left: number): number {
  const { seconds, most = Number.POSITIVE_INFINITY } = chosen[index]!;
  const all = chosen.slice(index).reduce((sum, phase) => sum + phase.seconds, 0);
  return Math.max(1, Math.min(most, ((left - around) * seconds) / all));
}

/**
 * Seconds after which a phase that has not ended is stopped. A phase looks at the clock between its parts, and one part may take
 * long: a test, or a kernel to compile.
 */
export const patience = (seconds: number, grace = around): number => 1.2 * seconds + grace;
