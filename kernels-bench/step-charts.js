/** Pictures of a profiled step: a lane for each kernel along time, and the memory in use over the dispatches. */

import { escapeXml } from "../dist/debug.js";
import { at as elementAt } from "./numbers.js";
import { colours, drawing, fixed, text } from "./page.js";
import { bytes, percent, significant } from "./report.js";

/** @typedef {import("./step.js").StepProfile} StepProfile */

const width = 1040;
const left = 285;
const right = 60;
const laneHeight = 20;
/** Kernels with a lane of their own; the rest share the last one. */
const lanes = 15;

/** @param {StepProfile & { timeline: NonNullable<StepProfile["timeline"]>, kernels: NonNullable<StepProfile["kernels"]> }} profile */
export function timelineChart({ stage, memory, timeline, kernels }) {
  const total = kernels.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const duration = Math.max(...timeline.map(({ begin, us }) => begin + us));
  const own = kernels.length > lanes + 1 ? kernels.slice(0, lanes) : kernels;
  const others = kernels.slice(own.length);
  /** @type {[string, number][]} */
  const rows = own.map(({ kernel, microseconds }) => [kernel, microseconds]);
  if (others.length > 0) {
    rows.push([
      `${others.length} other kernels`,
      others.reduce((sum, { microseconds }) => sum + microseconds, 0),
    ]);
  }
  const top = 8;
  const bottom = top + rows.length * laneHeight;
  /** @param {number} us */
  const x = (us) => left + (us / duration) * (width - left - right);
  const parts = [];
  for (const tick of linearTicks(duration / 1000)) {
    const at = fixed(x(tick * 1000));
    parts.push(`<path d="M${at} ${top}V${bottom + 4}" stroke="currentColor" stroke-opacity="0.13"/>`);
    parts.push(text(at, bottom + 19, `${tick}`, 'text-anchor="middle"'));
  }
  rows.forEach(([name, microseconds], lane) => {
    const y = top + lane * laneHeight;
    if (lane % 2 === 0) {
      parts.push(
        `<rect x="0" y="${y}" width="${width}" height="${laneHeight}" fill="currentColor" fill-opacity="0.04"/>`,
      );
    }
    parts.push(text(left - 10, y + 14, name, 'text-anchor="end"'));
    parts.push(text(width - 8, y + 14, percent(microseconds / total), 'text-anchor="end"'));
  });
  timeline.forEach(({ begin, us }, i) => {
    const { kernel, groups, bytes: moved } = elementAt(memory.dispatches, i);
    const found = own.findIndex((entry) => entry.kernel === kernel);
    const lane = found < 0 ? own.length : found;
    const title = `${kernel}, dispatch ${i + 1} of ${timeline.length}\n${significant(us / 1000)} ms, ${groups.join("×")} workgroups, ${bytes(moved)} moved`;
    parts.push(
      `<rect x="${fixed(x(begin))}" y="${top + lane * laneHeight + 3}" width="${fixed(Math.max(1, x(begin + us) - x(begin)))}" height="${laneHeight - 6}" rx="1" fill="${colours[lane % colours.length]}"><title>${escapeXml(title)}</title></rect>`,
    );
  });
  parts.push(
    text((left + width - right) / 2, bottom + 38, "milliseconds", 'text-anchor="middle" fill-opacity="0.75"'),
  );
  return drawing(width, bottom + 46, `Timeline of the ${stage} step`, parts);
}

