/** Writes the page of the captions of one table. Node only. */

import { type Dataset, readImages } from "../data/dataset.js";
import { shrink } from "../evaluation/nearest.js";
import type { ModelTable, TableInput } from "../evaluation/table/model-table.js";
import { modelLegend, pageTables } from "../evaluation/table/table-text.js";
import { nodePlatform as platform } from "../platform/node.js";
import { type PagePicture, renderCaptionPage } from "../report/caption-page.js";

/** Most pictures of a split on the page, so that it stays a few MB. */
const mostPictures = 300;
/** Side length above which pictures are averaged down. */
const largestSide = 128;

/** Writes the page of the rows of `inputs` with the scores of `table`. */
export async function writeCaptionPage(
  path: string,
  { table, inputs, dataset }: { table: ModelTable; inputs: readonly TableInput[]; dataset: Dataset },
): Promise<void> {
  const metrics = table.columns.filter(({ name }) => table.splits.every(({ each }) => each[0]?.[name]));
  const pictures: PagePicture[] = [];
  const parts: string[] = [];
  for (const [s, { split, ids, pictures: scored, rows }] of inputs.entries()) {
    const shown = spread(ids.length, mostPictures);
    parts.push(`${shown.length === ids.length ? "all" : `${shown.length} of`} ${ids.length} of ${split}`);
    for (const i of shown)
      pictures.push({
        ...{ split, id: ids[i]! },
        ...(await pngOf(dataset, scored.images[i]!)),
        references: scored.references[i]!,
        said: rows.filter(isSaid).map(({ said }, row) => ({
          captions: said.map((list) => list[i]!),
          scores: metrics.map(({ name }) => table.splits[s]!.each[row]![name]![i]!),
        })),
      });
  }
  const page = renderCaptionPage({
    title: `Captions of ${dataset.name.split(/[/\\]/).at(-1)}`,
    legend: modelLegend(table),
    note: `Pictures: ${parts.join(", ")}. Below each its references; scores are of the picture alone, means over the seeds. 2/5: said with two of five seeds.`,
    tables: pageTables(table),
    rows: inputs[0]?.rows.filter(isSaid).map(({ name }) => name) ?? [],
    metrics,
    pictures,
  });
  await platform.files.write(path, page);
}

/** Not the row of the references, which stand below each picture; it is the last one. */
const isSaid = ({ method }: TableInput["rows"][number]) => method !== "references";

/** At most `most` of the numbers below `count`, evenly spread. */
function spread(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.floor((i * count) / most));
}

async function pngOf(dataset: Dataset, image: number): Promise<{ png: Uint8Array; size: number }> {
  const bytes = await readImages(dataset, [image]);
  let factor = Math.ceil(dataset.size / largestSide);
  while (dataset.size % factor !== 0) factor++;
  const size = dataset.size / factor;
  const data =
    factor === 1 ? bytes : Uint8Array.from(shrink(bytes, dataset.size, factor), (v) => 255 * v + 0.5);
  return { png: await platform.images.encodePng({ width: size, height: size, data }), size };
}
