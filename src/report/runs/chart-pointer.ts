/** What happens where somebody points into a chart: values at that place, and a range to enlarge. */

import { shortNumber } from "../axes.js";
import type { Series } from "../plot.js";
import { element } from "./dom.js";
import type { XAxis } from "./listing.js";

/** What a chart is over, and what a chosen range does; null: the whole. */
export interface PointerOptions {
  readonly axis: XAxis;
  readonly zoom: (range: { from: number; to: number } | null) => void;
}

/** Share of the chart's width beside a curve's ends within which they are told of. */
const NEAR = 0.01;
/** Pixels that make a range: less is a click. */
const LEAST = 6;

/** The place of the point nearest to `at` in x, which does not decrease; −1 of none. */
export function nearest(x: readonly number[], at: number): number {
  let [low, high] = [0, x.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle]! < at) low = middle;
    else high = middle;
  }
  return high < 0 || Math.abs(x[low]! - at) <= Math.abs(x[high]! - at) ? Math.min(low, high) : high;
}

/** Shows the values of the curves under the pointer below the chart, and enlarges a range that is dragged over. */
export function pointInto(
  figure: HTMLElement,
  curves: readonly Series[],
  { axis, zoom }: PointerOptions,
): void {
  const svg = figure.querySelector("svg")!;
  const numbers = (text: string) => text.split(" ").map(Number) as [number, number];
  const [low, high] = numbers(svg.dataset.x!);
  const [left, right] = numbers(svg.dataset.edges!);
  const width = svg.viewBox.baseVal.width;
  const readout = element("figcaption", { hidden: true });
  const marker = element("div", { class: "marker", hidden: true });
  const range = element("div", { class: "marker range", hidden: true });
  figure.append(readout, marker, range);
  /** Pixels of the chart's own, within its edges. */
  const pixel = ({ clientX }: PointerEvent) => {
    const box = svg.getBoundingClientRect();
    return Math.min(right, Math.max(left, ((clientX - box.left) / box.width) * width));
  };
  const place = (own: number) => {
    const box = svg.getBoundingClientRect();
    return box.left - figure.getBoundingClientRect().left + (own / width) * box.width;
  };
  const valueAt = (own: number) => low + ((own - left) / (right - left)) * (high - low);
  let start: number | null = null;

  const show = (at: number) => {
    const told = curves.flatMap(({ name, colour, x, y, smoothed }) => {
      // Beyond its ends a curve has no value.
      const slack = NEAR * (high - low);
      if (x.length === 0 || at < x[0]! - slack || at > x.at(-1)! + slack) return [];
      const i = nearest(x, at);
      const raw = shortNumber(y[i]!);
      const text = smoothed ? `${shortNumber(smoothed[i]!)} (${raw})` : raw;
      const swatch = element("i", { class: "swatch", style: `border-top-color:${colour}` });
      return [element("span", {}, swatch, ` ${text} `, element("small", {}, name))];
    });
    const x = axis === "step" ? `step ${Math.round(at)}` : `${shortNumber(at)} h`;
    readout.replaceChildren(element("span", {}, x), ...told);
  };
  svg.addEventListener("pointermove", (event) => {
    const own = pixel(event);
    marker.hidden = readout.hidden = false;
    marker.style.left = `${place(own)}px`;
    show(valueAt(own));
    range.hidden = start === null || Math.abs(own - start) < LEAST;
    if (start === null) return;
    const [from, to] = [Math.min(own, start), Math.max(own, start)];
    range.style.left = `${place(from)}px`;
    range.style.width = `${place(to) - place(from)}px`;
  });
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = pixel(event);
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointerup", (event) => {
    const own = pixel(event);
    if (start !== null && Math.abs(own - start) >= LEAST) {
      const ends = [valueAt(Math.min(own, start)), valueAt(Math.max(own, start))] as const;
      const [from, to] = ends.map((value) => (axis === "step" ? Math.round(value) : rounded(value)));
      zoom({ from: from!, to: to! });
    }
    start = null;
    range.hidden = true;
  });
  svg.addEventListener("pointerleave", () => {
    marker.hidden = readout.hidden = true;
  });
  svg.addEventListener("dblclick", () => zoom(null));
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