/** @param {StepProfile} profile */
export function memoryChart({ stage, memory }) {
  const { dispatches, byLabel, peakBytes, peakAt } = memory;
  const height = 330;
  const [top, bottom, start] = [30, height - 46, 70];
  const end = width - 250;
  const count = Math.max(1, dispatches.length);
  /** @param {number} dispatch */
  const x = (dispatch) => start + (dispatch / count) * (end - start);
  const unit = 2 ** 20;
  /** @param {number} size */
  const y = (size) => bottom - (size / (peakBytes * 1.05)) * (bottom - top);
  const parts = [];
  for (const tick of linearTicks((peakBytes * 1.05) / unit)) {
    const at = fixed(y(tick * unit));
    parts.push(`<path d="M${start} ${at}H${end}" stroke="currentColor" stroke-opacity="0.13"/>`);
    parts.push(text(start - 8, at + 4, String(tick), 'text-anchor="end"'));
  }
  for (const tick of linearTicks(count)) {
    parts.push(text(x(tick), bottom + 18, String(tick), 'text-anchor="middle"'));
  }
  // What lasts lies below: the labels that change least come first.
  const change = new Map(
    byLabel.map((curve) => [curve, Math.max(...curve.bytes) - Math.min(...curve.bytes)]),
  );
  const ordered = [...byLabel].sort((a, b) => (change.get(a) ?? 0) - (change.get(b) ?? 0));
  let floor = new Array(count).fill(0);
  const atPeak = new Map(memory.peakByLabel);
  // The curve of all others has no label at the peak.
  const named = byLabel.reduce((sum, { label }) => sum + (atPeak.get(label) ?? 0), 0);
  /** @type {{ label: string, colour: string, atPeak: number }[]} */
  const key = [];
  ordered.forEach(({ label, bytes: sizes }, i) => {
    const colour = elementAt(colours, i % colours.length);
    const ceiling = floor.map((size, at) => size + (sizes[at] ?? 0));
    parts.push(
      `<path d="M${stairs(ceiling, x, y)}L${stairs(floor, x, y, true)}Z" fill="${colour}" fill-opacity="0.75"><title>${escapeXml(label)}</title></path>`,
    );
    key.push({ label, colour, atPeak: atPeak.get(label) ?? peakBytes - named });
    floor = ceiling;
  });
  key.reverse().forEach(({ label, colour, atPeak: size }, i) => {
    const at = top + 4 + i * 20;
    parts.push(`<rect x="${end + 18}" y="${at}" width="12" height="12" rx="2" fill="${colour}"/>`);
    parts.push(text(end + 37, at + 10, label));
    parts.push(text(width - 6, at + 10, bytes(size), 'text-anchor="end" fill-opacity="0.75"'));
  });
  const [peakX, peakY] = [x(peakAt), y(peakBytes)];
  const anchor = peakX > (start + end) / 2 ? "end" : "start";
  parts.push(
    `<path d="M${fixed(peakX)} ${fixed(peakY)}V${bottom}" stroke="currentColor" stroke-dasharray="3 3"/>`,
    `<circle cx="${fixed(peakX)}" cy="${fixed(peakY)}" r="3.5"/>`,
    text(
      peakX + (anchor === "end" ? 6 : -6),
      peakY - 9,
      `peak ${bytes(peakBytes)}`,
      `text-anchor="${anchor}" font-weight="600"`,
    ),
    text(end + 18, top - 8, "in use at the peak", 'font-weight="600"'),
    text((start + end) / 2, height - 8, "dispatches", 'text-anchor="middle" fill-opacity="0.75"'),
    text(
      16,
      (top + bottom) / 2,
      "MiB",
      `text-anchor="middle" fill-opacity="0.75" transform="rotate(-90 16 ${(top + bottom) / 2})"`,
    ),
  );
  return drawing(width, height, `Memory in use during the ${stage} step`, parts);
}

/**
 * The corners of a curve that keeps each value for the width of one dispatch, without the opening M.
 * @param {readonly number[]} values
 * @param {(dispatch: number) => number} x
 * @param {(size: number) => number} y
 */
function stairs(values, x, y, backwards = false) {
  const corners = values.flatMap((value, i) => [
    `${fixed(x(i))} ${fixed(y(value))}`,
    `${fixed(x(i + 1))} ${fixed(y(value))}`,
  ]);
  if (backwards) corners.reverse();
  return corners.join("L");
}

/** Round numbers from 0 up to `last`, at most ten of them. @param {number} last */
function linearTicks(last) {
  const rough = last / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((nice) => nice * power >= rough) ?? 10);
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}
