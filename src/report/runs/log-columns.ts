/** The log of a run as columns of numbers, which grow as lines are read, and the curves of them. */

import type { LogEntry } from "../../io/run-folder.js";
import { figuresOf, inOrder, isNoisy, smoothingOf } from "../quantities.js";
import { movingAverage, thin } from "../thin.js";
import type { CurvePoints, StageCurves, XAxis } from "./listing.js";

/** Numbers in a buffer that grows. */
class Numbers {
  #values = new Float64Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(2 * this.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  get values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }

  get bytes(): number {
    return this.#values.byteLength;
  }
}

/** Columns of one stage. A quantity has its own steps: held-out measures are only on some of them. */
class StageColumns {
  readonly #columns = new Map<string, { step: Numbers; hours: Numbers; y: Numbers }>();
  #hours = 0;
  unit: LogEntry["unit"] = "images";

  add(entry: LogEntry): void {
    this.unit = entry.unit;
    if (Number.isFinite(entry.ms)) this.#hours += entry.ms / 3_600_000;
    for (const [name, value] of figuresOf(entry)) {
      let column = this.#columns.get(name);
      if (!column) {
        column = { step: new Numbers(), hours: new Numbers(), y: new Numbers() };
        this.#columns.set(name, column);
      }
      column.step.push(entry.step);
      column.hours.push(this.#hours);
      column.y.push(value);
    }
  }

  get bytes(): number {
    let bytes = 0;
    for (const { step, hours, y } of this.#columns.values()) bytes += step.bytes + hours.bytes + y.bytes;
    return bytes;
  }

  curves(options: CurveOptions): CurvePoints[] {
    const { axis, points, share, from, to } = options;
    return inOrder(this.#columns.keys()).map((name) => {
      const column = this.#columns.get(name)!;
      const x = (axis === "step" ? column.step : column.hours).values;
      const y = column.y.values;
      const kept = thin(x, y, points, from, to);
      const at = (values: Float64Array) => kept.map((i) => rounded(values[i]!));
      const curve = { name, x: kept.map((i) => Number(x[i]!.toPrecision(8))), y: at(y) };
      if (!isNoisy(name) || share === 0) return curve;
      return { ...curve, smooth: at(movingAverage(y, smoothingOf(y.length, share))) };
    });
  }
}

/** Which curves, and how fine. */
export interface CurveOptions {
  readonly axis: XAxis;
  /** Columns of pixels that the curve is drawn in: it gets at most four points for each. */
  readonly points: number;
  /** Smooths over this part of the curve: 60 is a sixtieth of its length; 0: not at all. */
  readonly share: number;
  /** Range of x; default: all. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** The columns of a log. */
export class LogColumns {
  readonly #stages = new Map<string, StageColumns>();

  add(entry: LogEntry): void {
    let stage = this.#stages.get(entry.stage);
    if (!stage) {
      stage = new StageColumns();
      this.#stages.set(entry.stage, stage);
    }
    stage.add(entry);
  }

  /** Memory of the numbers. */
  get bytes(): number {
    let bytes = 0;
    for (const stage of this.#stages.values()) bytes += stage.bytes;
    return bytes;
  }

  curves(options: CurveOptions): StageCurves[] {
    return [...this.#stages].map(([stage, columns]) => ({
      stage,
      unit: columns.unit,
      quantities: columns.curves(options),
    }));
  }
}

/** Five digits draw the same line in a third of the text; null for what JSON cannot hold. */
function rounded(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(5)) : null;
}
