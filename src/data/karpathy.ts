/** Karpathy and Fei-Fei's splits: dataset_coco.json, dataset_flickr8k.json, dataset_flickr30k.json, with the captions in them. */

import { UserError } from "../platform/errors.js";
import { isRecord, parseJsonRecord } from "../platform/json.js";
import type { FolderFiles } from "../platform/platform.js";
import { cleanCaption } from "./caption-text.js";
import { type FoundFolder, glimpse, nearest, pictureIndex } from "./find-files.js";
import type { KnownCounts, Listing } from "./layout.js";
import { LeftOut, type ListedPicture } from "./listing.js";

const KNOWN: Readonly<Record<string, KnownCounts>> = {
  coco: { name: "COCO, Karpathy's splits", splits: { train: 113287, validation: 5000, test: 5000 } },
  flickr8k: { name: "Flickr8k, Karpathy's splits", splits: { train: 6000, validation: 1000, test: 1000 } },
  flickr30k: { name: "Flickr30k, Karpathy's splits", splits: { train: 29000, validation: 1014, test: 1000 } },
};

/** `restval`, the part of COCO's validation pictures outside of the splits, is trained as everyone does. */
const SPLITS: Readonly<Record<string, string>> = {
  train: "train",
  restval: "train",
  val: "validation",
  test: "test",
};

/** Lists the pictures of a Karpathy file at `path` in `folder`, of which `found` are the folders. */
export async function listKarpathy(
  files: FolderFiles,
  folder: string,
  path: string,
  found: readonly FoundFolder[],
): Promise<Listing> {
  const leftOut = new LeftOut();
  const { dataset, images } = parseJsonRecord(await files.readText(`${folder}/${path}`), `${folder}/${path}`);
  if (!Array.isArray(images))
    throw new UserError(`${folder}/${path} has no list "images" of Karpathy's splits`);
  const index = pictureIndex(found);
  const pictures: ListedPicture[] = [];
  for (const [i, image] of images.entries()) {
    const { filename, filepath, split, sentences } = isRecord(image) ? image : {};
    const place = typeof filename === "string" ? filename : `image ${i + 1} of ${path}`;
    const chosen = typeof split === "string" ? SPLITS[split] : undefined;
    if (typeof filename !== "string" || chosen === undefined || !Array.isArray(sentences)) {
      leftOut.add("entries without file name, split or sentences", place);
      continue;
    }
    const captions: string[] = [];
    for (const sentence of sentences) {
      const raw = isRecord(sentence) ? sentence.raw : undefined;
      const caption = typeof raw === "string" ? cleanCaption(raw) : null;
      if (caption === null) leftOut.add("captions without a word", place);
      else captions.push(caption);
    }
    if (captions.length === 0) leftOut.add("pictures without a usable caption", place);
    else {
      const file = locate(index, filename, typeof filepath === "string" ? filepath : "") ?? filename;
      pictures.push({ id: filename, file, captions, split: chosen, order: pictures.length, place: "" });
    }
  }
  if (pictures.length === 0) throw new UserError(`${folder}/${path} lists no picture with a caption`);
  demandPictures(folder, path, pictures, index, found);
  const name = typeof dataset === "string" ? dataset : "";
  return {
    title: `${KNOWN[name]?.name ?? (name || path)}`,
    found: [`captions and splits ${path}`],
    pictures,
    leftOut,
    problems: [],
    warnings: [],
    known: KNOWN[name] ?? null,
  };
}

/**
 * Path of a picture: in the folder that the file names, else anywhere; under its name in COCO 2017 where the file has that of
 * 2014.
 */
function locate(
  index: ReadonlyMap<string, readonly string[]>,
  name: string,
  folder: string,
): string | undefined {
  const paths = index.get(name) ?? index.get(name.replace(/^COCO_\w+?_/, ""));
  return paths?.find((path) => folder !== "" && `/${path}`.includes(`/${folder}/`)) ?? paths?.[0];
}

/** Throws a `UserError` if not a single listed picture is there. */
export function demandPictures(
  folder: string,
  list: string,
  pictures: readonly ListedPicture[],
  index: ReadonlyMap<string, readonly string[]>,
  found: readonly FoundFolder[],
): void {
  const there = new Set([...index.values()].flat());
  if (pictures.some(({ file }) => there.has(file))) return;
  const packed = nearest(found, /\.(zip|tgz|tar|tar\.gz)$/i);
  throw new UserError(
    `${folder} has none of the ${pictures.length} pictures of ${list}, as ${pictures[0]!.id} (looked up to two folders deep); ${packed ? `unpack ${packed}` : glimpse(found)}`,
  );
}
