/**
 * Folders as Hugging Face's `imagefolder` reads them: `metadata.jsonl` or `metadata.csv` with a column `file_name`, beside the
 * pictures or in a folder a split.
 */

import { UserError } from "../platform/errors.js";
import { type CaptionColumns, parseCaptions, splitNamed } from "./caption-rows.js";
import { allNamed, findFolders, glimpse, joined, nearest, parent } from "./find-files.js";
import { mergeRows } from "./folder.js";
import type { DataLayout } from "./layout.js";
import { LeftOut, type ListedPicture, type ListingProblem } from "./listing.js";
import { readSplitLists, splitListed } from "./split-lists.js";

const METADATA = /^metadata\.(jsonl|csv)$/;
const COLUMNS: CaptionColumns = {
  file: ["file_name", "image", "file"],
  caption: ["caption", "captions", "text", "texts", "description", "descriptions", "sentences"],
};

/** `data.source=imagefolder`. */
export const imagefolder: DataLayout = {
  name: "imagefolder",
  about: "metadata.jsonl or .csv with file_name and caption or text, as of Hugging Face",
  splits: ["folders"],
  recognises: (names) => names.some((name) => METADATA.test(name)),

  async list(files, folder, { split: wanted, crop }) {
    if (crop)
      throw new UserError("data.crop=true needs bounding boxes, which an imagefolder does not have", 2);
    const found = await findFolders(files, folder, 2);
    const metadata = allNamed(found, METADATA);
    if (metadata.length === 0) {
      const parquet = nearest(found, /\.parquet$/);
      throw new UserError(
        `${folder} has no metadata.jsonl or metadata.csv (looked up to two folders deep); ${parquet ? `${parquet} is not read: export it as a folder of pictures with metadata.jsonl` : glimpse(found)}`,
      );
    }
    const lists = wanted === "" || wanted === "folders" ? null : await readSplitLists(files, wanted);
    const leftOut = new LeftOut();
    const pictures: ListedPicture[] = [];
    const problems: ListingProblem[] = [];
    const seen = new Set<string>();
    for (const path of metadata) {
      const first = pictures.length + problems.length;
      const place = (line: number) => `${path}:${line}: `;
      const { rows, problems: bad } = parseCaptions(path, await files.readText(`${folder}/${path}`), COLUMNS);
      for (const { file, captions, split, order, place: at } of mergeRows(rows, bad, place)) {
        const whole = joined(parent(path), file);
        if (seen.has(whole)) {
          bad.push({ line: order, text: `${whole} has captions in another metadata file` });
          continue;
        }
        seen.add(whole);
        const chosen = lists ? splitListed(lists, [whole, file]) : (split ?? splitInPath(whole));
        if (lists && chosen === undefined) leftOut.add("pictures in no list of the split", whole);
        else
          pictures.push({ id: whole, file: whole, captions, split: chosen, order: first + order, place: at });
      }
      problems.push(...bad.map(({ line, text }) => ({ order: first + line, text: `${place(line)}${text}` })));
    }
    return {
      title: `imagefolder ${folder}`,
      found: [`captions ${metadata.join(", ")}`],
      pictures,
      leftOut,
      problems,
      warnings: [],
      known: null,
    };
  },
};

/** The split that a folder of the path is named after: "train/birds/a.png". */
function splitInPath(path: string): string | undefined {
  for (const name of parent(path).split("/")) {
    const split = splitNamed(name);
    if (split !== undefined) return split;
  }
  return undefined;
}
