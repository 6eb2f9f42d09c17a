/**
 * A self-contained page about one run, in one file: figures, curves, pictures, configuration. Nothing is loaded from elsewhere;
 * the page follows the reader's light or dark scheme and fits a phone.
 */

import type { LogEntry } from "../io/run-folder.js";
import type { JsonRecord } from "../platform/json.js";
import type { ImageCodec, RgbImage } from "../platform/platform.js";
import { shortNumber } from "./axes.js";
import { formatDuration } from "./duration.js";
import { type PageTable, tableSection } from "./page-table.js";
import { lineChart, type Series } from "./plot.js";
import { figuresOf, inOrder, isLogarithmic, isLoss, isNoisy, smoothingOf, titleOf } from "./quantities.js";
import type { CaptionedImage } from "./sheet.js";
import { STYLE } from "./style.js";
import { escapeXml, pngAddress } from "./text.js";

export interface ReportSheet {
  title: string;
  /** One sentence about the pictures. */
  note?: string;
  image: RgbImage;
}

export interface ReportSamples {
  title: string;
  note?: string;
  items: readonly CaptionedImage[];
}

export interface ReportData {
  title: string;
  /** Name of the adapter that computed the run, with the driver. */
  adapter: string;
  config: JsonRecord;
  log: readonly LogEntry[];
  /** Additional figures for the head of the page, such as parameter counts or final scores. */
  facts?: Readonly<Record<string, string | number>>;
  /** Tables below the figures of the head, such as final scores. */
  tables?: readonly PageTable[];
  samples?: readonly ReportSamples[];
  sheets?: readonly ReportSheet[];
}

/** References listed below a picture. */
const REFERENCES = 3;

/** Told as facts, or by the throughput. */
const UNCHARTED = new Set(["ms", "memoryMiB", "waiting"]);

/** Steps over which the last losses are averaged: the loss of one batch is too noisy. */
const LAST_STEPS = 50;

