/** The frame of the bench's HTML pages: one file, nothing loaded from elsewhere, light or dark as the reader likes. */

import { escapeXml } from "../dist/debug.js";

/** Colours that the colour-blind tell apart (after Okabe and Ito), readable on light and dark. */
export const colours = [
  "#0082c8",
  "#d55e00",
  "#009e73",
  "#cc5fa5",
  "#b58900",
  "#7a6ff0",
  "#8a8f98",
  "#45a5d9",
];

/**
 * @param {object} content
 * @param {string} content.title
 * @param {Readonly<Record<string, string>>} content.facts
 * @param {readonly string[]} content.sections HTML.
 */
export function page({ title, facts, sections }) {
  const list = Object.entries(facts).map(
    ([name, value]) => `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}</dd></div>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeXml(title)}</h1>
<dl class="facts">${list.join("")}</dl>
${sections.join("\n")}
</main>
</body>
</html>
`;
}

/**
 * The start of a drawing that grows with the page.
 * @param {number} width
 * @param {number} height
 * @param {string} label
 * @param {readonly string[]} parts
 */
export function drawing(width, height, label, parts) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" aria-label="${escapeXml(label)}" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="12" ` +
    `fill="currentColor">${parts.join("\n")}</svg>`
  );
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {string} [attributes]
 */
export const text = (x, y, content, attributes = "") =>
  `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escapeXml(content)}</text>`;

/** A tenth of a pixel is fine enough. @param {number} value */
export const fixed = (value) => Math.round(value * 10) / 10;

const style = `
:root { color-scheme: light dark; --ink: #1c1e21; --pale: #5d646d; --paper: #ffffff; --card: #f4f5f7; --line: #dcdfe4; --mark: #fff3c4; --bad: #c02718; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --pale: #a0a8b3; --paper: #14171a; --card: #1d2126; --line: #343a42; --mark: #4a4220; --bad: #ff8f80; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 84rem; margin: 0 auto; padding: 1rem 1.25rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.4rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 0.4rem; }
p { color: var(--pale); margin: 0 0 0.75rem; max-width: 52rem; }
a { color: inherit; text-decoration: none; }
.facts { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 0 0 1rem; }
.facts div { background: var(--card); border-radius: 0.4rem; padding: 0.35rem 0.7rem; }
dt { color: var(--pale); font-size: 0.8rem; }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 0 0 1rem; background: var(--card); border-radius: 0.5rem; padding: 0.75rem; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 44rem; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.85rem; }
th, td { text-align: right; padding: 0.2rem 0.4rem; border-bottom: 1px solid var(--line); white-space: nowrap; font-weight: 400; }
thead th { color: var(--pale); vertical-align: bottom; }
td.name, th.name { text-align: left; }
td.bar { min-width: 6rem; background: linear-gradient(90deg, color-mix(in srgb, #0082c8 28%, transparent) var(--share), transparent var(--share)) no-repeat 0 50% / 100% 1.1rem; }
tr:target td { background-color: var(--mark); }
.wrong { color: var(--bad); font-weight: 600; }
.badge { display: inline-block; min-width: 1.6em; padding: 0 0.3em; border-radius: 0.8em; text-align: center; color: #fff; font-size: 0.8rem; }
.key { display: flex; flex-wrap: wrap; gap: 0.2rem 1rem; color: var(--pale); font-size: 0.9rem; }
svg a:hover circle, svg a:hover path { stroke: currentColor; stroke-width: 2; }
`;
