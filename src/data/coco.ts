/** COCO captions (Chen et al. 2015): `annotations/captions_*.json`, or Karpathy's `dataset_coco.json`, and folders of pictures. */

import { UserError } from "../platform/errors.js";
import { isRecord, parseJsonRecord } from "../platform/json.js";
import type { FolderFiles } from "../platform/platform.js";
import { cleanCaption } from "./caption-text.js";
import { allNamed, findFolders, glimpse, nearest, pictureIndex } from "./find-files.js";
import { demandPictures, listKarpathy } from "./karpathy.js";
import type { DataLayout, Listing } from "./layout.js";
import { LeftOut, type ListedPicture } from "./listing.js";
import { readSplitLists, splitListed } from "./split-lists.js";

const ANNOTATIONS = /^captions_(train|val)(\d{4})\.json$/;
const KARPATHY = "dataset_coco.json";

/** Captioned pictures of the published files. Those of the test pictures are secret. */
const KNOWN: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  2014: { train: 82783, validation: 40504 },
  2017: { train: 118287, validation: 5000 },
};

/** `data.source=coco`. */
export const coco: DataLayout = {
  name: "coco",
  about: "COCO captions: annotations/captions_*.json or dataset_coco.json",
  splits: ["karpathy", "official"],
  recognises: (names) => names.some((name) => ANNOTATIONS.test(name) || name === KARPATHY),

  async list(files, folder, { split, crop }) {
    if (crop)
      throw new UserError("data.crop=true needs bounding boxes, which COCO's captions do not have", 2);
    const found = await findFolders(files, folder, 2);
    const karpathy = nearest(found, KARPATHY);
    const annotations = allNamed(found, ANNOTATIONS);
    const wanted = split || (karpathy ? "karpathy" : "official");
    if (wanted === "karpathy") {
      if (karpathy) return listKarpathy(files, folder, karpathy, found);
      throw new UserError(`${folder} has no ${KARPATHY}, which data.split=karpathy needs; ${glimpse(found)}`);
    }
    if (annotations.length === 0) {
      throw new UserError(
        `${folder} has no captions of COCO (looked for annotations/captions_train2017.json and the like, and for ${KARPATHY}); ${glimpse(found)}`,
      );
    }
    return listAnnotations(files, folder, annotations, wanted, found);
  },
};

async function listAnnotations(
  files: FolderFiles,
  folder: string,
  annotations: readonly string[],
  wanted: string,
  found: Awaited<ReturnType<typeof findFolders>>,
): Promise<Listing> {
  const index = pictureIndex(found);
  const leftOut = new LeftOut();
  const yearOf = (path: string) => ANNOTATIONS.exec(path.slice(path.lastIndexOf("/") + 1))![2]!;
  const years = [...new Set(annotations.map(yearOf))].sort();
  // The same pictures have other names in another year: take the last one that has pictures here.
  let year = years.at(-1)!;
  let parts: { path: string; pictures: ListedPicture[] }[] = [];
  for (const each of years.toReversed()) {
    parts = [];
    for (const path of annotations.filter((path) => yearOf(path) === each))
      parts.push({ path, pictures: await readAnnotations(files, folder, path, index, leftOut) });
    year = each;
    if (parts.some(({ pictures }) => pictures.some(({ id }) => index.has(id)))) break;
  }
  const lists = wanted === "official" ? null : await readSplitLists(files, wanted);
  const pictures: ListedPicture[] = [];
  for (const { pictures: some } of parts) {
    for (const picture of some) {
      const split = lists ? splitListed(lists, [picture.id]) : picture.split;
      if (split === undefined) leftOut.add("pictures in no list of the split", picture.id);
      else pictures.push({ ...picture, split, order: pictures.length });
    }
  }
  const names = parts.map(({ path }) => path).join(", ");
  if (pictures.length === 0)
    throw new UserError(`${folder}: ${names} list no picture with a caption in a split`);
  demandPictures(folder, names, pictures, index, found);
  const known = lists ? undefined : KNOWN[year];
  return {
    title: `COCO ${year}, split ${lists ? "by lists" : "official"}`,
    found: [
      `captions ${names}`,
      `split by ${lists ? wanted : "the files of captions; validation is what is scored"}`,
    ],
    pictures,
    leftOut,
    problems: [],
    warnings: [],
    known: known ? { name: `COCO ${year}`, splits: known } : null,
  };
}

/** The pictures of one file: {images: [{id, file_name}], annotations: [{image_id, caption}]}. */
async function readAnnotations(
  files: FolderFiles,
  folder: string,
  path: string,
  index: ReadonlyMap<string, readonly string[]>,
  leftOut: LeftOut,
): Promise<ListedPicture[]> {
  const { images, annotations } = parseJsonRecord(
    await files.readText(`${folder}/${path}`),
    `${folder}/${path}`,
  );
  if (!Array.isArray(images) || !Array.isArray(annotations)) {
    throw new UserError(`${folder}/${path} lacks the list "images" or "annotations" of COCO's captions`);
  }
  const part = ANNOTATIONS.exec(path.slice(path.lastIndexOf("/") + 1))!;
  const captionsOf = new Map<unknown, string[]>();
  const names = new Map<string, string[]>();
  for (const [i, image] of images.entries()) {
    const { id, file_name } = isRecord(image) ? image : {};
    if (id === undefined || typeof file_name !== "string" || file_name.includes("..")) {
      leftOut.add("images without id or file name", `image ${i + 1} of ${path}`);
      continue;
    }
    const captions: string[] = [];
    captionsOf.set(id, captions);
    names.set(file_name, captions);
  }
  for (const [i, annotation] of annotations.entries()) {
    const { image_id, caption } = isRecord(annotation) ? annotation : {};
    const text = typeof caption === "string" ? cleanCaption(caption) : null;
    const captions = captionsOf.get(image_id);
    const place = `annotation ${i + 1} of ${path}`;
    if (captions === undefined) leftOut.add("captions of unknown images", place);
    else if (text === null) leftOut.add("captions without a word", place);
    else captions.push(text);
  }
  const split = part[1] === "train" ? "train" : "validation";
  return [...names].flatMap(([name, captions], order): ListedPicture[] => {
    if (captions.length === 0) {
      leftOut.add("pictures without a usable caption", name);
      return [];
    }
    const base = name.slice(name.lastIndexOf("/") + 1);
    const paths = index.get(base);
    const file = paths?.find((each) => each.includes(`${part[1]}${part[2]}/`)) ?? paths?.[0] ?? name;
    return [{ id: base, file, captions, split, order, place: "" }];
  });
}
