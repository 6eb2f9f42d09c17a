/**
 * Line charts as SVG text. Axes and letters use `currentColor`, so that a chart inside a page follows its dark or
 * light scheme; series colours (Okabe and Ito's, distinguishable to the colour-blind) are readable on both.
 */

import { COLOURS, extent, fixed, horizontalGrid, label, linearAxis, logAxis, shortNumber } from "./axes.js";
import { escapeXml } from "./text.js";

/** A line of a chart. */
export interface Series {
  name: string;
  x: readonly number[];
  /** NaN, infinite and (on a logarithmic axis) non-positive values leave a gap in the line. */
  y: readonly number[];
}

/** Titles and axes of a chart. */
export interface ChartOptions {
  title: string;
  xLabel?: string;
  yLabel?: string;
  logY?: boolean;
  /** Values that the axes include beside those of the series. */
  include?: { x?: readonly number[]; y?: readonly number[] };
  /**
   * Weight of the past in an exponential moving average drawn over the pale raw line: 0 ≤ s < 1, 0 = none. The
   * average is unbiased at its start (divided by 1 − sⁿ).
   */
  smoothing?: number;
  /** Size in pixels at scale 1; the chart scales with its container. */
  width?: number;
  height?: number;
  /** Fill behind the chart, for a picture that stands alone; default none. */
  background?: string;
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

  const legend = legendRows(shown, width - LEFT - RIGHT);
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
  const xAxis = linearAxis(extent(xs), LEFT, width - RIGHT, 8, 0);
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
  shown.forEach(({ x, y }, index) => {
    const colour = COLOURS[index % COLOURS.length]!;
    const line = (values: readonly number[], style: string) => {
      const d = linePath(x, values, drawable, xAxis.at, yAxis.at);
      return `<path d="${d}" fill="none" stroke="${colour}" stroke-linejoin="round" ${style}/>`;
    };
    if (smoothing > 0) {
      parts.push(line(y, 'stroke-width="1" stroke-opacity="0.3"'));
      parts.push(line(movingAverage(y, smoothing, drawable), 'stroke-width="2"'));
    } else {
      parts.push(line(y, 'stroke-width="1.5"'));
    }
    if (y.length <= DOTS) {
      y.forEach((value, i) => {
        if (!drawable(x[i]!, value)) return;
        parts.push(
          `<circle cx="${fixed(xAxis.at(x[i]!))}" cy="${fixed(yAxis.at(value))}" r="2.5" fill="${colour}"/>`,
        );
      });
    }
  });

  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" aria-label="${escapeXml(title)}" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="${FONT}" ` +
    `fill="currentColor">${parts.join("\n")}</svg>`
  );
}

/** Exponential moving average without the bias of its start; values that cannot be drawn are skipped. */
function movingAverage(
  values: readonly number[],
  smoothing: number,
  drawable: (x: number, y: number) => boolean,
): number[] {
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (!drawable(0, value)) return Number.NaN;
    sum = smoothing * sum + (1 - smoothing) * value;
    weight = smoothing * weight + (1 - smoothing);
    return sum / weight;
  });
}

/**
 * The path of one series. Many points in one pixel column are reduced to the first, lowest, highest and last: the picture is the
 * same, and the text stays small.
 */
function linePath(
  x: readonly number[],
  y: readonly number[],
  drawable: (x: number, y: number) => boolean,
  atX: (value: number) => number,
  atY: (value: number) => number,
): string {
  const parts: string[] = [];
  let column: [number, number][] = [];
  let pen = "M";
  const flush = () => {
    const heights = column.map(([, py]) => py);
    const keep = new Set([0, heights.indexOf(Math.min(...heights)), heights.indexOf(Math.max(...heights))]);
    keep.add(column.length - 1);
    for (const i of [...keep].sort((a, b) => a - b)) {
      const point = column[i];
      if (point === undefined) continue;
      parts.push(`${pen}${fixed(point[0])} ${fixed(point[1])}`);
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
  x: number;
}

/** Legend rows, by estimated width; none for a single series, whose name belongs in the title. */
function legendRows(series: readonly Series[], width: number): LegendItem[][] {
  if (series.length < 2) return [];
  const rows: LegendItem[][] = [[]];
  let used = 0;
  series.forEach(({ name }, index) => {
    const needed = 26 + name.length * FONT * 0.58;
    if (used > 0 && used + needed > width) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)!.push({ name, colour: COLOURS[index % COLOURS.length]!, x: LEFT + used });
    used += needed;
  });
  return rows;
}

function legendItem({ name, colour, x }: LegendItem, y: number): string {
  return `<path d="M${fixed(x)} ${y - 4}h14" stroke="${colour}" stroke-width="3"/>${label(fixed(x + 19), y, name, "")}`;
}
