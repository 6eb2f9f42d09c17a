/** Deliberate mistakes in reading data sets as they are downloaded. */

import type { Mutation } from "./mutation.js";

const tests = (part: string) => [`data/layouts.test.ts # ${part}`];

export const layouts: readonly Mutation[] = [
  {
    name: "cub: tested classes are trained, too",
    file: "src/data/cub-splits.ts",
    find: 'if (tested.has(name)) return "test";',
    replace: 'if (tested.has(name) && folder === "") return "test";',
    tests: tests("CUB: pictures"),
  },
  {
    name: "cub: the official split is upside down",
    file: "src/data/cub-splits.ts",
    find: 'flag === "1" ? "train" : "test"',
    replace: 'flag === "0" ? "train" : "test"',
    // Both halves are of one size in the made set.
    tests: tests("CUB: other splits"),
  },
  {
    name: "cub: class folders are compared by letter case",
    file: "src/data/cub.ts",
    find: "const key = id.toLowerCase();",
    replace: "const key = id;",
    tests: tests("CUB: pictures"),
  },
  {
    name: "cub: blank captions are kept",
    file: "src/data/caption-text.ts",
    find: "/[\\p{L}\\p{N}]/u.test(clean) ? clean : null",
    replace: "true ? clean : null",
    tests: tests("CUB: pictures"),
  },
  {
    name: "cub: U+FFFD stays in captions",
    file: "src/data/caption-text.ts",
    find: "[\\ufffd\\ufeff",
    replace: "[\\ufeff",
    tests: tests("CUB: pictures"),
  },
  {
    name: "cub: the cut is the bare box",
    file: "src/data/cub.ts",
    find: "Math.trunc(0.75 * Math.max(width, height))",
    replace: "Math.trunc(0.3 * Math.max(width, height))",
    tests: tests("CUB: bounding boxes"),
  },
  {
    name: "a box is not cut out",
    file: "src/platform/sharp-pictures.ts",
    find: "if (box) picture.extract",
    replace: "if (box && bytes.length === 0) picture.extract",
    tests: ["platform/picture-box.test.ts # a box is cut"],
  },
  {
    name: "a box is not sent to the decoding process",
    file: "src/platform/decode-process.ts",
    find: "second & 8 ? boxFrom(all) : undefined",
    replace: "second & 16 ? boxFrom(all) : undefined",
    tests: ["platform/picture-box.test.ts # large pictures"],
  },
  {
    name: "the cache gives whole pictures for cut ones",
    file: "src/data/decoded-pictures.ts",
    find: "return box ? this.#hash(",
    replace: "return box && number < 0 ? this.#hash(",
    tests: tests("CUB: bounding boxes"),
  },
  {
    name: "no training picture is set apart for validation",
    file: "src/data/layouts.ts",
    find: 'picture.split === "train" ? { ...picture, split: undefined } : picture',
    replace: 'picture.split === "" ? { ...picture, split: undefined } : picture',
    tests: tests("CUB: pictures"),
  },
  {
    name: "restval is not trained",
    file: "src/data/karpathy.ts",
    find: 'restval: "train"',
    replace: 'restval: "validation"',
    tests: tests("COCO"),
  },
  {
    name: "coco: captions go to images by their place",
    file: "src/data/coco.ts",
    find: "captionsOf.get(image_id)",
    replace: "captionsOf.get(i + 1)",
    tests: tests("COCO"),
  },
  {
    name: "flickr: captions end at their first comma",
    file: "src/data/flickr.ts",
    find: "fields\n      .slice(columns - 1)",
    replace: "fields\n      .slice(columns - 1, columns)",
    tests: tests("Flickr"),
  },
  {
    name: "flickr: lemmas are taken for captions",
    file: "src/data/flickr.ts",
    find: "(?!.*(lemma|expert|crowd))",
    replace: "(?!.*(expert|crowd))",
    tests: tests("Flickr"),
  },
  {
    name: "imagefolder: folders do not name splits",
    file: "src/data/imagefolder.ts",
    find: "(split ?? splitInPath(whole))",
    replace: '(split ?? splitInPath(""))',
    tests: tests("imagefolder"),
  },
  {
    name: "a list of trainval wins over those of train and val",
    file: "src/data/split-lists.ts",
    find: "a.rank - b.rank",
    replace: "b.rank - a.rank",
    tests: tests("CUB: other splits"),
  },
  {
    name: "counts are compared with no published ones",
    file: "src/data/layouts.ts",
    find: "return count === expected ?",
    replace: "return count <= expected ?",
    tests: tests("CUB: pictures"),
  },
  {
    name: "pictures are mirrored always",
    file: "src/data/augment.ts",
    find: "more(3) < 0.5",
    replace: "more(3) < 1.5",
    tests: ["data/batches.test.ts # flip"],
  },
  {
    name: "a crop reaches beyond the picture",
    file: "src/data/augment.ts",
    find: "at! * (1 - kept) * (size - 1)",
    replace: "at! * (size - 1)",
    tests: ["data/batches.test.ts # flip"],
  },
];
