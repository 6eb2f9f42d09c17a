/**
 * Flickr8k (Hodosh et al. 2013) and Flickr30k (Young et al. 2014): a token file, a CSV file as on Kaggle, or Karpathy's
 * `dataset_flickr*.json`, and a folder of pictures.
 */

import { UserError } from "../platform/errors.js";
import { IMAGE_NAME } from "./caption-rows.js";
import { cleanCaption, lenientText } from "./caption-text.js";
import { allNamed, findFolders, glimpse, nearest, parent, pictureIndex } from "./find-files.js";
import { demandPictures, listKarpathy } from "./karpathy.js";
import type { DataLayout, KnownCounts } from "./layout.js";
import { LeftOut, type ListedPicture } from "./listing.js";
import { mergeLists, readSplitLists, type SplitLists, splitListed } from "./split-lists.js";

const KARPATHY = /^dataset_flickr(8k|30k)\.json$/;
/** Not the lemmas, and not the captions that experts judged. */
const TOKENS = /^(?!.*(lemma|expert|crowd)).*\.token(\.txt)?$/i;
const TABLES = /^(captions\.(txt|csv)|results\.csv)$/i;
const LISTS = /^flickr_?(8|30)k\.(train|dev|val|test)images\.txt$/i;

/** Pictures with captions above which it cannot be Flickr8k. */
const LARGER = 12_000;
const FLICKR8K = { train: 6000, validation: 1000, test: 1000 };

/** `data.source=flickr`. */
export const flickr: DataLayout = {
  name: "flickr",
  about: "Flickr8k or Flickr30k: *.token, captions.txt, results.csv or dataset_flickr*.json",
  splits: ["karpathy", "official", "hash"],
  recognises: (names) =>
    names.some((name) => TOKENS.test(name) || KARPATHY.test(name) || name === "results.csv"),

  async list(files, folder, { split, crop }) {
    if (crop)
      throw new UserError("data.crop=true needs bounding boxes, which Flickr's captions do not have", 2);
    const found = await findFolders(files, folder, 2);
    const karpathy = nearest(found, KARPATHY);
    const listNames = allNamed(found, LISTS);
    const wanted = split || (karpathy ? "karpathy" : listNames.length > 0 ? "official" : "hash");
    if (wanted === "karpathy") {
      if (karpathy) return listKarpathy(files, folder, karpathy, found);
      throw new UserError(
        `${folder} has no dataset_flickr8k.json or dataset_flickr30k.json, which data.split=karpathy needs; ${glimpse(found)}`,
      );
    }
    const table = nearest(found, TOKENS) ?? nearest(found, TABLES);
    if (table === undefined) {
      throw new UserError(
        `${folder} has no captions of Flickr (looked for *.token, *.token.txt, captions.txt, results.csv and dataset_flickr*.json, up to two folders deep); ${glimpse(found)}`,
      );
    }
    const leftOut = new LeftOut();
    const rows = parseFlickr(lenientText(await files.read(`${folder}/${table}`)), table, leftOut);
    if (rows.size === 0)
      throw new UserError(
        `${folder}/${table} has no caption: expected "name.jpg#0<tab>caption", or a table with the columns image and caption`,
      );
    let lists: SplitLists | null = null;
    if (wanted === "official") {
      if (listNames.length === 0) {
        throw new UserError(
          `${folder} has no lists like Flickr_8k.trainImages.txt, which data.split=official needs; data.split=hash does without`,
        );
      }
      const of = parent(listNames[0]!);
      const names = listNames
        .filter((path) => parent(path) === of)
        .map((path) => path.slice(of === "" ? 0 : of.length + 1));
      lists = await mergeLists(files, of === "" ? folder : `${folder}/${of}`, names);
    } else if (wanted !== "hash") lists = await readSplitLists(files, wanted);
    const index = pictureIndex(found);
    const pictures: ListedPicture[] = [];
    for (const [name, captions] of rows) {
      const listed = lists ? splitListed(lists, [name]) : undefined;
      if (lists && listed === undefined) {
        leftOut.add("pictures in no list of the split", name);
        continue;
      }
      pictures.push({
        id: name,
        file: index.get(name)?.[0] ?? name,
        captions,
        split: listed,
        order: pictures.length,
        place: "",
      });
    }
    if (pictures.length === 0)
      throw new UserError(
        `${folder}: the lists of data.split=${wanted} name none of the ${rows.size} pictures of ${table}`,
      );
    demandPictures(folder, table, pictures, index, found);
    const known: KnownCounts | null =
      wanted === "official" && rows.size < LARGER ? { name: "Flickr8k", splits: FLICKR8K } : null;
    return {
      title: `${rows.size < LARGER ? "Flickr8k" : "Flickr30k"}, split ${lists ? wanted : "by the hash of the names"}`,
      found: [
        `captions ${table}`,
        `split by ${lists ? (wanted === "official" ? listNames.join(", ") : wanted) : "the hash of each name; there are no test pictures"}`,
      ],
      pictures,
      leftOut,
      problems: [],
      warnings: [],
      known,
    };
  },
};

/**
 * Captions by file name. Each line is `name.jpg#0<tab>caption`, `name.jpg,caption` (where the caption may contain commas, in
 * quotes or not) or `name.jpg| 0| caption`.
 */
export function parseFlickr(text: string, file: string, leftOut: LeftOut): Map<string, string[]> {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const isHeader = /^\s*"?(image|image_name|file|filename)"?\s*[,|]/i.test(lines[0] ?? "");
  const rowOf = TOKENS.test(file.slice(file.lastIndexOf("/") + 1)) ? tokenRow : tableRow(lines[0] ?? "");
  const captions = new Map<string, string[]>();
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "" || (i === 0 && isHeader)) continue;
    const place = `${file}:${i + 1}`;
    const row = rowOf(line);
    if (row === null) {
      leftOut.add("lines without file name and caption", place);
      continue;
    }
    // Flickr8k has captions of 2258277193_586949ec62.jpg.1, a file that does not exist.
    if (!IMAGE_NAME.test(row.name) || /[/\\]/.test(row.name)) {
      leftOut.add("lines whose file name is no picture's", place);
      continue;
    }
    const caption = cleanCaption(row.caption);
    if (caption === null) leftOut.add("captions without a word", place);
    else captions.set(row.name, [...(captions.get(row.name) ?? []), caption]);
  }
  return captions;
}

interface Row {
  readonly name: string;
  readonly caption: string;
}

function tokenRow(line: string): Row | null {
  const [, name, caption] = /^([^\t#]+)(?:#\d+)?\t(.*)$/.exec(line) ?? [];
  return name === undefined ? null : { name: name.trim(), caption: caption! };
}

/** Rows of a table with this header: the caption is what follows the columns in front of it. */
function tableRow(header: string): (line: string) => Row | null {
  const separator = header.includes("|") ? "|" : ",";
  const columns = Math.max(2, header.split(separator).length);
  return (line) => {
    const fields = line.split(separator);
    if (fields.length < columns) return null;
    const caption = fields
      .slice(columns - 1)
      .join(separator)
      .trim();
    const quoted = /^"(.*)"$/s.exec(caption)?.[1]?.replaceAll('""', '"');
    return { name: unquoted(fields[0]!.trim()), caption: quoted ?? caption };
  };
}

const unquoted = (text: string) => text.replace(/^"(.*)"$/, "$1");
