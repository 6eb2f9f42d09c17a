/** The page of runs: what stands still in it. app.ts fills it. */

import { STYLE } from "../style.js";
import { escapeXml } from "../text.js";
import { TABS } from "./view.js";

const TITLES: Readonly<Record<(typeof TABS)[number], string>> = {
  curves: "Curves",
  settings: "Settings",
  samples: "Samples",
  scores: "Scores",
  notes: "Notes",
};

/** The page as HTML text, for the runs below a folder. */
export function runsPage(folder: string): string {
  const tabs = TABS.map(
    (tab) =>
      `<button type="button" role="tab" id="tab-${tab}" data-tab="${tab}" aria-controls="panel">${TITLES[tab]}</button>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Runs: ${escapeXml(folder)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}${PAGE_STYLE}</style>
</head>
<body>
<noscript><p>This page needs JavaScript. It is all from this machine.</p></noscript>
<header><h1>Runs <small>${escapeXml(folder)}</small></h1><output id="status"></output></header>
<div class="columns">
<aside aria-label="Runs">
<label for="filter">Filter</label>
<input type="search" id="filter" placeholder="lstm dim&gt;128 ciderD&gt;0.4" aria-describedby="problem">
<p id="problem" role="status"></p>
<div class="row"><label>Order <select id="order"><option value="changed">last changed first</option><option value="name">name</option><option value="model">model</option></select></label></div>
<div class="row"><button type="button" id="choose-shown">Choose shown</button><button type="button" id="choose-none">None</button></div>
<ul id="list"></ul>
</aside>
<main>
<div class="bar"><div role="tablist" aria-label="Views">${tabs.join("")}</div><button type="button" id="copy">Copy link</button></div>
<section id="panel" role="tabpanel"></section>
</main>
</div>
<script type="module" src="/code/report/runs/app.js"></script>
</body>
</html>
`;
}

const PAGE_STYLE = `
main { max-width: none; margin: 0; padding: 0 1rem 2rem; flex: 1; min-width: 0; }
header { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; align-items: baseline; padding: 0.5rem 1rem; border-bottom: 1px solid var(--line); }
header h1 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
small, output, .quiet { color: var(--pale); font-weight: 400; font-size: 0.85rem; }
.columns { display: flex; align-items: flex-start; }
aside { width: 19rem; flex: none; padding: 0.75rem 0 1rem 1rem; position: sticky; top: 0; max-height: 100vh; overflow-y: auto; }
aside > label { font-size: 0.85rem; color: var(--pale); }
#problem { font-size: 0.85rem; margin: 0.2rem 0; color: var(--ink); }
#problem:empty { display: none; }
.row { display: flex; flex-wrap: wrap; gap: 0.4rem 0.8rem; align-items: center; margin: 0.4rem 0; font-size: 0.9rem; }
button, select, input, textarea { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 0.3rem; padding: 0.15rem 0.5rem; }
button { cursor: pointer; }
input[type="search"], textarea { width: 100%; }
input[type="number"] { width: 7rem; }
input[type="range"] { flex: 1; min-width: 12rem; padding: 0; }
#list { list-style: none; margin: 0.5rem 0 0; padding: 0; }
#list li { border-top: 1px solid var(--line); }
#list label { display: grid; grid-template-columns: auto auto 1fr; gap: 0 0.45rem; align-items: center; padding: 0.35rem 0; cursor: pointer; overflow-wrap: anywhere; line-height: 1.3; }
#list .quiet { grid-column: 3; }
.swatch { display: inline-block; vertical-align: middle; width: 1.3rem; height: 0; border-top: 3px solid var(--line); }
.warn { color: #b3470b; }
@media (prefers-color-scheme: dark) { .warn { color: #ff9d5c; } }
.bar { display: flex; justify-content: space-between; align-items: start; gap: 0.6rem; padding: 0.75rem 0; position: sticky; top: 0; background: var(--paper); z-index: 2; }
[role="tablist"] { display: flex; flex-wrap: wrap; gap: 0.3rem; }
[role="tab"][aria-selected="true"] { background: var(--ink); color: var(--paper); border-color: var(--ink); }
.charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.charts figure { position: relative; }
.charts svg { touch-action: pan-y; cursor: crosshair; }
.charts figcaption { position: absolute; top: calc(100% - 0.4rem); left: 0.5rem; right: 0.5rem; margin: 0; padding: 0.2rem 0.5rem; background: var(--paper); border: 1px solid var(--line); border-radius: 0.3rem; font-size: 0.8rem; font-variant-numeric: tabular-nums; pointer-events: none; z-index: 1; }
.charts figcaption span { color: inherit; }
.charts figcaption small { font-size: inherit; }
[hidden] { display: none; }
.marker { position: absolute; top: 0; bottom: 0; width: 0; border-left: 1px dashed currentColor; pointer-events: none; }
.marker.range { border: 0; background: currentColor; opacity: 0.12; }
.samples { grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.samples figure { background: var(--card); border-radius: 0.5rem; padding: 0.5rem; }
.samples img { width: 100%; height: auto; border-radius: 0.3rem; background: #fff; }
td, th { white-space: nowrap; padding-right: 1.2rem; }
thead th { vertical-align: bottom; }
section > .wide.settings td { white-space: normal; overflow-wrap: anywhere; min-width: 6rem; }
.settings tr.differs th { color: var(--ink); font-weight: 600; }
article { border-top: 1px solid var(--line); padding: 0.75rem 0; }
article h3 { margin: 0 0 0.4rem; font-size: 1rem; overflow-wrap: anywhere; }
article ul { margin: 0.3rem 0; padding-left: 1.2rem; }
@media (max-width: 50rem) {
  .columns { flex-direction: column; align-items: stretch; }
  aside { width: auto; padding: 0.75rem 1rem 0; position: static; max-height: none; }
  #list { max-height: 14rem; overflow-y: auto; }
}
`;
