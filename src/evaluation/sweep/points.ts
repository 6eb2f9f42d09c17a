/** The settings that a grid consists of, each once, and the curves that run through them. */

import { fullWeight, type GuidanceMethod } from "../../diffusion/guidance.js";
import type { SamplingOptions } from "../../models/sampling-settings.js";
import type { SweepCurve, SweepGrid, SweepMask } from "./grid.js";

/** The settings of the sampler that a sweep changes. Guidance by ω = 1 (0 of mcs-printed) is the full model: method none. */
export interface PointSettings {
  readonly method: GuidanceMethod;
  /** ω; absent for none. */
  readonly scale?: number;
  readonly mask?: SweepMask;
  readonly temperature: number;
  readonly topR: number;
  readonly steps: number;
}

/** A group of settings from which one is chosen: a method; none also with twice the steps. */
export type SweepGroup = GuidanceMethod | "none ×2";

/** A value of a curve. */
export interface SweepPoint {
  readonly curve: string;
  readonly group: SweepGroup;
  readonly along: SweepCurve["along"];
  readonly value: number;
  readonly settings: PointSettings;
  /** Network passes for a caption. */
  readonly passes: number;
  /** Names the settings; the same for points of two curves that meet. */
  readonly key: string;
}

/** What all points share: the model's sampling, or the caller's. */
export interface SweepBase {
  readonly steps: number;
  readonly temperature: number;
  readonly topR: number;
  /** T: the most steps that there are. */
  readonly most: number;
}

/** Network passes for a caption: guidance runs two branches at each step. */
export function passesOf({ method, steps }: Pick<PointSettings, "method" | "steps">): number {
  return method === "none" ? steps : 2 * steps;
}

/**
 * All points of a grid, curve by curve. Curves of none come twice: with the steps of the guided methods, and, unless T is
 * less, with twice as many, which take as many network passes as those do.
 */
export function pointsOf(grid: SweepGrid, base: SweepBase): SweepPoint[] {
  const of = (curve: SweepCurve, steps: number): SweepPoint[] =>
    curve.values.map((value) => {
      const settings = settingsAt(curve, value, { ...base, steps });
      const group: SweepGroup = curve.method === "none" && steps !== base.steps ? "none ×2" : curve.method;
      const { name, along } = curve;
      const passes = passesOf(settings);
      return { curve: name, group, along, value, settings, passes, key: keyOf(settings) };
    });
  const unguided = grid.curves.filter(({ method }) => method === "none");
  return [
    ...grid.curves.flatMap((curve) => of(curve, base.steps)),
    ...(2 * base.steps > base.most ? [] : unguided.flatMap((curve) => of(curve, 2 * base.steps))),
  ];
}

function settingsAt(curve: SweepCurve, value: number, base: SweepBase): PointSettings {
  const { method, along, mask } = curve;
  const { steps } = base;
  const temperature = along === "temperature" ? value : base.temperature;
  const topR = along === "topR" ? value : base.topR;
  const rest = { temperature, topR, steps };
  if (along !== "scale" || fullWeight({ method, scale: value }) === 1) return { method: "none", ...rest };
  return { method, scale: value, ...(mask ? { mask } : {}), ...rest };
}

function keyOf({ method, scale, mask, temperature, topR, steps }: PointSettings): string {
  const omega = scale === undefined ? "" : ` ω=${scale}`;
  const masked = mask ? ` mask=${mask.rate}-${mask.mode}-${mask.shape}` : "";
  return `${method}${omega}${masked} τ=${temperature} r=${topR} N=${steps}`;
}

/** The options of a caller that sample with these settings. */
export function samplingOf({ method, scale, mask, ...rest }: PointSettings): SamplingOptions {
  const guidance = {
    ...{ method, scale },
    ...(mask ? { maskRate: mask.rate, maskMode: mask.mode, maskShape: mask.shape } : {}),
  };
  return { ...rest, guidance };
}

/** The points without those whose settings an earlier one has. */
export function distinct(points: readonly SweepPoint[]): SweepPoint[] {
  const seen = new Set<string>();
  return points.filter(({ key }) => seen.size < seen.add(key).size);
}