/** The page as HTML text. The same data give the same bytes: no clock is read. */
export async function renderReport(codec: Pick<ImageCodec, "encodePng">, data: ReportData): Promise<string> {
  const stages = [...new Set(data.log.map((entry) => entry.stage))];
  const sections = stages.map((stage) =>
    stageSection(
      stage,
      data.log.filter((entry) => entry.stage === stage),
    ),
  );
  const samples = await Promise.all((data.samples ?? []).map((group) => samplesSection(codec, group)));
  const sheets = await Promise.all((data.sheets ?? []).map((sheet) => sheetSection(codec, sheet)));
  const facts = { Adapter: data.adapter, ...data.facts };
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(data.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeXml(data.title)}</h1>
${factList(facts)}
${(data.tables ?? []).map(tableSection).join("\n")}
${samples.join("\n")}
${sheets.join("\n")}
${sections.join("\n")}
<section>
<h2>Configuration</h2>
${configTables(data.config)}
</section>
</main>
</body>
</html>
`;
}

function stageSection(stage: string, log: readonly LogEntry[]): string {
  const last = log.at(-1)!;
  const seconds = log.reduce((sum, entry) => sum + (Number.isFinite(entry.ms) ? entry.ms : 0), 0) / 1000;
  const peak = finite(log.map((entry) => entry.bytes)).reduce((most, bytes) => Math.max(most, bytes), 0);
  const facts: Record<string, string | number> = {
    Steps: last.step,
    "Time in steps": formatDuration(seconds),
    Throughput: `${shortNumber(median(log.map((entry) => entry.perSecond)))} ${last.unit}/s`,
    "Peak memory": `${shortNumber(peak / 2 ** 20)} MiB`,
  };
  const tail = log.slice(-LAST_STEPS);
  for (const name of names(tail, "losses")) {
    const values = finite(tail.map((entry) => entry.losses[name] ?? Number.NaN));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const what = isLoss(`losses.${name}`) ? `${name} loss` : titleOf(`losses.${name}`, last.unit);
    facts[`${what}, last ${tail.length} steps`] = shortNumber(mean);
  }
  for (const [name, value] of lastMetrics(log))
    facts[titleOf(`metrics.${name}`, last.unit)] = shortNumber(value);
  return `<section>
<h2>Stage ${escapeXml(stage)}</h2>
${factList(facts)}
<div class="charts">
${stageCharts(log, last.unit)
  .map((chart) => `<figure>${chart}</figure>`)
  .join("\n")}
</div>
</section>`;
}

/** One chart for each logged quantity; the parts of the loss share one. */
function stageCharts(log: readonly LogEntry[], unit: LogEntry["unit"]): string[] {
  const curves = new Map<string, { x: number[]; y: number[] }>();
  for (const entry of log)
    for (const [name, value] of figuresOf(entry)) {
      const curve = curves.get(name) ?? { x: [], y: [] };
      curves.set(name, curve);
      curve.x.push(entry.step);
      curve.y.push(value);
    }
  const smoothing = smoothingOf(log.length);
  const chart = (title: string, names: readonly string[]) => {
    const series = names.map((name): Series => ({ name: name.split(".").at(-1)!, ...curves.get(name)! }));
    const logY = names.every(isLogarithmic) && series.every(({ y }) => y.every((value) => !(value <= 0)));
    return lineChart(series, {
      title,
      xLabel: "step",
      logY,
      smoothing: names.every(isNoisy) ? smoothing : 0,
    });
  };
  // The total has a separate chart: beside a part a thousand times smaller its course would be invisible.
  const isPart = (name: string) => isLoss(name) && name !== "losses.total";
  const shown = inOrder([...curves.keys()].filter((name) => !UNCHARTED.has(name)));
  const parts = shown.filter(isPart);
  return shown.flatMap((name) => {
    if (!isPart(name)) return [chart(titleOf(name, unit), [name])];
    return name === parts[0] ? [chart("Parts of the loss", parts)] : [];
  });
}

async function samplesSection(codec: Pick<ImageCodec, "encodePng">, group: ReportSamples): Promise<string> {
  const cards = await Promise.all(
    group.items.map(async ({ image, caption, references = [] }) => {
      const png = pngAddress(await codec.encodePng(image));
      const shown = caption === "" ? "(empty caption)" : caption;
      return (
        `<figure class="sample"><img src="${png}" width="${image.width}" height="${image.height}" alt="${escapeXml(shown)}">` +
        `<figcaption><b>${escapeXml(shown)}</b>${referenceList(references)}</figcaption></figure>`
      );
    }),
  );
  const note = group.note ?? "The model's caption in bold, the names that people give the picture below it.";
  return `<section>
<h2>${escapeXml(group.title)}</h2>
<p>${escapeXml(note)}</p>
<div class="samples">
${cards.join("\n")}
</div>
</section>`;
}

/** The first references; the others are counted, and told where the pointer rests. */
function referenceList(references: readonly string[]): string {
  const listed = references.slice(0, REFERENCES).map((text) => `<span>${escapeXml(text)}</span>`);
  const others = references.slice(REFERENCES);
  if (others.length > 0)
    listed.push(`<span title="${escapeXml(others.join("\n"))}">and ${others.length} more</span>`);
  return listed.join("");
}

async function sheetSection(codec: Pick<ImageCodec, "encodePng">, sheet: ReportSheet): Promise<string> {
  const { title, note, image } = sheet;
  const png = pngAddress(await codec.encodePng(image));
  return `<section>
<h2>${escapeXml(title)}</h2>
${note === undefined ? "" : `<p>${escapeXml(note)}</p>`}
<img class="sheet" src="${png}" width="${image.width}" height="${image.height}" alt="${escapeXml(title)}">
</section>`;
}

function factList(facts: Readonly<Record<string, string | number>>): string {
  const items = Object.entries(facts).map(
    ([name, value]) =>
      `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(typeof value === "number" ? value.toLocaleString("en-US") : value)}</dd></div>`,
  );
  return `<dl>${items.join("")}</dl>`;
}

/** One collapsible table per section of the configuration. */
function configTables(config: JsonRecord): string {
  const tables = new Map<string, string[]>();
  for (const [section, value] of Object.entries(config)) {
    const nested = typeof value === "object" && value !== null && !Array.isArray(value);
    const rows: [string, unknown][] = nested ? Object.entries(value) : [[section, value]];
    const name = nested ? section : "general";
    const lines = tables.get(name) ?? [];
    tables.set(name, lines);
    for (const [key, item] of rows) {
      const text = typeof item === "string" ? item : JSON.stringify(item);
      lines.push(`<tr><th>${escapeXml(key)}</th><td>${escapeXml(text)}</td></tr>`);
    }
  }
  return [...tables]
    .map(
      ([name, rows]) =>
        `<details><summary>${escapeXml(name)}</summary><table>${rows.join("")}</table></details>`,
    )
    .join("\n");
}

/** Names in `losses` or `metrics`, in the order in which they first appear. */
function names(log: readonly LogEntry[], field: "losses" | "metrics"): string[] {
  return [...new Set(log.flatMap((entry) => Object.keys(entry[field] ?? {})))];
}

/** The last value of every metric. */
function lastMetrics(log: readonly LogEntry[]): Map<string, number> {
  return new Map(log.flatMap((entry) => Object.entries(entry.metrics ?? {})));
}

function finite(values: readonly number[]): number[] {
  return values.filter((value) => Number.isFinite(value));
}

function median(values: readonly number[]): number {
  const sorted = finite(values).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
