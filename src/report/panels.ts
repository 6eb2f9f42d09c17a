/**
 * Curves of scores as SVG text: panels side by side, one legend. A point has a marker, thin bars for its intervals and a label.
 * Curves differ by colour, marker and dashes, so that they can be told apart in grey, too. Letters and axes use `currentColor`,
 * as in plot.ts. Points far from the others would press them into a corner: axes leave them out, and the panel says how many.
 */

import { quantile } from "../metrics/bootstrap.js";
import { type Axis, extent, fixed, horizontalGrid, label, linearAxis, shortNumber } from "./axes.js";
import { escapeXml } from "./text.js";

/** A value with its interval. */
export interface Spread {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** A point of a curve; one that has no finite mean is left out. */
export interface CurvePoint {
  readonly x: Spread;
  readonly y: Spread;
  readonly label: string;
}

/** The shapes of points. */
export const markers = ["circle", "square", "triangle", "diamond", "cross"] as const;

/** How a curve is drawn. */
export interface CurveStyle {
  readonly colour: string;
  readonly marker: (typeof markers)[number];
  /** Of SVG's stroke-dasharray; "" for a solid line. */
  readonly dash: string;
}

/** A curve of a panel: its points in order. */
export interface Curve {
  readonly name: string;
  readonly style: CurveStyle;
  readonly points: readonly CurvePoint[];
}

/** One pair of axes. */
export interface Panel {
  readonly xLabel: string;
  readonly yLabel: string;
  readonly curves: readonly Curve[];
}

/** Title, a line of explanation below it, and what lies behind the chart. */
export interface PanelOptions {
  readonly title: string;
  readonly note?: string;
  /** Panels in a row; default 3. */
  readonly columns?: number;
  /** Fill behind the chart, for a picture that stands alone; default none. */
  readonly background?: string;
}

const WIDTH = 380;
const HEIGHT = 300;
const LEFT = 56;
const RIGHT = 14;
const TOP = 12;
const BOTTOM = 44;
const EDGE = 14;
const ROW = 17;
const FONT = 12;
const SMALL = 9;

/** Draws the panels. The legend names each curve that has a point in one of them. */
export function panelChart(panels: readonly Panel[], options: PanelOptions): string {
  const { title, note = "", background } = options;
  const columns = Math.max(1, Math.min(options.columns ?? 3, panels.length));
  const width = 2 * EDGE + columns * WIDTH;
  const legend = legendRows(panels, width - 2 * EDGE);
  const top = 30 + (note === "" ? 0 : ROW) + legend.length * ROW + 8;
  const height = top + Math.ceil(panels.length / columns) * HEIGHT + EDGE;
  const parts: string[] = [];
  if (background !== undefined)
    parts.push(`<rect width="${width}" height="${height}" fill="${escapeXml(background)}"/>`);
  parts.push(label(EDGE, 22, title, 'font-size="15" font-weight="600"'));
  if (note !== "") parts.push(label(EDGE, 22 + ROW, note, 'fill-opacity="0.75"'));
  for (const [row, items] of legend.entries()) {
    const y = top - 8 - (legend.length - row) * ROW + 12;
    for (const { curve, x } of items) parts.push(legendItem(curve, EDGE + x, y));
  }
  for (const [i, panel] of panels.entries()) {
    const x = EDGE + (i % columns) * WIDTH;
    const y = top + Math.floor(i / columns) * HEIGHT;
    parts.push(`<g transform="translate(${x} ${y})">${panelParts(panel).join("\n")}</g>`);
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" aria-label="${escapeXml(title)}" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="${FONT}" ` +
    `fill="currentColor">${parts.join("\n")}</svg>\n`
  );
}

const drawable = ({ x, y }: CurvePoint) => Number.isFinite(x.mean) && Number.isFinite(y.mean);

/** Whether a value is within the quartiles of `values` and four times their distance around them. */
function near(values: readonly number[]): (value: number) => boolean {
  const sorted = Float64Array.from(values).sort();
  const [first, third] = [quantile(sorted, 0.25), quantile(sorted, 0.75)];
  const reach = 4 * (third - first);
  return (value) => reach === 0 || (value >= first - reach && value <= third + reach);
}

/** Points within the axes of their panel. */
function insideOf(points: readonly CurvePoint[]): (point: CurvePoint) => boolean {
  const x = near(points.map((point) => point.x.mean));
  const y = near(points.map((point) => point.y.mean));
  return (point) => drawable(point) && x(point.x.mean) && y(point.y.mean);
}

function panelParts({ xLabel, yLabel, curves }: Panel): string[] {
  const parts: string[] = [];
  const all = curves.flatMap((curve) => curve.points.filter(drawable));
  const inside = insideOf(all);
  const points = all.filter(inside);
  const ends = (axis: "x" | "y") =>
    extent(points.flatMap(({ [axis]: { mean, low, high } }) => [mean, low, high].filter(Number.isFinite)));
  const xAxis = linearAxis(ends("x"), LEFT, WIDTH - RIGHT, 6, 0.04);
  const yAxis = linearAxis(ends("y"), HEIGHT - BOTTOM, TOP, 6, 0.04);
  if (points.length > 0) parts.push(...horizontalGrid(yAxis, LEFT, WIDTH - RIGHT));
  for (const tick of points.length > 0 ? xAxis.ticks : []) {
    const x = fixed(xAxis.at(tick));
    parts.push(`<path d="M${x} ${TOP}V${HEIGHT - BOTTOM}" stroke="currentColor" stroke-opacity="0.13"/>`);
    parts.push(label(x, HEIGHT - BOTTOM + 17, shortNumber(tick), 'text-anchor="middle"'));
  }
  const [right, bottom] = [WIDTH - RIGHT, HEIGHT - BOTTOM];
  parts.push(`<path d="M${LEFT} ${TOP}V${bottom}H${right}" fill="none" stroke="currentColor"/>`);
  const middle = (LEFT + right) / 2;
  parts.push(label(middle, HEIGHT - 9, xLabel, 'text-anchor="middle"'));
  const y = (TOP + bottom) / 2;
  parts.push(label(12, y, yLabel, `text-anchor="middle" transform="rotate(-90 12 ${y})"`));
  if (points.length === 0) parts.push(label(middle, y, "no data", 'text-anchor="middle" fill-opacity="0.6"'));
  // An inner svg element cuts off what lies beyond the axes.
  const box = `x="${LEFT}" y="${TOP}" width="${right - LEFT}" height="${bottom - TOP}"`;
  parts.push(`<svg ${box} viewBox="${LEFT} ${TOP} ${right - LEFT} ${bottom - TOP}">`);
  for (const curve of curves) parts.push(...bars(curve, xAxis, yAxis));
  for (const curve of curves) parts.push(...lineAndMarkers(curve, xAxis, yAxis));
  parts.push("</svg>");
  const beyond = all.length - points.length;
  if (beyond > 0) {
    const text = `${beyond} ${beyond === 1 ? "point" : "points"} beyond the axes`;
    parts.push(
      label(right - 4, bottom - 5, text, `text-anchor="end" font-size="${SMALL}" fill-opacity="0.75"`),
    );
  }
  return [...parts, ...labels(curves, inside, xAxis, yAxis)];
}

/** The intervals of a curve's points. */
function bars({ style, points }: Curve, xAxis: Axis, yAxis: Axis): string[] {
  return points.filter(drawable).flatMap(({ x, y }) => {
    const [px, py] = [fixed(xAxis.at(x.mean)), fixed(yAxis.at(y.mean))];
    const of = (d: string) =>
      `<path d="${d}" stroke="${style.colour}" stroke-width="0.7" stroke-opacity="0.45"/>`;
    const known = ({ low, high }: Spread) => Number.isFinite(low) && Number.isFinite(high);
    return [
      ...(known(x) ? [of(`M${fixed(xAxis.at(x.low))} ${py}H${fixed(xAxis.at(x.high))}`)] : []),
      ...(known(y) ? [of(`M${px} ${fixed(yAxis.at(y.low))}V${fixed(yAxis.at(y.high))}`)] : []),
    ];
  });
}

function lineAndMarkers({ name, style, points }: Curve, xAxis: Axis, yAxis: Axis): string[] {
  const shown = points.filter(drawable);
  const at = shown.map(({ x, y }) => [fixed(xAxis.at(x.mean)), fixed(yAxis.at(y.mean))] as const);
  const line = at.map(([x, y], i) => `${i === 0 ? "M" : "L"}${x} ${y}`).join("");
  const dash = style.dash === "" ? "" : ` stroke-dasharray="${style.dash}"`;
  return [
    `<path d="${line}" fill="none" stroke="${style.colour}" stroke-width="1.4" stroke-linejoin="round"${dash}/>`,
    ...at.map(([x, y], i) => {
      const { x: a, y: b, label: text } = shown[i]!;
      const told = `${name}, ${text}: ${shortNumber(a.mean)}, ${shortNumber(b.mean)}`;
      return `<g><title>${escapeXml(told)}</title>${marker(style, x, y)}</g>`;
    }),
  ];
}

function marker({ colour, marker: shape }: CurveStyle, x: number, y: number): string {
  const r = 3.2;
  const fill = `fill="${colour}"`;
  if (shape === "circle") return `<circle cx="${x}" cy="${y}" r="${r}" ${fill}/>`;
  if (shape === "square") return `<path d="M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z" ${fill}/>`;
  if (shape === "triangle")
    return `<path d="M${x} ${fixed(y - 1.3 * r)}l${1.3 * r} ${2.2 * r}h${-2.6 * r}z" ${fill}/>`;
  if (shape === "diamond")
    return `<path d="M${x} ${fixed(y - 1.4 * r)}l${1.4 * r} ${1.4 * r}l${-1.4 * r} ${1.4 * r}l${-1.4 * r} ${-1.4 * r}z" ${fill}/>`;
  return `<path d="M${x - r} ${y - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}" stroke="${colour}" stroke-width="1.8"/>`;
}

/** The labels of points, each at the first of four places where it covers no marker and no other label; else none. */
function labels(
  curves: readonly Curve[],
  inside: (point: CurvePoint) => boolean,
  xAxis: Axis,
  yAxis: Axis,
): string[] {
  const taken: { x: number; y: number; width: number; height: number }[] = [];
  const places = curves.flatMap(({ style, points }) =>
    points.filter(inside).map((point) => ({
      ...{ style, text: point.label },
      ...{ x: xAxis.at(point.x.mean), y: yAxis.at(point.y.mean) },
    })),
  );
  for (const { x, y } of places) taken.push({ x: x - 3, y: y - 3, width: 6, height: 6 });
  const parts: string[] = [];
  for (const { style, text, x, y } of places) {
    const width = text.length * SMALL * 0.6;
    const height = SMALL;
    const free = [
      [x + 5, y - 4 - height],
      [x - 5 - width, y - 4 - height],
      [x + 5, y + 4],
      [x - 5 - width, y + 4],
    ].find(
      ([left, above]) =>
        left! > LEFT &&
        left! + width < WIDTH &&
        above! + height < HEIGHT - BOTTOM &&
        taken.every(
          (box) =>
            left! + width < box.x ||
            left! > box.x + box.width ||
            above! + height < box.y ||
            above! > box.y + box.height,
        ),
    );
    if (!free) continue;
    const [left, above] = free as [number, number];
    taken.push({ x: left, y: above, width, height });
    const attributes = `font-size="${SMALL}" fill="${style.colour}"`;
    parts.push(label(fixed(left), fixed(above + height - 1), text, attributes));
  }
  return parts;
}

/** Rows of the legend, by estimated width. */
function legendRows(panels: readonly Panel[], width: number): { curve: Curve; x: number }[][] {
  const curves = new Map<string, Curve>();
  for (const { curves: own } of panels)
    for (const curve of own)
      if (curve.points.some(drawable) && !curves.has(curve.name)) curves.set(curve.name, curve);
  const rows: { curve: Curve; x: number }[][] = [[]];
  let used = 0;
  for (const curve of curves.values()) {
    const needed = 50 + curve.name.length * FONT * 0.56;
    if (used > 0 && used + needed > width) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)!.push({ curve, x: used });
    used += needed;
  }
  return rows;
}

function legendItem({ name, style }: Curve, x: number, y: number): string {
  const dash = style.dash === "" ? "" : ` stroke-dasharray="${style.dash}"`;
  const line = `<path d="M${fixed(x)} ${y - 4}h26" stroke="${style.colour}" stroke-width="1.4"${dash}/>`;
  return `${line}${marker(style, fixed(x + 13), y - 4)}${label(fixed(x + 32), y, name, "")}`;
}
