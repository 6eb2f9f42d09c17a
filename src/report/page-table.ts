/** Tables of report pages. */

import { escapeXml } from "./text.js";

/** A table of texts. */
export interface PageTable {
  readonly title: string;
  /** A sentence above it. */
  readonly note?: string;
  /** The column that names the rows. */
  readonly rowHead: number;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The table below its title; it scrolls by itself where the page is narrow. */
export function tableSection({ title, note, rowHead, head, rows }: PageTable): string {
  const line = (cells: readonly string[]) =>
    `<tr>${cells
      .map((cell, i) => {
        const text = escapeXml(cell);
        return i === rowHead ? `<th scope="row">${text}</th>` : `<td>${text}</td>`;
      })
      .join("")}</tr>`;
  return `<section>
<h2>${escapeXml(title)}</h2>
${note === undefined ? "" : `<p>${escapeXml(note)}</p>\n`}<div class="wide" tabindex="0" role="region" aria-label="${escapeXml(title)}"><table>
<thead><tr>${head.map((cell) => `<th scope="col">${escapeXml(cell)}</th>`).join("")}</tr></thead>
<tbody>${rows.map(line).join("\n")}</tbody>
</table></div>
</section>`;
}
