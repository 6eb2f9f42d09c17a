/** The roofline as a picture: both ceilings, and a numbered point for each case. */

import { escapeXml } from "../dist/debug.js";
import { at } from "./numbers.js";
import { colours, drawing, fixed, text } from "./page.js";
import { percent, significant } from "./report.js";

/** @typedef {import("./roofline.js").Point} Point */

const width = 1040;
const height = 600;
const plot = { left: 64, right: width - 44, top: 16, bottom: height - 48 };
/** Half the height of a badge; its width follows from the figures in it. */
const badge = 8;

/** Families that are kin share a colour. */
const kinds = [
  ["matmul", "linear"],
  ["attention"],
  ["softmax", "layer-norm", "adaln", "group-norm"],
  ["conv2d"],
  ["embedding", "codebook"],
  ["cross-entropy", "kl", "posterior"],
  ["sample", "q-sample", "rng"],
  ["adamw"],
];

/** @param {string} family */
export const familyColour = (family) =>
  colours[
    Math.max(
      0,
      kinds.findIndex((names) => names.includes(family)),
    )
  ];

/** The colours of the families present, as HTML. @param {readonly string[]} families */
export function colourKey(families) {
  const items = kinds.flatMap((names, i) => {
    const present = names.filter((name) => families.includes(name));
    return present.length > 0
      ? [
          `<span><span class="badge" style="background:${colours[i]}">&nbsp;</span> ${present.join(", ")}</span>`,
        ]
      : [];
  });
  return `<div class="key">${items.join("")}</div>`;
}

/** @param {ReturnType<typeof import("./roofline.js").roofline>} model */
export function rooflineChart({ peak, bandwidth, ridge, perCore, points }) {
  const unit = perCore ? "GFLOP/s for each core" : "GFLOP/s";
  const [xLow, xHigh] = decades([ridge / 4, ridge * 4, ...points.map(({ intensity }) => intensity)], 1.25);
  const [yLow, yHigh] = decades([peak * 1.25, peak / 100, ...points.map(({ rate }) => rate)], 1.15);
  const x = scale(xLow, xHigh, plot.left, plot.right);
  const y = scale(yLow, yHigh, plot.bottom, plot.top);
  const parts = [
    `<clipPath id="plot"><rect x="${plot.left}" y="${plot.top}" width="${plot.right - plot.left}" height="${plot.bottom - plot.top}"/></clipPath>`,
  ];

  for (const { value, name } of ticks(xLow, xHigh)) {
    const place = fixed(x(value));
    parts.push(
      `<path d="M${place} ${plot.top}V${plot.bottom}" stroke="currentColor" stroke-opacity="${name ? 0.13 : 0.05}"/>`,
    );
    if (name) parts.push(text(place, plot.bottom + 18, name, 'text-anchor="middle"'));
  }
  for (const { value, name } of ticks(yLow, yHigh)) {
    const place = fixed(y(value));
    parts.push(
      `<path d="M${plot.left} ${place}H${plot.right}" stroke="currentColor" stroke-opacity="${name ? 0.13 : 0.05}"/>`,
    );
    if (name) parts.push(text(plot.left - 8, place + 4, name, 'text-anchor="end"'));
  }
  const middle = (plot.left + plot.right) / 2;
  parts.push(
    text(
      middle,
      height - 8,
      "operations for each byte that has to move",
      'text-anchor="middle" fill-opacity="0.75"',
    ),
  );
  const centre = (plot.top + plot.bottom) / 2;
  parts.push(
    text(14, centre, unit, `text-anchor="middle" fill-opacity="0.75" transform="rotate(-90 14 ${centre})"`),
  );

  // The roof, and half and a tenth of it: what is below the last waits for something else than the ceilings.
  /** @param {number} share */
  const roof = (share) =>
    `M${fixed(x(xLow))} ${fixed(y(xLow * bandwidth * share))}L${fixed(x(ridge))} ${fixed(y(peak * share))}L${fixed(x(xHigh))} ${fixed(y(peak * share))}`;
  const clip = 'clip-path="url(#plot)" fill="none" stroke="currentColor"';
  parts.push(`<path d="${roof(1)}" ${clip} stroke-width="2.5" stroke-linejoin="round"/>`);
  for (const share of [0.5, 0.1]) {
    parts.push(`<path d="${roof(share)}" ${clip} stroke-opacity="0.45" stroke-dasharray="5 5"/>`);
    parts.push(text(plot.right + 6, y(peak * share) + 4, percent(share), 'fill-opacity="0.75"'));
  }
  parts.push(
    text(
      plot.right - 4,
      y(peak) - 7,
      `FMA peak ${significant(peak)} ${unit}`,
      'text-anchor="end" font-weight="600"',
    ),
  );
  // Along the slope, in its upper part: kernels that only move bytes crowd below the rest of it.
  const slope = (Math.atan2(y(ridge * bandwidth) - y(xLow * bandwidth), x(ridge) - x(xLow)) * 180) / Math.PI;
  const entry = Math.max(xLow, yLow / bandwidth);
  const along = entry ** 0.25 * ridge ** 0.75;
  const [alongX, alongY] = [x(along), y(along * bandwidth)];
  parts.push(
    text(
      alongX,
      alongY - 8,
      `copy bandwidth ${significant(bandwidth)} GB/s${perCore ? " for each core" : ""}`,
      `text-anchor="middle" font-weight="600" transform="rotate(${fixed(slope)} ${fixed(alongX)} ${fixed(alongY)})"`,
    ),
  );

  const places = layOut(
    points.map(({ number, intensity, rate }) => ({ x: x(intensity), y: y(rate), half: badgeHalf(number) })),
  );
  parts.push(...points.map((point, i) => marker(point, at(places, i), unit)));
  return drawing(width, height, "Roofline", parts);
}

