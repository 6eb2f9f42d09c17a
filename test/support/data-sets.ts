/** Made data sets in the folders and file forms of the real ones, with drawn birds for photographs. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Bird, birdJpeg, drawBirds } from "./birds.js";

async function write(path: string, data: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, data);
}

const list = (lines: readonly string[], end = "\n") => lines.map((line) => `${line}${end}`).join("");

export interface CubForm {
  /** Folder of images.txt and images/; default `CUB_200_2011`. "" unpacks it flat. */
  images?: string;
  /** Folder with a folder a class of captions; default `cvpr2016_cub/text_c10`. */
  captions?: string;
  /** Folder of testclasses.txt and so on; default `cvpr2016_cub`; null leaves them out. */
  lists?: string | null;
  /** Writes train/ and test/filenames.pickle into this folder, by this protocol of Python's pickle. */
  pickles?: { folder: string; protocol: 0 | 2 };
  /** Writes images.txt and what belongs to it; default true. */
  tables?: boolean;
}

/**
 * CUB-200-2011 with `each` pictures of 8 species, the last two species tested. As in the real set, some captions are blank or
 * hold U+FFFD, lines end by "\r\n" here and there, letter case of class folders differs, and some pictures are grey or CMYK.
 * Returns the birds.
 */
export async function writeCub(folder: string, each: number, form: CubForm = {}): Promise<Bird[]> {
  const { images = "CUB_200_2011", captions = "cvpr2016_cub/text_c10", tables = true } = form;
  const { lists = "cvpr2016_cub" } = form;
  const birds = drawBirds(each);
  const species = [...new Set(birds.map((bird) => bird.species))];
  for (const [i, bird] of birds.entries()) {
    const kind = i % 7 === 3 ? "grey" : i % 7 === 5 ? "cmyk" : "rgb";
    await write(join(folder, images, "images", bird.species, `${bird.name}.jpg`), await birdJpeg(bird, kind));
    // The second species: its captions lie in a folder of another letter case.
    const caseOf = bird.species === species[1] ? bird.species.toLowerCase() : bird.species;
    await write(join(folder, captions, caseOf, `${bird.name}.txt`), captionFile(bird, i));
  }
  await write(join(folder, images, "images", species[0]!, "._macos.jpg"), "not a picture");
  if (tables) {
    const rows = (row: (bird: Bird, i: number) => string) =>
      list(birds.map((bird, i) => `${i + 1} ${row(bird, i)}`));
    const write1 = (name: string, text: string) => write(join(folder, images, name), text);
    await write1(
      "images.txt",
      rows(({ species, name }) => `${species}/${name}.jpg`),
    );
    await write1(
      "image_class_labels.txt",
      rows((bird) => `${species.indexOf(bird.species) + 1}`),
    );
    await write1(
      "train_test_split.txt",
      rows((_, i) => (i % 2 === 0 ? "1" : "0")),
    );
    await write1(
      "bounding_boxes.txt",
      rows(({ box }) => [box.x, box.y, box.width, box.height].map((n) => n.toFixed(1)).join(" ")),
    );
    await write1("classes.txt", list(species.map((name, i) => `${i + 1} ${name}`)));
  }
  if (form.pickles) {
    const { folder: at, protocol } = form.pickles;
    for (const [part, classes] of Object.entries({ train: species.slice(0, 6), test: species.slice(6) })) {
      const ids = birds.flatMap((bird) =>
        classes.includes(bird.species) ? [`${bird.species}/${bird.name}`] : [],
      );
      await write(join(folder, at, part, "filenames.pickle"), pickledList(ids, protocol));
    }
  }
  if (lists !== null) {
    const names = {
      allclasses: species,
      trainvalclasses: species.slice(0, 6),
      testclasses: species.slice(6),
    };
    for (const [name, classes] of Object.entries({
      ...names,
      trainclasses: species.slice(0, 4),
      valclasses: species.slice(4, 6),
    }))
      await write(join(folder, lists, `${name}.txt`), list(classes, "\r\n"));
  }
  return birds;
}

