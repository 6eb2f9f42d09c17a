/** The layouts of downloaded data sets, and loading by them. */

import type { Config } from "../config/config.js";
import { UserError } from "../platform/errors.js";
import type { FolderFiles } from "../platform/platform.js";
import { suggestion } from "../platform/suggest.js";
import { coco } from "./coco.js";
import { cub } from "./cub.js";
import type { Dataset } from "./dataset.js";
import { findFolders } from "./find-files.js";
import { flickr } from "./flickr.js";
import { CAPTION_FILES } from "./folder.js";
import { imagefolder } from "./imagefolder.js";
import type { DataLayout, Listing } from "./layout.js";
import type { ListedPicture } from "./listing.js";
import { type FolderOptions, type FolderPlatform, loadListed } from "./load-listed.js";

type Source = Config["data"]["source"];

/** By `data.source`. A new layout is a file and its name here and in `src/config/config.ts`; the compiler asks for both. */
const LAYOUTS: Readonly<Record<Exclude<Source, "emoji" | "scenes" | "folder">, DataLayout>> = {
  cub,
  coco,
  flickr,
  imagefolder,
};

/** All layouts, in the order in which they are recognised. */
export const layouts: readonly DataLayout[] = Object.values(LAYOUTS);

/** Whether `data.source` is made by this package and needs no folder. */
export function isBuiltIn(source: Source): source is "emoji" | "scenes" {
  return source === "emoji" || source === "scenes";
}

/** The layout that `data.source` names; undefined for `emoji`, `scenes` and `folder`. */
export function layoutOf(source: Source): DataLayout | undefined {
  return isBuiltIn(source) || source === "folder" ? undefined : LAYOUTS[source];
}

/** What `--data` names. */
export interface DataSource {
  readonly source: Source;
  /** "" for `emoji` and `scenes`. */
  readonly folder: string;
}

/**
 * Reads the value of `--data`: `emoji`, `scenes`, `NAME:FOLDER` with the name of a layout, or a folder: of our own formats, or of the
 * first layout that recognises it. Throws a `UserError` for a name that is no layout.
 */
export async function dataSource(files: FolderFiles, text: string): Promise<DataSource> {
  if (text === "emoji" || text === "scenes") return { source: text, folder: "" };
  const [, name, rest] = /^([a-z][\w-]+):(.*)$/i.exec(text) ?? [];
  const named = ["folder", ...layouts.map((layout) => layout.name)];
  if (name !== undefined && !(await files.exists(text))) {
    if (!named.includes(name)) {
      throw new UserError(
        `--data ${text}: there is no layout "${name}"${suggestion(name, named)}; layouts: ${named.join(", ")}`,
        2,
      );
    }
    if (rest === "") throw new UserError(`--data ${text} names no folder; write ${name}:FOLDER`, 2);
    return { source: name as DataSource["source"], folder: rest! };
  }
  const found = (await files.isDirectory(text)) ? await findFolders(files, text, 1) : [];
  const isOurs = found[0]?.names.some((file) => (CAPTION_FILES as readonly string[]).includes(file));
  const names = found.flatMap(({ names }) => names);
  const layout = isOurs ? undefined : layouts.find((each) => each.recognises(names));
  return { source: (layout?.name ?? "folder") as DataSource["source"], folder: text };
}

/** A data set by a layout, and how it was found. */
export interface LayoutDataset {
  readonly dataset: Dataset;
  readonly listing: Listing;
  /** Rows and pictures left out by `skipBad`, one line each. */
  readonly skipped: readonly string[];
}

/**
 * Lists a folder by a layout, reports what was found, and loads its pictures. `onListed` receives the lines to print before pictures are
 * decoded. Throws a `UserError` for a folder of another layout.
 */
export async function loadLayout(
  platform: FolderPlatform,
  layout: DataLayout,
  folder: string,
  options: FolderOptions & {
    split?: string;
    crop?: boolean;
    onListed?: (listing: Listing) => void;
  } = {},
): Promise<LayoutDataset> {
  const { split = "", crop = false, onListed, ...rest } = options;
  if (!(await platform.files.isDirectory(folder)))
    throw new UserError(
      `${folder} is not a folder; --data ${layout.name}:FOLDER takes one with ${layout.about}`,
    );
  const isPath = split !== "" && !layout.splits.includes(split);
  if (isPath && !(await platform.files.exists(split))) {
    throw new UserError(
      `data.split=${split} is neither a split of ${layout.name} (${layout.splits.join(", ")}) nor the path of lists`,
    );
  }
  const listing = await layout.list(platform.files, folder, { split, crop });
  onListed?.(listing);
  const { problems } = listing;
  const pictures = openToValidation(listing.pictures);
  const listed = { folder, source: `${layout.name}:${folder}`, pictures, problems };
  const { dataset, skipped } = await loadListed(platform, listed, rest);
  return { dataset, listing, skipped };
}

/** Without a validation split, some of the training pictures are set apart: their hash decides. */
function openToValidation(pictures: readonly ListedPicture[]): readonly ListedPicture[] {
  if (pictures.some(({ split }) => split === "validation")) return pictures;
  return pictures.map((picture) => (picture.split === "train" ? { ...picture, split: undefined } : picture));
}

/** Pictures by split, as listed; pictures that only their hash divides count as train. */
export function countsOf({ pictures }: Pick<Listing, "pictures">): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { split = "train" } of pictures) counts.set(split, (counts.get(split) ?? 0) + 1);
  return counts;
}

/** A sentence that names how the counts differ from the published ones; null if they do not. */
export function countWarning(listing: Listing): string | null {
  const { known } = listing;
  if (known === null) return null;
  const counts = countsOf(listing);
  const differences = Object.entries(known.splits).flatMap(([split, expected]) => {
    const count = counts.get(split) ?? 0;
    return count === expected ? [] : [`${expected} ${split} pictures expected, ${count} found`];
  });
  return differences.length === 0
    ? null
    : `the counts are not those of ${known.name}: ${differences.join("; ")}`;
}
