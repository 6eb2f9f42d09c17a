/**
 * CUB-200-2011 (Wah et al. 2011) with the captions of Reed et al. 2016: `CUB_200_2011/` beside or around `text_c10/`, or the bundle of
 * StackGAN and AttnGAN (`text/`, `train/filenames.pickle`, `test/filenames.pickle`).
 */

import { UserError } from "../platform/errors.js";
import type { PictureBox } from "../platform/picture-box.js";
import type { FolderFiles } from "../platform/platform.js";
import { shown } from "../platform/shown.js";
import { IMAGE_NAME } from "./caption-rows.js";
import { cleanCaption, lenientText } from "./caption-text.js";
import { type CubPicture, cubSplit } from "./cub-splits.js";
import { allNamed, findFolders, glimpse, joined, nearest, parent } from "./find-files.js";
import type { DataLayout } from "./layout.js";
import { LeftOut, type ListedPicture } from "./listing.js";
import { linesOf } from "./split-lists.js";

/** Files read at the same time. */
const AT_ONCE = 64;
/** Captions that each picture has in the published files. */
const CAPTIONS = 10;
/** Folders without captions, lists or more of the layout: pictures by class, and what else comes with them. */
const SKIPPED = /^(images|text_c10|word_c10|parts|attributes|segmentations|\d+\..*)$/i;

const KNOWN: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "zero-shot": { train: 8855, test: 2933 },
  official: { train: 5994, test: 5794 },
};

/** `data.source=cub`. */
export const cub: DataLayout = {
  name: "cub",
  about: "CUB-200-2011 with text_c10, or the AttnGAN bundle",
  splits: ["zero-shot", "official"],
  recognises: (names) =>
    names.includes("text_c10") ||
    names.includes("CUB_200_2011") ||
    names.includes("filenames.pickle") ||
    (names.includes("images.txt") && names.includes("images")),

  async list(files, folder, { split, crop }) {
    const found = await findFolders(files, folder, 3, SKIPPED);
    const images = nearest(found, "images");
    if (images === undefined) {
      throw new UserError(
        `${folder} has no folder "images" of CUB-200-2011 (looked for CUB_200_2011/images and images, up to three folders deep); ${glimpse(found)}`,
      );
    }
    const texts = nearest(found, "text_c10") ?? nearest(found, /^text$/);
    if (texts === undefined) {
      const packed = nearest(found, /^(text|birds|cvpr2016_cub.*)\.(zip|tgz|tar\.gz)$/i);
      throw new UserError(
        `${folder} has pictures but no captions (looked for text_c10 and text, up to three folders deep); ${packed ? `unpack ${packed}` : glimpse(found)}`,
      );
    }
    const nested = await files.isDirectory(`${folder}/${texts}/text`);
    const captions = nested ? joined(texts, "text") : texts;

    const leftOut = new LeftOut();
    const list = nearest(found, "images.txt");
    const pictures =
      list === undefined
        ? await picturesInFolders(files, folder, images)
        : picturesInList(await files.readText(`${folder}/${list}`), list, images, leftOut);
    const chosen = await cubSplit({ files, folder, found, pictures }, split);
    const boxes = crop ? await readBoxes(files, folder, nearest(found, "bounding_boxes.txt"), leftOut) : null;
    const captionFiles = await findCaptions(files, `${folder}/${captions}`);
    const used: { picture: CubPicture; split: string; path: string }[] = [];
    for (const picture of pictures) {
      const place = chosen.of(picture);
      const path = captionFiles.of(picture.id);
      if (place === null) leftOut.add("pictures in no list of the split", picture.file);
      else if (path === undefined) leftOut.add("pictures without a caption file", picture.file);
      else used.push({ picture, split: place, path: `${captions}/${path}` });
    }
    if (used.length === 0) {
      throw new UserError(
        `${folder}: none of the ${captionFiles.count} files of ${captions} belongs to one of the ${pictures.length} pictures of ${images}; CLASS/NAME.txt is looked for where a picture is CLASS/NAME.jpg${pictures[0] ? `, as ${shown(pictures[0].id)}` : ""}`,
      );
    }
    let fewer = 0;
    const listed: ListedPicture[] = [];
    for (let first = 0; first < used.length; first += AT_ONCE) {
      const some = used.slice(first, first + AT_ONCE);
      const texts = await Promise.all(some.map(({ path }) => files.read(`${folder}/${path}`)));
      for (const [i, { picture, split, path }] of some.entries()) {
        const captions = readCaptions(lenientText(texts[i]!), path, leftOut);
        if (captions.length < CAPTIONS) fewer++;
        if (captions.length === 0) {
          leftOut.add("pictures without a usable caption", path);
          continue;
        }
        const box = boxes?.get(picture.number);
        if (boxes && !box)
          leftOut.add("missing bounding boxes, so that the whole picture is used", picture.file);
        const { id, file } = picture;
        const order = first + i;
        listed.push({ id, file, captions, split, order, place: "", ...(box ? { box } : {}) });
      }
    }
    if (boxes && !listed.some(({ box }) => box))
      throw new UserError(
        `${folder}: bounding_boxes.txt has no box of a picture that is used; set data.crop=false`,
      );
    const short = fewer > 0 ? `; ${fewer} pictures have fewer than ${CAPTIONS} usable captions` : "";
    return {
      title: `CUB-200-2011, split ${chosen.name}`,
      found: [
        `pictures ${images}${list ? ` by ${list}` : ""}${boxes ? ", cut to their bounding boxes" : ""}`,
        `captions ${captions}: ${listed.reduce((sum, { captions }) => sum + captions.length, 0)}${short}`,
        `split ${chosen.name} by ${chosen.source}`,
      ],
      pictures: listed,
      leftOut,
      problems: [],
      warnings: chosen.warning ? [chosen.warning] : [],
      known: KNOWN[chosen.name] ? { name: "CUB-200-2011", splits: KNOWN[chosen.name]! } : null,
    };
  },
};

