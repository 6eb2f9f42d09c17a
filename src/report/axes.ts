/** Axes, numbers and colours of charts in SVG. */

import { escapeXml } from "./text.js";

/** Okabe and Ito's colours, distinguishable to the colour-blind and readable on white and black. */
export const COLOURS = ["#0082c8", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9"];

/** Marks of an axis, and where a value lies along it, in pixels. */
export interface Axis {
  ticks: number[];
  /** Converts a value to a pixel. */
  at(value: number): number;
}

/** Marks of a vertical axis: a line from pixel `left` to `right` and a number before it, for each. */
export function horizontalGrid(axis: Axis, left: number, right: number): string[] {
  return axis.ticks.flatMap((tick) => {
    const y = fixed(axis.at(tick));
    return [
      `<path d="M${left} ${y}H${right}" stroke="currentColor" stroke-opacity="0.13"/>`,
      label(left - 7, y + 4, shortNumber(tick), 'text-anchor="end"'),
    ];
  });
}

/** The lowest and the highest of some numbers; [1, 2] of none. */
export function extent(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [1, 2];
}

/** An axis of about `count` marks from pixel `from` to pixel `to`, with a margin as a share of the spread. */
export function linearAxis(
  [low, high]: [number, number],
  from: number,
  to: number,
  count: number,
  margin: number,
): Axis {
  const spread = high - low || Math.abs(high) || 1;
  const first = high === low ? low - spread / 2 : low - spread * margin;
  const last = high === low ? high + spread / 2 : high + spread * margin;
  const rough = (last - first) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((nice) => nice * power >= rough * 0.999) ?? 10);
  const ticks: number[] = [];
  for (let i = Math.ceil(first / step - 1e-9); i * step <= last + step * 1e-9; i++) ticks.push(i * step);
  return { ticks, at: (value) => from + ((value - first) / (last - first)) * (to - from) };
}

/** The same for positive values on a logarithmic scale. */
export function logAxis(
  [low, high]: [number, number],
  from: number,
  to: number,
  _count: number,
  margin: number,
): Axis {
  const spread = Math.max(Math.log10(high / low), 0.3);
  const centre = (Math.log10(low) + Math.log10(high)) / 2;
  const first = centre - spread * (0.5 + margin);
  const last = centre + spread * (0.5 + margin);
  // Decades; between them 2 and 5 when there are few of them; every second, third … decade when there are many.
  const stride = Math.ceil(spread / 7);
  const within = spread < 2.5 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let decade = Math.floor(first); decade <= last; decade++) {
    if (decade % stride !== 0) continue;
    for (const factor of within) {
      const exponent = decade + Math.log10(factor);
      if (exponent >= first && exponent <= last) ticks.push(factor * 10 ** decade);
    }
  }
  return { ticks, at: (value) => from + ((Math.log10(value) - first) / (last - first)) * (to - from) };
}

/** A text at a place. */
export function label(x: number, y: number, text: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapeXml(text)}</text>`;
}

/** A coordinate with one decimal. */
export function fixed(value: number): number {
  return Math.round(value * 10) / 10;
}

/** A number for an axis or a table: at most four digits, `12k`, `3.4M`, `1e-6`. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return String(value);
  if (size !== 0 && size < 1e-3) return value.toExponential(1).replace(".0e", "e");
  for (const [unit, suffix] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (size >= unit * (unit === 1e3 ? 10 : 1)) return `${Number((value / unit).toPrecision(3))}${suffix}`;
  }
  return String(Number(value.toPrecision(4)));
}
