/** What the JSON files of evaluations say of where their scores come from. */

import { basename, isAbsolute } from "node:path";
import type { Dataset } from "../data/dataset.js";
import { packageVersion, nodePlatform as platform } from "../platform/node.js";

/** Command, date and versions. */
export async function originRecord(adapter: string) {
  return {
    command: commandText(process.argv.slice(2)),
    date: new Date().toISOString().slice(0, 10),
    version: await packageVersion(),
    node: process.versions.node,
    adapter,
  };
}

/** The hash and the size of weights in a folder. */
export async function weightsRecord(folder: string): Promise<{ sha256: string; bytes: number }> {
  const bytes = await platform.files.read(`${folder}/model.safetensors`);
  return { sha256: await platform.hash("sha-256", bytes), bytes: bytes.length };
}

/** A hash of the pictures and captions of some records, and of the splits. */
export function dataHash(
  { name, size, splits, records, images }: Dataset,
  used: readonly number[],
): Promise<string> {
  const pictures = used.map((record) => {
    const { id, image, captions } = records[record]!;
    return [id, images.content(image), captions];
  });
  return platform.hash("sha-256", JSON.stringify([basename(name), size, splits, pictures]));
}

/** Name, picture size and sizes of the splits. */
export function datasetRecord({ name, size, splits }: Dataset) {
  return {
    name: basename(name),
    size,
    splits: Object.fromEntries(Object.entries(splits).map(([split, list]) => [split, list.length])),
  };
}

/** The command in a portable form: files are named without this machine's folders. */
function commandText(args: readonly string[]): string {
  return ["node dist/evaluate.js", ...args.map((word) => (isAbsolute(word) ? basename(word) : word))].join(
    " ",
  );
}
