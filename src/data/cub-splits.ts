/** The splits of CUB-200-2011: disjoint classes (zero-shot), the data set's own, or lists. */

import { readPickle } from "../io/pickle/pickle.js";
import { UserError } from "../platform/errors.js";
import type { FolderFiles } from "../platform/platform.js";
import { lenientText } from "./caption-text.js";
import { type FoundFolder, joined, nearest } from "./find-files.js";
import { linesOf, readSplitLists, splitListed } from "./split-lists.js";

/** Share of the classes that are tested in the zero-shot split: 50 of 200. */
const UNSEEN = 0.25;

const PICKLE = "filenames.pickle";

/** A picture before its captions are read. */
export interface CubPicture {
  /** "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18". */
  readonly id: string;
  readonly file: string;
  /** Its number in images.txt; "" without that file. */
  readonly number: string;
  /** The name of its class folder. */
  readonly folder: string;
}

export interface CubSplit {
  /** "zero-shot", "official", or "lists". */
  readonly name: string;
  /** What decides, for people. */
  readonly source: string;
  readonly warning?: string;
  /** The split of a picture; null if no list has it. */
  readonly of: (picture: CubPicture) => string | null;
}

/** Where the files of the data set are. */
export interface CubFiles {
  readonly files: FolderFiles;
  readonly folder: string;
  readonly found: readonly FoundFolder[];
  readonly pictures: readonly CubPicture[];
}

/** The split named `wanted` (`LayoutOptions.split`). Throws a `UserError` that says which files it needs. */
export async function cubSplit(cub: CubFiles, wanted: string): Promise<CubSplit> {
  if (wanted === "official") return official(cub);
  if (wanted === "" || wanted === "zero-shot")
    return (await byClassLists(cub)) ?? (await byPickles(cub)) ?? byClassNumbers(cub);
  const lists = await readSplitLists(cub.files, wanted);
  const of = ({ id, folder }: CubPicture) => splitListed(lists, [id, lastOf(id), folder]) ?? null;
  return { name: "lists", source: wanted, of };
}

/** train_test_split.txt: the number of a picture in images.txt, and 1 if it is trained. */
async function official(cub: CubFiles): Promise<CubSplit> {
  const path = nearest(cub.found, "train_test_split.txt");
  if (path === undefined || nearest(cub.found, "images.txt") === undefined) {
    throw new UserError(
      `${cub.folder} has no train_test_split.txt with images.txt, which data.split=official needs; data.split=zero-shot, or the path of lists, does without`,
    );
  }
  const splits = new Map<string, string>();
  for (const line of await lines(cub, path)) {
    const [number, flag] = line.split(/\s+/);
    if (flag === "0" || flag === "1") splits.set(number!, flag === "1" ? "train" : "test");
  }
  return { name: "official", source: path, of: ({ number }) => splits.get(number) ?? null };
}

/** The lists beside text_c10: the names of the class folders. */
async function byClassLists(cub: CubFiles): Promise<CubSplit | null> {
  const path = nearest(cub.found, "testclasses.txt");
  if (path === undefined) return null;
  const classes = async (of: string) =>
    new Set((await lines(cub, of)).map((line) => lastOf(line).toLowerCase()));
  const tested = await classes(path);
  const list = nearest(cub.found, "trainvalclasses.txt");
  const trained = list === undefined ? null : await classes(list);
  return {
    name: "zero-shot",
    source: path,
    of({ folder }) {
      const name = folder.toLowerCase();
      if (tested.has(name)) return "test";
      return trained === null || trained.has(name) ? "train" : null;
    },
  };
}

/** The lists of pictures in the bundle of StackGAN and AttnGAN: pickled lists of "CLASS/NAME". */
async function byPickles(cub: CubFiles): Promise<CubSplit | null> {
  const splits = new Map<string, string>();
  const paths: string[] = [];
  for (const split of ["train", "test"]) {
    const found = cub.found.find(({ path, names }) => lastOf(path) === split && names.includes(PICKLE));
    if (found === undefined) return null;
    const path = joined(found.path, PICKLE);
    const name = `${cub.folder}/${path}`;
    const value = readPickle(await cub.files.read(name), name);
    const listed = Array.isArray(value) ? value.map(textOf) : [null];
    for (const id of listed) {
      if (id === null) throw new UserError(`${name} is not a pickled list of file names, "CLASS/NAME"`);
      splits.set(id.toLowerCase(), split);
    }
    paths.push(path);
  }
  return {
    name: "zero-shot",
    source: paths.join(" and "),
    of: ({ id }) => splits.get(id.toLowerCase()) ?? null,
  };
}

/** A text of Python 2 may come as bytes. */
function textOf(value: unknown): string | null {
  if (value instanceof Uint8Array) return lenientText(value);
  return typeof value === "string" ? value : null;
}

/** Disjoint classes without a list of them. */
function byClassNumbers({ folder, pictures }: CubFiles): CubSplit {
  const all = [...new Set(pictures.map((picture) => picture.folder))].sort();
  const unseen = new Set(all.slice(Math.ceil(all.length * (1 - UNSEEN))));
  return {
    name: "zero-shot",
    source: `class numbers: the last ${unseen.size} of ${all.length} classes are tested`,
    warning: `${folder} has no list of the tested classes (looked for testclasses.txt of cvpr2016_cub, and for test/filenames.pickle of the AttnGAN bundle): the last quarter of the classes is tested instead, so scores do not compare with published ones`,
    of: (picture) => (unseen.has(picture.folder) ? "test" : "train"),
  };
}

async function lines({ files, folder }: CubFiles, path: string): Promise<string[]> {
  return linesOf(await files.readText(`${folder}/${path}`)).filter((line) => line !== "");
}

const lastOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);
