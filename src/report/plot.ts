/**
 * Line charts as SVG text. Axes and letters use `currentColor`, so that a chart inside a page follows its dark or
 * light scheme; series colours (Okabe and Ito's, distinguishable to the colour-blind) are readable on both.
 */

import { COLOURS, extent, fixed, horizontalGrid, label, linearAxis, logAxis, shortNumber } from "./axes.js";
import { escapeXml } from "./text.js";
import { extremesOf, movingAverage } from "./thin.js";

/** A line of a chart. */
export interface Series {
  name: string;
  x: readonly number[];
  /** NaN, infinite and (on a logarithmic axis) non-positive values leave a gap in the line. */
  y: readonly number[];
  /** The averages to draw over the pale raw line, where `y` is only a part of the averaged values. */
  smoothed?: readonly number[];
  /** Default: the next of six colours. */
  colour?: string;
  /** Of SVG's stroke-dasharray; default: a solid line. */
  dash?: string;
}

/** Titles and axes of a chart. */
export interface ChartOptions {
  title: string;
  xLabel?: string;
  yLabel?: string;
  logY?: boolean;
  /** Values that the axes include beside those of the series. */
  include?: { x?: readonly number[]; y?: readonly number[] };
  /** Weight s of each further neighbour in a moving average drawn over the pale raw line: 0 ≤ s < 1, 0 = none. */
  smoothing?: number;
  /** Size in pixels at scale 1; the chart scales with its container. */
  width?: number;
  height?: number;
  /** Fill behind the chart, for a picture that stands alone; default none. */
  background?: string;
  /** Whether several series have a legend; default true. */
  legend?: boolean;
}

const FONT = 12;
const LEFT = 58;
const RIGHT = 18;
const BOTTOM = 42;
/** Series with at most this many points get a dot at each. */
const DOTS = 40;

/** A chart of one or more series against a shared axis. Series without a drawable point are left out. */
export function lineChart(series: readonly Series[], options: ChartOptions): string {
  const { title, xLabel = "", yLabel = "", logY = false, smoothing = 0, width = 480, height = 280 } = options;
  const drawable = (x: number, y: number) => Number.isFinite(x) && Number.isFinite(y) && (!logY || y > 0);
  const shown = series.filter(({ x, y }) => y.some((value, i) => drawable(x[i]!, value)));

  const legend = options.legend === false ? [] : legendRows(shown, width - LEFT - RIGHT);
  const top = 26 + legend.length * 16 + 8;
  const xs: number[] = [];
  const ys: number[] = [];
  for (const { x, y } of shown) {
    for (let i = 0; i < y.length; i++) {
      if (!drawable(x[i]!, y[i]!)) continue;
      xs.push(x[i]!);
      ys.push(y[i]!);
    }
  }
  xs.push(...(options.include?.x ?? []));
  ys.push(...(options.include?.y ?? []));
  const xEnds = extent(xs);
  const xAxis = linearAxis(xEnds, LEFT, width - RIGHT, 8, 0);
  const yAxis = (logY ? logAxis : linearAxis)(extent(ys), height - BOTTOM, top, 7, 0.06);

  const parts: string[] = [];
  if (options.background !== undefined) {
    parts.push(`<rect width="${width}" height="${height}" fill="${escapeXml(options.background)}"/>`);
  }
  parts.push(label(LEFT, 18, title, 'font-size="14" font-weight="600"'));
  parts.push(...legend.flatMap((row, r) => row.map((item) => legendItem(item, 26 + r * 16 + 11))));

  if (shown.length > 0) parts.push(...horizontalGrid(yAxis, LEFT, width - RIGHT));
  for (const tick of shown.length > 0 ? xAxis.ticks : []) {
    const x = fixed(xAxis.at(tick));
    parts.push(`<path d="M${x} ${height - BOTTOM}v5" stroke="currentColor" stroke-opacity="0.5"/>`);
    parts.push(label(x, height - BOTTOM + 18, shortNumber(tick), 'text-anchor="middle"'));
  }
  parts.push(
    `<path d="M${LEFT} ${height - BOTTOM}H${width - RIGHT}" stroke="currentColor" stroke-opacity="0.5"/>`,
  );
  const middle = (LEFT + width - RIGHT) / 2;
  if (xLabel !== "")
    parts.push(label(middle, height - 7, xLabel, 'text-anchor="middle" fill-opacity="0.75"'));
  if (yLabel !== "") {
    const y = (top + height - BOTTOM) / 2;
    parts.push(
      label(13, y, yLabel, `text-anchor="middle" fill-opacity="0.75" transform="rotate(-90 13 ${y})"`),
    );
  }

  if (shown.length === 0) {
    parts.push(
      label(middle, (top + height - BOTTOM) / 2, "no data", 'text-anchor="middle" fill-opacity="0.6"'),
    );
  }
  shown.forEach(({ x, y, smoothed, dash = "", ...own }, index) => {
    const colour = own.colour ?? COLOURS[index % COLOURS.length]!;
    const dashes = dash === "" ? "" : ` stroke-dasharray="${escapeXml(dash)}"`;
    const line = (values: ArrayLike<number>, style: string) => {
      const d = linePath(x, values, drawable, xAxis.at, yAxis.at);
      return `<path d="${d}" fill="none" stroke="${escapeXml(colour)}" stroke-linejoin="round" ${style}/>`;
    };
    if (smoothed || smoothing > 0) {
      const seen = y.map((value, i) => (drawable(x[i]!, value) ? value : Number.NaN));
      parts.push(line(y, 'stroke-width="1" stroke-opacity="0.3"'));
      parts.push(line(smoothed ?? movingAverage(seen, smoothing), `stroke-width="2"${dashes}`));
    } else {
      parts.push(line(y, `stroke-width="1.5"${dashes}`));
    }
    if (y.length <= DOTS) {
      y.forEach((value, i) => {
        if (!drawable(x[i]!, value)) return;
        parts.push(
          `<circle cx="${fixed(xAxis.at(x[i]!))}" cy="${fixed(yAxis.at(value))}" r="2.5" fill="${escapeXml(colour)}"/>`,
        );
      });
    }
  });

  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    // For programs that point into the chart: x at its left and right edge, and where these are.
    `data-x="${xEnds.join(" ")}" data-edges="${LEFT} ${width - RIGHT}" ` +
    `role="img" aria-label="${escapeXml(title)}" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="${FONT}" ` +
    `fill="currentColor">${parts.join("\n")}</svg>`
  );
}

