/** Opens a file of weights of any kind, by its content, or the shards of an index. */

import { UserError } from "../platform/errors.js";
import { parseJsonRecord } from "../platform/json.js";
import { shown } from "../platform/shown.js";
import { openSafetensors } from "./safetensors-file.js";
import { openTorchLegacy } from "./torch-legacy.js";
import { openTorchArchive } from "./torch-zip.js";
import type { FileTensor, WeightFile, WeightPlace } from "./weight-file.js";

/** As many bytes of the beginning as tell the format. */
const START_BYTES = 512;
/** The first byte of a pickle of protocol 2 or later. */
const PICKLE = 0x80;
/** Where the header of a safetensors file begins. */
const HEADER = 8;
/** Files that are taken for weights: the text at an offset of their beginning, and what to do. */
const OTHERS: readonly (readonly [offset: number, text: string, is: string])[] = [
  [0, "version https://git-lfs", "is a pointer of Git LFS; fetch the file itself with git lfs pull"],
  [0, "<!doctype", "is a web page, as a download that failed leaves it"],
  [0, "<html", "is a web page, as a download that failed leaves it"],
  [0, "<?xml", "is a message of a server, as a download that failed leaves it"],
  [0, "\x1f\x8b", "is compressed with gzip; unpack it with gunzip first"],
  [257, "ustar", "is a tar archive; unpack it first"],
  [0, "\x89hdf", "is an HDF5 file; convert it to safetensors first"],
  [0, "gguf", "is a GGUF file; convert it to safetensors first"],
  [0, "\x93numpy", "is an array of NumPy; convert it to safetensors first"],
];

const INDEX = ".index.json";
const ENDINGS = [".safetensors", ".pt", ".pth", ".ckpt", ".bin"];

/**
 * Opens a file of weights, the shards that an index (`*.index.json`) lists, or a folder that contains one of both. Throws a
 * `UserError` that names the file and what is wrong with it.
 */
export async function openWeights(path: string, place: WeightPlace): Promise<WeightFile> {
  if (await place.files.isDirectory(path)) return openWeights(await fileIn(path, place), place);
  if (path.endsWith(INDEX)) return openShards(path, place);
  return openFile(path, place);
}

async function openFile(path: string, place: WeightPlace): Promise<WeightFile> {
  const file = await place.disk.open(path);
  try {
    const start = new Uint8Array(Math.min(START_BYTES, file.bytes));
    await file.read(start, 0);
    const text = String.fromCharCode(...start);
    if (text.startsWith("PK")) return await openTorchArchive(file, path, place.openArchive);
    if (start[0] === PICKLE) return await openTorchLegacy(file, path);
    if (text[HEADER] === "{" || path.endsWith(".safetensors")) return await openSafetensors(file, path);
    const other = OTHERS.find(([offset, begins]) => text.toLowerCase().startsWith(begins, offset));
    throw new UserError(
      `${path} is no file of weights: it ${other?.[2] ?? "begins like none of safetensors, PyTorch and TorchScript"}`,
    );
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The file of weights in a folder: an index of shards, else the only file with an ending of weights. */
async function fileIn(folder: string, { files }: WeightPlace): Promise<string> {
  const names = await files.list(folder);
  const indices = names.filter((name) => name.endsWith(INDEX));
  const weights = names.filter((name) => ENDINGS.some((ending) => name.endsWith(ending)));
  const found = indices.length > 0 ? indices : weights;
  if (found.length === 1) return `${folder.replace(/[/\\]+$/, "")}/${found[0]}`;
  throw new UserError(
    found.length === 0
      ? `${folder} has no file of weights (${ENDINGS.join(", ")})`
      : `${folder} has ${found.length} files of weights: name one of ${shown(found.join(", "))}`,
  );
}

/** The tensors of all shards of an index: `{"weight_map": {tensor name: file name}}`, the files beside the index. */
async function openShards(path: string, place: WeightPlace): Promise<WeightFile> {
  const { weight_map: map } = parseJsonRecord(await place.files.readText(path), path);
  if (typeof map !== "object" || map === null || Array.isArray(map) || Object.keys(map).length === 0) {
    throw new UserError(`${path} should have a "weight_map" of tensor names and file names`);
  }
  const open: WeightFile[] = [];
  const close = async () => {
    for (const shard of open) await shard.close();
  };
  try {
    const folder = path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
    const shards = new Map<string, WeightFile>();
    const tensors = new Map<string, FileTensor>();
    for (const [name, file] of Object.entries(map)) {
      if (typeof file !== "string" || !/^[^/\\]+$/.test(file) || file.endsWith(INDEX)) {
        throw new UserError(
          `${path}: tensor "${shown(name)}" should name a file beside the index, not ${shown(JSON.stringify(file))}`,
        );
      }
      let shard = shards.get(file);
      if (!shard) {
        shard = await openFile(folder + file, place);
        open.push(shard);
        shards.set(file, shard);
      }
      const tensor = shard.tensors.get(name);
      if (!tensor) throw new UserError(`${shard.path} has no tensor "${shown(name)}", which ${path} expects`);
      tensors.set(name, tensor);
    }
    const [first] = open;
    const files = open.map((shard) => shard.path);
    return { path, kind: first!.kind, files, tensors, metadata: first!.metadata, beside: [], close };
  } catch (error) {
    await close();
    throw error;
  }
}
