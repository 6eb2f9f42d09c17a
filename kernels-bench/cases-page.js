/** The report of a run as one HTML page: facts, roofline, table. */

import { escapeXml } from "../dist/debug.js";
import { page } from "./page.js";
import { bytes, coresBusy, percent, ratio, significant } from "./report.js";
import { byProcessorTime, roofline } from "./roofline.js";
import { colourKey, familyColour, rooflineChart } from "./roofline-chart.js";

/**
 * A page of its own.
 * @param {import("./report.js").Report} report
 * @returns {string} HTML.
 */
export function casesPage(report) {
  return page({
    title: "Kernels under their roofline",
    facts: factsOf(report),
    sections: sectionsOf(report),
  });
}

/**
 * What was measured where, by name.
 * @param {import("./report.js").Report} report
 * @returns {Record<string, string>}
 */
export function factsOf(report) {
  const { ceilings, cases } = report;
  return {
    Adapter: report.adapter,
    Date: report.date.replace("T", " ").replace(/\..*/, " UTC"),
    "FMA peak": `${significant(ceilings.peak.gflops)} GFLOP/s (median ${significant(ceilings.median.gflops)})`,
    "Copy bandwidth": `${significant(ceilings.peak.gbs)} GB/s (median ${significant(ceilings.median.gbs)})`,
    Cases: `${cases.length}, sizes ${report.sizes ?? "default"}`,
    Took: `${significant(report.seconds)} s`,
    ...(report.node === undefined
      ? { Browser: report.platform }
      : { Node: `${report.node}, ${report.platform}` }),
  };
}

/**
 * The roofline and the table, as HTML sections to put into a page with the classes of page.js.
 * @param {import("./report.js").Report} report
 * @returns {string[]}
 */
export function sectionsOf(report) {
  const { cases } = report;
  const model = roofline(report);
  const unplaced = cases.length - model.points.length;
  const families = [...new Set(cases.map(({ family }) => family))];
  const clock = model.perCore
    ? "Rates go by processor time, which other programs on the machine disturb far less than wall clock, so they are those of one core."
    : "Rates are those of the fastest sample.";
  return [
    ...(model.points.length > 0
      ? [
          `<section>
<h2>Roofline</h2>
<p>A point is a case; its number is that of its row below. A point on the solid line cannot become faster on this adapter; far below it a kernel waits for something other than arithmetic or bandwidth, or computes more than its formula asks. ${clock}${unplaced > 0 ? ` ${unplaced === 1 ? "One case" : `${unplaced} cases`} without floating-point operations ${unplaced === 1 ? "is" : "are"} only in the table.` : ""}</p>
<figure>${rooflineChart(model)}</figure>
${colourKey(families)}
</section>`,
        ]
      : []),
    `<section>
<h2>Cases</h2>
<div class="scroll"><table>${head(report)}<tbody>${cases.map((result, i) => row(result, i + 1, report)).join("\n")}</tbody></table></div>
<p style="margin-top:1rem">Hover over a column's name for its meaning.</p>
</section>`,
  ];
}

/** @param {import("./report.js").Report} report */
const checked = ({ cases }) => cases.some(({ check }) => check);

/** @param {import("./report.js").Report} report */
function head(report) {
  /** @type {[string, string][]} */
  const columns = [
    ["ms", "median time of one call"],
    ["±", "half the distance between the quartiles of the samples, as a share of the median"],
    ...(byProcessorTime(report)
      ? [
          /** @type {[string, string]} */ ([
            "cores",
            "processor time over time: low in one row, a kernel that leaves cores idle; low in all, a busy machine",
          ]),
        ]
      : []),
    ["GFLOP/s", "operations of the formula over ms"],
    ["GB/s", "the least bytes over ms"],
    ["of FMA", "share of the FMA ceiling"],
    ["of copy", "share of the copy ceiling"],
    ["of the roof", "the larger of the two shares: 100 % is the most that the two ceilings allow"],
    ["disp", "dispatches of one call"],
    ["new", "buffers and bind groups created by one call after the warm-up: should be 0"],
    ["least", "the bytes that have to move: every input read once, every result written once"],
    ["moved", "what the dispatches of one call bind, over the least bytes"],
  ];
  if (checked(report)) columns.push(["error", "largest difference from float64 over the largest value"]);
  const cells = columns.map(([name, meaning]) => `<th title="${escapeXml(meaning)}">${escapeXml(name)}</th>`);
  return `<thead><tr><th></th><th class="name">case</th>${cells.join("")}</tr></thead>`;
}

/**
 * @param {import("./measure.js").Result} result
 * @param {number} number
 * @param {import("./report.js").Report} report
 */
function row(result, number, report) {
  const byProcessor = byProcessorTime(report);
  const fma = byProcessor ? result.cpuShareOfFma : result.shareOfFma;
  const copy = byProcessor ? result.cpuShareOfCopy : result.shareOfCopy;
  const created = result.buffersCreated + result.bindGroupsCreated;
  const cells = [
    significant(result.ms),
    percent(result.spread),
    ...(byProcessor ? [coresBusy(result)] : []),
    result.flops > 0 ? significant(result.gflops) : "–",
    significant(result.gbs),
    fma === null ? "–" : percent(fma),
    copy === null ? "–" : percent(copy),
  ].map((cell) => `<td>${cell}</td>`);
  const share = Math.min(100, 100 * result.shareOfRoof).toFixed(0);
  cells.push(
    `<td class="bar" style="--share:${share}%">${percent(result.shareOfRoof)}</td>`,
    `<td>${result.dispatches}</td>`,
    `<td${created > 0 ? ' class="wrong"' : ""}>${created}</td>`,
    `<td>${bytes(result.leastBytes)}</td>`,
    `<td>${ratio(result.movedBytes / result.leastBytes)}</td>`,
  );
  const { check } = result;
  if (check) {
    cells.push(
      check.ok
        ? `<td>${check.error.toExponential(1)}</td>`
        : `<td class="wrong">${check.error.toExponential(1)} WRONG</td>`,
    );
  } else if (checked(report)) cells.push("<td>–</td>");
  const mark = `<span class="badge" style="background:${familyColour(result.family)}">${number}</span>`;
  return `<tr id="case-${number}"><td>${mark}</td><td class="name">${escapeXml(result.name)}</td>${cells.join("")}</tr>`;
}