/** A pickled list of texts: of bytes, as Python 2 writes them by protocol 0, or of Unicode by protocol 2. */
export function pickledList(texts: readonly string[], protocol: 0 | 2): Uint8Array {
  if (protocol === 0)
    return Buffer.from(`(lp0\n${texts.map((text, i) => `S'${text}'\np${i + 1}\na`).join("")}.`);
  const items = texts.flatMap((text) => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return [Buffer.from("X"), length, bytes];
  });
  return Buffer.concat([Buffer.of(0x80, 2), Buffer.from("]q\0("), ...items, Buffer.from("e.")]);
}

/** Birds 1 and 2 have nine and eight usable captions. */
function captionFile({ captions }: Bird, i: number): string | Uint8Array {
  if (i === 1) return list(captions.with(4, ""), "\r\n");
  if (i === 2) return list(captions.with(0, " . ").with(9, ""));
  if (i === 3) return list(captions.with(2, captions[2]!.replace(" ", "\ufffd\ufffd")));
  // Latin-1 bytes, which are not UTF-8.
  if (i === 4) return Buffer.from(list(captions.with(2, `${captions[2]}\u00e9`)), "latin1");
  return list(captions);
}

/** Numbers of pictures by split, of `birds`: the first 60 % are trained. */
function splitsOf<T>(birds: readonly T[]): { train: T[]; val: T[]; test: T[] } {
  const [a, b] = [Math.floor(0.6 * birds.length), Math.floor(0.8 * birds.length)];
  return { train: birds.slice(0, a), val: birds.slice(a, b), test: birds.slice(b) };
}

/** COCO of a year: train and val. One annotation has no text, one belongs to no image. */
export async function writeCoco(folder: string, each: number, year: 2014 | 2017): Promise<Bird[]> {
  const birds = drawBirds(each);
  const { train, val, test } = splitsOf(birds);
  let first = 1;
  for (const [part, some] of Object.entries({ train, val: [...val, ...test] })) {
    const images = some.map((bird, i) => ({
      id: first + i,
      bird,
      file_name: cocoName(part, year, first + i),
    }));
    const annotations = images.flatMap(({ id, bird }) =>
      bird.captions.slice(0, 5).map((caption, n) => ({ image_id: id, id: 10 * id + n, caption })),
    );
    annotations.push(
      { image_id: first, id: 1e6, caption: " \n" },
      { image_id: 999999, id: 1e6 + 1, caption: "a bird" },
    );
    const table = {
      info: { year },
      licenses: [],
      images: images.map(({ id, file_name }) => ({ id, file_name, width: 60, height: 44 })),
      annotations,
    };
    await write(join(folder, `annotations/captions_${part}${year}.json`), JSON.stringify(table));
    for (const { bird, file_name } of images)
      await write(join(folder, `${part}${year}`, file_name), await birdJpeg(bird));
    first += some.length;
  }
  return birds;
}

const cocoName = (part: string, year: number, id: number) =>
  `${year === 2014 ? `COCO_${part}2014_` : ""}${String(id).padStart(12, "0")}.jpg`;

/** Karpathy's file for the pictures that `writeCoco` writes, in the names of 2014; a quarter of what is trained is `restval`. */
export async function writeKarpathyCoco(folder: string, birds: readonly Bird[]): Promise<void> {
  const { train, val } = splitsOf(birds);
  const images = birds.map((bird, i) => {
    const part = i < train.length ? "train" : "val";
    const split =
      i < train.length ? (i % 4 === 0 ? "restval" : "train") : i < train.length + val.length ? "val" : "test";
    return {
      filename: cocoName(part, 2014, i + 1),
      filepath: `${part}2014`,
      cocoid: i + 1,
      imgid: i,
      split,
      sentences: sentencesOf(bird),
    };
  });
  await write(join(folder, "dataset_coco.json"), JSON.stringify({ dataset: "coco", images }));
}

