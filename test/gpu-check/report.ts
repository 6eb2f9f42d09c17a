/** The result of a check as one JSON file and one page that stands alone. */

import { sectionsOf } from "#bench/cases-page.js";
import { page } from "#bench/page.js";
import { escapeXml } from "../../dist/debug.js";
import { lineChart } from "../../dist/report.js";
import type { BenchData, TrainingData } from "./data.js";
import type { Table } from "./phase.js";
import type { PhaseResult } from "./schedule.js";

export const format = "mc-diffusion-gpu-check-1";

export interface CheckReport {
  readonly format: typeof format;
  readonly date: string;
  /** Version of the package. */
  readonly version: string;
  /** Program and system. */
  readonly runtime: string;
  readonly adapter: string;
  readonly seconds: number;
  readonly phases: readonly PhaseResult[];
}

/** The report of phases that ran. `adapter` is what the first of them tells. */
export function reportOf(
  results: readonly PhaseResult[],
  about: Pick<CheckReport, "date" | "version" | "runtime" | "seconds">,
): CheckReport {
  return { format, ...about, adapter: results[0]?.facts.Adapter ?? "none", phases: results };
}

/** Name of the files, without their ends: adapter, day and minute. */
export const fileName = ({ adapter, date }: CheckReport): string =>
  ["gpu-check", adapter.slice(0, 40), date.slice(0, 16)].join("-").replaceAll(/[^a-z0-9]+/gi, "-");

export const jsonOf = (report: CheckReport): string => `${JSON.stringify(report, null, 1)}\n`;

const words = { passed: "passed", failed: "FAILED", skipped: "skipped" } as const;

/** One line for people: how many phases passed. */
export function summaryOf({ phases }: CheckReport): string {
  const count = (verdict: PhaseResult["verdict"]) =>
    phases.filter((phase) => phase.verdict === verdict).length;
  return `${count("passed")} phases passed, ${count("failed")} failed, ${count("skipped")} skipped`;
}

/** The page: HTML with nothing loaded from elsewhere. */
export function pageOf(report: CheckReport): string {
  const facts = {
    Adapter: report.adapter,
    Result: summaryOf(report),
    Date: report.date.replace("T", " ").replace(/\..*/, " UTC"),
    Runtime: report.runtime,
    Version: report.version,
    Took: `${report.seconds.toFixed(0)} s`,
  };
  return page({
    title: "GPU check of MC-Diffusion on WebGPU",
    facts,
    sections: [style, overview(report), ...report.phases.map(section)],
  });
}

const style = `<style>
.verdict { display: inline-block; padding: 0 0.5em; border-radius: 0.8em; color: #fff; font-size: 0.85rem; font-weight: 600; }
.passed { background: #00795a; } .failed { background: #b3261e; } .skipped { background: #6b7280; }
.overview { width: auto; } .overview td:last-child { white-space: normal; min-width: 22rem; }
.small { width: auto; margin-bottom: 1rem; } .small td { text-align: left; white-space: normal; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } .charts figure { flex: 1 1 26rem; } .charts figure svg { min-width: 0; }
li { max-width: 60rem; overflow-wrap: anywhere; }
</style>`;

function overview({ phases }: CheckReport): string {
  const rows = phases.map(
    ({ name, title, verdict, seconds, problems, cut, skipped }) =>
      `<tr><td class="name"><a href="#${name}">${escapeXml(title)}</a></td><td class="name">${mark(verdict)}</td><td>${seconds.toFixed(1)}</td><td class="name">${escapeXml(skipped ?? problems[0] ?? cut[0] ?? "")}</td></tr>`,
  );
  return `<section>
<p>This page and the JSON file beside it hold all that was measured: the adapter, its results and times. They hold no file and no name of yours.</p>
<div class="scroll"><table class="overview"><thead><tr><th class="name">phase</th><th class="name">result</th><th>s</th><th class="name">note</th></tr></thead><tbody>${rows.join("\n")}</tbody></table></div>
</section>`;
}

const mark = (verdict: PhaseResult["verdict"]) => `<span class="verdict ${verdict}">${words[verdict]}</span>`;

function section(result: PhaseResult): string {
  const { name, title, verdict, seconds, budget, problems, cut, skipped, facts, tables } = result;
  const list = (lines: readonly string[], kind: string) =>
    lines.length > 0
      ? `<ul class="${kind}">${lines.map((line) => `<li>${escapeXml(line)}</li>`).join("")}</ul>`
      : "";
  return `<section id="${name}">
<h2>${escapeXml(title)} ${mark(verdict)}</h2>
<p>${seconds.toFixed(1)} s of ${budget.toFixed(0)}.${skipped === undefined ? "" : ` ${escapeXml(skipped)}`}</p>
${list(problems, "wrong")}${list(cut, "cut")}
${Object.keys(facts).length > 0 ? factList(facts) : ""}
${tables.map(table).join("\n")}
${extras(result)}
</section>`;
}

const factList = (facts: Readonly<Record<string, string>>) =>
  `<dl class="facts">${Object.entries(facts)
    .map(([name, value]) => `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}</dd></div>`)
    .join("")}</dl>`;

function table({ title, columns, rows }: Table): string {
  const cells = (tag: string, row: readonly string[]) =>
    row.map((cell) => `<${tag} class="name">${escapeXml(cell)}</${tag}>`).join("");
  return `<h3>${escapeXml(title)}</h3><div class="scroll"><table class="small"><thead><tr>${cells("th", columns)}</tr></thead><tbody>${rows
    .map((row) => `<tr>${cells("td", row)}</tr>`)
    .join("")}</tbody></table></div>`;
}

/** What only one phase has: the roofline, the curves. */
function extras({ name, data, verdict }: PhaseResult): string {
  if (verdict === "skipped" || data === undefined) return "";
  if (name === "bench") return sectionsOf((data as BenchData).report).join("\n");
  if (name !== "training") return "";
  const charts = Object.entries((data as TrainingData).stages).map(([stage, { losses, stored }]) => {
    const x = losses.map((_, i) => i + 1);
    const series = [
      { name: "stored", x, y: stored },
      { name: "this adapter", x, y: losses },
    ];
    return `<figure>${lineChart(series, { title: stage, xLabel: "step", yLabel: "loss" })}</figure>`;
  });
  return `<div class="charts">${charts.join("")}</div>`;
}