/**
 * The path of one series. Many points in one pixel column are reduced to the first, lowest, highest and last: the picture is the
 * same, and the text stays small.
 */
function linePath(
  x: readonly number[],
  y: ArrayLike<number>,
  drawable: (x: number, y: number) => boolean,
  atX: (value: number) => number,
  atY: (value: number) => number,
): string {
  const parts: string[] = [];
  let column: [number, number][] = [];
  let pen = "M";
  const flush = () => {
    for (const i of extremesOf(column.map(([, py]) => py))) {
      const [px, py] = column[i]!;
      parts.push(`${pen}${fixed(px)} ${fixed(py)}`);
      pen = "L";
    }
    column = [];
  };
  for (let i = 0; i < y.length; i++) {
    if (!drawable(x[i]!, y[i]!)) {
      flush();
      pen = "M";
      continue;
    }
    const px = atX(x[i]!);
    if (column.length > 0 && Math.floor(px) !== Math.floor(column[0]![0])) flush();
    column.push([px, atY(y[i]!)]);
  }
  flush();
  return parts.join("");
}

interface LegendItem {
  name: string;
  colour: string;
  dash: string;
  x: number;
}

/** Legend rows, by estimated width; none for a single series, whose name belongs in the title. */
function legendRows(series: readonly Series[], width: number): LegendItem[][] {
  if (series.length < 2) return [];
  const rows: LegendItem[][] = [[]];
  let used = 0;
  series.forEach(({ name, dash = "", ...own }, index) => {
    const colour = own.colour ?? COLOURS[index % COLOURS.length]!;
    const needed = 26 + name.length * FONT * 0.58;
    if (used > 0 && used + needed > width) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)!.push({ name, colour, dash, x: LEFT + used });
    used += needed;
  });
  return rows;
}

function legendItem({ name, colour, dash, x }: LegendItem, y: number): string {
  const dashes = dash === "" ? "" : ` stroke-dasharray="${escapeXml(dash)}"`;
  return `<path d="M${fixed(x)} ${y - 4}h14" stroke="${escapeXml(colour)}" stroke-width="3"${dashes}/>${label(fixed(x + 19), y, name, "")}`;
}