const sentencesOf = ({ captions }: Bird) =>
  captions.slice(0, 5).map((raw, sentid) => ({ raw, tokens: raw.split(" "), sentid }));

/** Flickr8k's token file and lists, Kaggle's captions.txt or results.csv, or Karpathy's file. Each has a line that is broken. */
export async function writeFlickr(
  folder: string,
  each: number,
  form: "token" | "captions.txt" | "results.csv" | "karpathy",
): Promise<Bird[]> {
  const birds = drawBirds(each);
  const file = ({ name }: Bird) => `${name}.jpg`;
  const images =
    form === "token" ? "Flicker8k_Dataset" : form === "results.csv" ? "flickr30k_images" : "Images";
  for (const bird of birds) await write(join(folder, images, file(bird)), await birdJpeg(bird));
  const lines = (line: (bird: Bird, caption: string, n: number) => string) =>
    birds.flatMap((bird) => bird.captions.slice(0, 5).map((caption, n) => line(bird, caption, n)));
  const { train, val, test } = splitsOf(birds);
  switch (form) {
    case "token": {
      const rows = lines((bird, caption, n) => `${file(bird)}#${n}\t${caption}`);
      rows.push("2258277193_586949ec62.jpg.1#0\tpeople by the lake", "no tab");
      await write(join(folder, "Flickr8k_text/Flickr8k.token.txt"), list(rows));
      await write(
        join(folder, "Flickr8k_text/Flickr8k.lemma.token.txt"),
        list(rows.map((row) => row.toUpperCase())),
      );
      for (const [part, some] of Object.entries({ train, dev: val, test }))
        await write(join(folder, `Flickr8k_text/Flickr_8k.${part}Images.txt`), list(some.map(file)));
      break;
    }
    case "captions.txt":
      await write(
        join(folder, form),
        list([
          "image,caption",
          ...lines((bird, caption, n) => `${file(bird)},${n === 3 ? `"${caption}"` : caption}`),
          "alone.jpg",
        ]),
      );
      break;
    case "results.csv":
      await write(
        join(folder, form),
        list([
          "image_name| comment_number| comment",
          ...lines((bird, caption, n) => `${file(bird)}| ${n}| ${caption}`),
          `${file(birds[0]!)}| 4   A dog runs across the grass .`,
        ]),
      );
      break;
    case "karpathy": {
      const splits = new Map(
        Object.entries({ train, val, test }).flatMap(([split, some]) => some.map((bird) => [bird, split])),
      );
      const images = birds.map((bird) => {
        return { filename: file(bird), split: splits.get(bird), sentences: sentencesOf(bird) };
      });
      await write(join(folder, "dataset_flickr8k.json"), JSON.stringify({ dataset: "flickr8k", images }));
    }
  }
  return birds;
}

/** An imagefolder: one metadata file beside the pictures, or one in a folder for each split. */
export async function writeImagefolder(
  folder: string,
  each: number,
  form: "jsonl" | "csv" | "splits",
): Promise<Bird[]> {
  const birds = drawBirds(each);
  const { train, val, test } = splitsOf(birds);
  const parts: Record<string, readonly Bird[]> =
    form === "splits" ? { train, validation: val, test } : { "": birds };
  for (const [part, some] of Object.entries(parts)) {
    for (const bird of some) await write(join(folder, part, `${bird.name}.jpg`), await birdJpeg(bird));
    const text =
      form === "csv"
        ? list(["file_name,text", ...some.map(({ name, captions }) => `${name}.jpg,"${captions[7]}"`)])
        : list(some.map(({ name, captions }) => JSON.stringify({ file_name: `${name}.jpg`, captions })));
    await write(join(folder, part, `metadata.${form === "csv" ? "csv" : "jsonl"}`), text);
  }
  return birds;
}
