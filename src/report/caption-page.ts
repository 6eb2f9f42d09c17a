/**
 * A self-contained page that shows the captions of several models side by side, picture by picture: references, scores of each
 * picture, the table of all. It can be filtered and sorted; without scripts it is a plain list. Nothing is loaded from elsewhere.
 */

import { captionPageScript } from "./caption-page-script.js";
import { type PageTable, tableSection } from "./page-table.js";
import { STYLE } from "./style.js";
import { escapeXml, pngAddress } from "./text.js";

/** A picture with all its captions. */
export interface PagePicture {
  readonly split: string;
  readonly id: string;
  readonly png: Uint8Array;
  /** Side length in pixels. */
  readonly size: number;
  readonly references: readonly string[];
  /** For each row of `CaptionPage.rows` its captions, one a seed, and its score by each of `CaptionPage.metrics`; NaN where there is none. */
  readonly said: readonly { readonly captions: readonly string[]; readonly scores: readonly number[] }[];
}

/** The contents of the page. */
export interface CaptionPage {
  readonly title: string;
  /** Sentences about the tables and about the pictures shown. */
  readonly legend: string;
  readonly note: string;
  readonly tables: readonly PageTable[];
  /** Names of the rows. The first is the one that others are compared with. */
  readonly rows: readonly string[];
  readonly metrics: readonly { readonly title: string; readonly decimals: number | "share" }[];
  readonly pictures: readonly PagePicture[];
}

/** The page as HTML text. The same data give the same bytes. */
export function renderCaptionPage(page: CaptionPage): string {
  const { title, legend, note, tables, pictures } = page;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>${STYLE}${PAGE_STYLE}</style>
</head>
<body>
<main>
<h1>${escapeXml(title)}</h1>
${tables.map(tableSection).join("\n")}
<p>${escapeXml(legend)}</p>
<section aria-labelledby="captions">
<h2 id="captions">Captions</h2>
<p>${escapeXml(note)}</p>
${controls(page)}
<div id="pictures">
${pictures.map((picture, i) => card(page, picture, i)).join("\n")}
</div>
</section>
</main>
<script>(${captionPageScript})();</script>
</body>
</html>
`;
}

function controls({ rows, metrics, pictures }: CaptionPage): string {
  const option = (text: string, value: string | number) =>
    `<option value="${escapeXml(String(value))}">${escapeXml(text)}</option>`;
  const splits = [...new Set(pictures.map(({ split }) => split))];
  const select = (id: string, label: string, options: readonly string[]) =>
    `<label>${label} <select id="${id}">${options.join("")}</select></label>`;
  const sorted = [
    option("order of the data", "none"),
    option("largest gain first", "gain"),
    option("largest loss first", "loss"),
    option("lowest score first", "worst"),
  ];
  const compared = rows.map((name, row) => option(row === 0 ? name : `${name} − ${rows[0]!}`, row));
  const parts = [
    select("split", "Split", [option("all", ""), ...splits.map((split) => option(split, split))]),
    select("sort", "Sort", sorted),
    ...(metrics.length > 0
      ? [
          select(
            "metric",
            "by",
            metrics.map(({ title }, i) => option(title, i)),
          ),
        ]
      : []),
    // The second row, if there is one: what people come to see is its difference to the first.
    select("row", "of", [...compared.slice(1), compared[0]!]),
    ...(rows.length > 1
      ? [`<label><input type="checkbox" id="differ"> only where captions differ</label>`]
      : []),
    `<label>Text <input type="search" id="text"></label>`,
  ];
  return `<form id="controls" hidden>${parts.join("\n")}
<output id="count" aria-live="polite"></output></form>`;
}

function card({ rows, metrics }: CaptionPage, picture: PagePicture, place: number): string {
  const { split, id, png, size, references, said } = picture;
  const scores = said.map((row) => row.scores.map((score) => (Number.isNaN(score) ? null : round(score))));
  const texts = said.map(({ captions }) => [...new Set(captions)].sort().join("\n"));
  const differs = new Set(texts).size > 1;
  const cell = (score: number, { decimals }: CaptionPage["metrics"][number]) => {
    if (Number.isNaN(score)) return "–";
    return decimals === "share" ? `${(100 * score).toFixed(0)} %` : score.toFixed(Math.min(decimals, 3));
  };
  const lines = said.map(
    ({ captions, scores }, row) =>
      `<tr><th scope="row">${escapeXml(rows[row]!)}</th><td>${captionList(captions)}</td>${scores
        .map((score, i) => `<td>${cell(score, metrics[i]!)}</td>`)
        .join("")}</tr>`,
  );
  const heads = ["", "caption", ...metrics.map(({ title }) => title)];
  return `<article data-place="${place}" data-split="${escapeXml(split)}"${differs ? " data-differs" : ""} data-scores="${escapeXml(JSON.stringify(scores))}">
<img src="${pngAddress(png)}" width="${size}" height="${size}" alt="picture ${escapeXml(id)}" loading="lazy">
<div><h3>${escapeXml(id)} <small>${escapeXml(split)}</small></h3>
<ul aria-label="references">${references.map((text) => `<li>${escapeXml(text)}</li>`).join("")}</ul>
<div class="wide"><table><thead><tr>${heads.map((text) => `<th scope="col">${escapeXml(text)}</th>`).join("")}</tr></thead><tbody>${lines.join("")}</tbody></table></div></div>
</article>`;
}

/** Different captions in the order of their first seed, with the number of seeds that said them. */
function captionList(captions: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const caption of captions) counts.set(caption, (counts.get(caption) ?? 0) + 1);
  return [...counts]
    .map(([caption, count]) => {
      const text = escapeXml(caption === "" ? "(empty caption)" : caption);
      return count === captions.length ? text : `${text} <small>${count}/${captions.length}</small>`;
    })
    .join("<br>");
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}

const PAGE_STYLE = `
form { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: center; position: sticky; top: 0; background: var(--paper); padding: 0.5rem 0; border-bottom: 1px solid var(--line); z-index: 1; }
form[hidden], article[hidden] { display: none; }
select, input[type="search"] { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 0.3rem; padding: 0.15rem 0.3rem; max-width: 16rem; }
output { color: var(--pale); }
article { display: flex; gap: 1rem; padding: 0.75rem 0; border-bottom: 1px solid var(--line); content-visibility: auto; contain-intrinsic-height: auto 12rem; }
article > img { flex: none; width: 8rem; height: 8rem; object-fit: contain; border-radius: 0.4rem; background: #fff; image-rendering: auto; }
article > div { min-width: 0; flex: 1; }
h3 { font-size: 0.95rem; margin: 0; overflow-wrap: anywhere; }
small { color: var(--pale); font-weight: 400; }
article ul { margin: 0.1rem 0 0.3rem; padding: 0 0 0 1.1rem; color: var(--pale); font-size: 0.9rem; }
article :is(th, td) { white-space: nowrap; font-size: 0.9rem; padding-right: 1rem; }
article td:nth-child(2) { white-space: normal; min-width: 14rem; font-weight: 600; }
@media (max-width: 40rem) { article { flex-direction: column; } form { position: static; } }
`;