/** images.txt: "1 001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg". */
function picturesInList(text: string, list: string, images: string, leftOut: LeftOut): CubPicture[] {
  const pictures = new Map<string, CubPicture>();
  for (const [i, line] of linesOf(text).entries()) {
    const [, number, path] = /^(\S+)\s+(\S.*)$/.exec(line) ?? [];
    if (line === "") continue;
    if (number === undefined || path === undefined || !IMAGE_NAME.test(path) || path.includes("..")) {
      leftOut.add(`broken lines of ${list}`, `${list}:${i + 1}`);
      continue;
    }
    const id = path.replace(IMAGE_NAME, "");
    pictures.set(id, { id, file: `${images}/${path}`, number, folder: parent(id) });
  }
  return [...pictures.values()];
}

async function picturesInFolders(files: FolderFiles, folder: string, images: string): Promise<CubPicture[]> {
  const found = await findFolders(files, `${folder}/${images}`, 1);
  return allNamed(found, IMAGE_NAME).map((path) => {
    const id = path.replace(IMAGE_NAME, "");
    return { id, file: `${images}/${path}`, number: "", folder: parent(id) };
  });
}

/** bounding_boxes.txt: "1 60.0 27.0 325.0 304.0": picture, x, y, width, height. */
async function readBoxes(
  files: FolderFiles,
  folder: string,
  path: string | undefined,
  leftOut: LeftOut,
): Promise<Map<string, PictureBox>> {
  if (path === undefined)
    throw new UserError(
      `${folder} has no bounding_boxes.txt, which data.crop=true needs; set data.crop=false`,
    );
  const boxes = new Map<string, PictureBox>();
  for (const [i, line] of linesOf(await files.readText(`${folder}/${path}`)).entries()) {
    if (line === "") continue;
    const [number, ...words] = line.split(/\s+/);
    const [x, y, width, height] = words.map(Number) as [number, number, number, number];
    if (words.length !== 4 || ![x, y, width, height].every(Number.isFinite) || width <= 0 || height <= 0)
      leftOut.add(`broken lines of ${path}`, `${path}:${i + 1}`);
    else boxes.set(number!, aroundBox({ x, y, width, height }));
  }
  return boxes;
}

/**
 * The square that StackGAN and AttnGAN cut out: 1.5 times the longer side of the bird's box, about its centre. Decoding cuts
 * it at the picture's edges.
 */
export function aroundBox({ x, y, width, height }: PictureBox): PictureBox {
  const radius = Math.trunc(0.75 * Math.max(width, height));
  const [centreX, centreY] = [Math.trunc(x + width / 2), Math.trunc(y + height / 2)];
  return { x: centreX - radius, y: centreY - radius, width: 2 * radius, height: 2 * radius };
}

/** Caption files by class folder and name. Letter case differs between pictures and captions: 165.Chestnut_sided_Warbler. */
async function findCaptions(
  files: FolderFiles,
  folder: string,
): Promise<{ count: number; of: (id: string) => string | undefined }> {
  const paths = allNamed(await findFolders(files, folder, 1), /\.txt$/i);
  const byPath = new Map<string, string>();
  const byStem = new Map<string, string | null>();
  for (const path of paths) {
    const id = path.slice(0, -4).toLowerCase();
    const stem = id.slice(id.lastIndexOf("/") + 1);
    byPath.set(id, path);
    byStem.set(stem, byStem.has(stem) ? null : path);
  }
  const of = (id: string) => {
    const key = id.toLowerCase();
    return byPath.get(key) ?? byStem.get(key.slice(key.lastIndexOf("/") + 1)) ?? undefined;
  };
  return { count: paths.length, of };
}

function readCaptions(text: string, path: string, leftOut: LeftOut): string[] {
  const captions: string[] = [];
  const lines = text.split(/\r\n|\n|\r/);
  // The end of the last line is not a blank line.
  if (lines.at(-1) === "") lines.pop();
  for (const [i, line] of lines.entries()) {
    const caption = cleanCaption(line);
    if (caption !== null) captions.push(caption);
    else leftOut.add(line.trim() === "" ? "blank captions" : "captions without a word", `${path}:${i + 1}`);
  }
  return captions;
}
