/**
 * The grid of a guidance sweep: which settings of the sampler are tried. A curve is one method of guidance with one setting that
 * changes along it: ω of cfg, mcs and mcs-printed, or the temperature or top-r of unguided sampling, which sharpens captions too.
 */

import { type GuidanceMethod, guidanceMethods } from "../../diffusion/guidance.js";
import { type MaskShape, maskShapes } from "../../diffusion/masking.js";
import { UserError } from "../../platform/errors.js";
import { isRecord } from "../../platform/json.js";
import { shown } from "../../platform/shown.js";

/** How the partial branch of mcs is masked. */
export interface SweepMask {
  /** Share of the positions. */
  readonly rate: number;
  /** Drawn once for each picture, or again at each step. */
  readonly mode: "fixed" | "redrawn";
  readonly shape: MaskShape;
}

/** One line of the figure. */
export interface SweepCurve {
  /** Its name in legends: "mcs, .5 masked, blocks". Unique in a grid. */
  readonly name: string;
  readonly method: GuidanceMethod;
  /** The setting that changes along the curve, and its values in this order. */
  readonly along: "scale" | "temperature" | "topR";
  readonly values: readonly number[];
  /** Of mcs and mcs-printed. */
  readonly mask?: SweepMask;
}

/** What a sweep tries. */
export interface SweepGrid {
  readonly curves: readonly SweepCurve[];
  /** Sampling seeds for each setting on the validation split. */
  readonly seeds: number;
}

const scales = [1, 1.25, 1.5, 2, 3, 5];
const printedScales = [0, 1, 2, 3, 5];

/** The grids that `--sweep` knows by name, in the form of its files. */
export const namedGrids = {
  default: {
    seeds: 1,
    curves: [
      { method: "none", temperature: [0.25, 0.5, 0.75, 1, 1.25] },
      { method: "none", topR: [0.5, 0.7, 0.86, 0.95, 1] },
      { method: "cfg", scale: scales },
      { method: "mcs", scale: scales, maskRate: [0.1, 0.5, 0.9] },
      { method: "mcs", scale: scales, maskRate: 0.5, maskMode: "redrawn" },
      { method: "mcs", scale: scales, maskRate: 0.5, maskShape: "blocks" },
      { method: "mcs-printed", scale: printedScales, maskRate: [0.1, 0.5] },
    ],
  },
  quick: {
    seeds: 1,
    curves: [
      { method: "none", temperature: [0.5, 1] },
      { method: "cfg", scale: [1, 1.5, 3] },
      { method: "mcs", scale: [1, 1.5, 3], maskRate: 0.5 },
      { method: "mcs-printed", scale: [0, 1, 3], maskRate: 0.5 },
    ],
  },
} as const;

const keys = ["method", "scale", "temperature", "topR", "maskRate", "maskMode", "maskShape"];

/**
 * Reads a grid from JSON. `scale` (or, of none, `temperature` or `topR`) lists the values of a curve; lists of `maskRate`,
 * `maskMode` and `maskShape` make a curve of each combination. Throws a `UserError` that names the file and the entry.
 */
export function parseGrid(value: unknown, where: string): SweepGrid {
  const wrong = (text: string): never => {
    throw new UserError(`${where}: ${text}`, 2);
  };
  if (!isRecord(value) || !Array.isArray(value.curves) || value.curves.length === 0)
    return wrong(
      'a grid is {"curves": [{"method": "cfg", "scale": [1, 1.5, 2]}, …]}, and there are no curves',
    );
  const { seeds = 1, curves, ...rest } = value;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) return wrong(`"${shown(unknown)}" is not of a grid; it has seeds and curves`);
  if (!Number.isInteger(seeds) || (seeds as number) < 1 || (seeds as number) > 1000)
    return wrong("seeds should be a whole number from 1 to 1000");
  const all = curves.flatMap((entry, i) => curvesOf(entry, (text) => wrong(`curve ${i + 1}: ${text}`)));
  const twice = all.find(({ name }, i) => all.findIndex((other) => other.name === name) !== i);
  if (twice) return wrong(`two curves are "${twice.name}"; join their values in one`);
  return { seeds: seeds as number, curves: all };
}

function curvesOf(entry: unknown, wrong: (text: string) => never): SweepCurve[] {
  if (!isRecord(entry)) return wrong("it should be an object with a method and its values");
  const unknown = Object.keys(entry).find((key) => !keys.includes(key));
  if (unknown !== undefined) return wrong(`"${shown(unknown)}" is not of a curve; it has ${keys.join(", ")}`);
  const method = guidanceMethods.find((known) => known === entry.method);
  if (method === undefined) return wrong(`method should be one of ${guidanceMethods.join(", ")}`);
  const own = method === "none" ? (["temperature", "topR"] as const) : (["scale"] as const);
  const given = (["scale", "temperature", "topR"] as const).filter((key) => entry[key] !== undefined);
  const [along] = given;
  if (given.length !== 1 || !own.some((key) => key === along))
    return wrong(`${method} needs one list of values: ${own.join(" or ")}`);
  const values = numbers(entry[along!], along!, wrong);
  if (method === "none" || method === "cfg") {
    if (keys.slice(4).some((key) => entry[key] !== undefined))
      return wrong(`${method} masks nothing in part: leave out maskRate, maskMode and maskShape`);
    const name = method === "cfg" ? "cfg" : along === "topR" ? "none, top-r" : "none, temperature";
    return [{ name, method, along: along!, values }];
  }
  const rates = entry.maskRate === undefined ? [0.1] : numbers(entry.maskRate, "maskRate", wrong);
  const modes = names(entry.maskMode, ["fixed", "redrawn"], "maskMode", wrong);
  const shapes = names(entry.maskShape, maskShapes, "maskShape", wrong);
  return rates.flatMap((rate) =>
    modes.flatMap((mode) =>
      shapes.map((shape): SweepCurve => {
        const more = `${mode === "redrawn" ? ", redrawn" : ""}${shape === "blocks" ? ", blocks" : ""}`;
        return {
          ...{ name: `${method}, ${rate} masked${more}`, method, along: along!, values },
          mask: { rate, mode, shape },
        };
      }),
    ),
  );
}

/** The ranges of a grid's numbers. */
const ranges = { scale: [-100, 100], temperature: [0, 100], topR: [0.001, 1], maskRate: [0, 1] } as const;

/** One number or several within the range of `key`, each once. */
function numbers(value: unknown, key: keyof typeof ranges, wrong: (text: string) => never): number[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const [least, most] = ranges[key];
  const good = list.every((item) => typeof item === "number" && item >= least && item <= most);
  if (!good || list.length === 0) return wrong(`${key} should be numbers from ${least} to ${most}`);
  if (new Set(list).size !== list.length) return wrong(`${key} has a number twice`);
  return list as number[];
}

/** One name or several out of `known`, each once; the first of them by default. */
function names<T extends string>(
  value: unknown,
  known: readonly T[],
  key: string,
  wrong: (text: string) => never,
): T[] {
  const list: unknown[] = value === undefined ? [known[0]] : Array.isArray(value) ? value : [value];
  if (list.length === 0 || !list.every((item) => known.some((name) => name === item)))
    return wrong(`${key} should be ${known.join(" or ")}`);
  if (new Set(list).size !== list.length) return wrong(`${key} has a name twice`);
  return list as T[];
}