/**
 * @typedef {{ x: number, y: number, half: number, toX: number, toY: number }} Place A point and the middle of its badge.
 */

/**
 * @param {Point} point
 * @param {Place} place
 * @param {string} unit
 */
function marker(point, { x, y, half, toX, toY }, unit) {
  const colour = familyColour(point.family);
  const title =
    `${point.number}. ${point.name}\n${significant(point.rate)} ${unit}, ${percent(point.rate / point.roof)} of the roof (${point.limit})\n` +
    `${significant(point.intensity)} operations a byte`;
  const shape = `x="${fixed(toX - half)}" y="${fixed(toY - badge)}" width="${fixed(2 * half)}" height="${2 * badge}" rx="${badge}"`;
  return (
    `<a href="#case-${point.number}"><title>${escapeXml(title)}</title>` +
    `<path d="M${fixed(x)} ${fixed(y)}L${fixed(toX)} ${fixed(toY)}" stroke="${colour}" stroke-opacity="0.6"/>` +
    `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="3" fill="${colour}"/>` +
    `<rect ${shape} fill="${colour}"/>` +
    `${text(toX, toY + 3.6, String(point.number), 'text-anchor="middle" font-size="10.5" font-weight="600" style="fill:#fff"')}</a>`
  );
}

/** @param {number} number */
const badgeHalf = (number) => 5 + 3.4 * String(number).length;

/**
 * Puts each badge as near to its point as it can be without covering another badge or a point: rings of growing
 * radius around the point, from above clockwise. What finds no room nearby stays above its point.
 * @param {readonly { x: number, y: number, half: number }[]} points
 * @returns {Place[]}
 */
export function layOut(points) {
  /** @type {Place[]} */
  const placed = [];
  for (const point of points) {
    /** @param {number} toX @param {number} toY */
    const free = (toX, toY) =>
      toX - point.half >= plot.left &&
      toX + point.half <= plot.right &&
      toY - badge >= plot.top &&
      toY + badge <= plot.bottom &&
      points.every((dot) => Math.abs(dot.x - toX) > point.half + 3 || Math.abs(dot.y - toY) > badge + 3) &&
      placed.every(
        (other) =>
          Math.abs(other.toX - toX) > other.half + point.half + 1 ||
          Math.abs(other.toY - toY) > 2 * badge + 1,
      );
    let [toX, toY] = [point.x, point.y - badge - 5];
    search: for (let radius = badge + 5; radius < 130; radius += 5) {
      for (let step = 0; step < 24; step++) {
        const angle = (step * Math.PI) / 12;
        const [x, y] = [point.x + radius * Math.sin(angle), point.y - radius * Math.cos(angle)];
        if (!free(x, y)) continue;
        [toX, toY] = [x, y];
        break search;
      }
    }
    placed.push({ ...point, toX, toY });
  }
  return placed;
}

/**
 * @param {readonly number[]} values
 * @param {number} margin
 * @returns {[low: number, high: number]}
 */
function decades(values, margin) {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  return [Math.min(...positive) / margin, Math.max(...positive) * margin];
}

/**
 * @param {number} low
 * @param {number} high
 * @param {number} from
 * @param {number} to
 */
function scale(low, high, from, to) {
  const [first, last] = [Math.log(low), Math.log(high)];
  return (/** @type {number} */ value) => from + ((Math.log(value) - first) / (last - first)) * (to - from);
}

/**
 * Every whole multiple of each power of ten; only 1, 2 and 5 are named.
 * @param {number} low
 * @param {number} high
 */
function ticks(low, high) {
  const found = [];
  for (let decade = Math.floor(Math.log10(low)); decade <= Math.log10(high); decade++) {
    for (let factor = 1; factor < 10; factor++) {
      const value = factor * 10 ** decade;
      if (value < low || value > high) continue;
      found.push({ value, name: [1, 2, 5].includes(factor) ? String(Number(value.toPrecision(1))) : "" });
    }
  }
  return found;
}
