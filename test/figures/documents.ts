/** The documents of this project with the files that hold their figures. */

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Evaluations, type FigureFile, parseEvaluation, withFigures } from "./figures.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, "docs/figures");

export interface Documents {
  /** Sorted by name. */
  readonly files: readonly { readonly name: string; readonly file: FigureFile; readonly text: string }[];
  readonly evaluations: Evaluations;
}

/** Reads docs/figures/*.json, where evaluations lie too, and the documents that they name. */
export async function readDocuments(): Promise<Documents> {
  const files: Documents["files"][number][] = [];
  const evaluations = new Map<string, ReturnType<typeof parseEvaluation>>();
  for (const name of (await readdir(folder)).filter((name) => name.endsWith(".json")).sort()) {
    const json = await readFile(join(folder, name), "utf8");
    const record = JSON.parse(json) as FigureFile | { format: string };
    if ("document" in record) {
      files.push({ name, file: record, text: await readFile(join(root, record.document), "utf8") });
    } else {
      evaluations.set(name, parseEvaluation(json));
    }
  }
  return { files, evaluations };
}

/** Writes every figure into its document. Returns the documents that changed. */
export async function writeDocuments({ files, evaluations }: Documents): Promise<string[]> {
  const changed: string[] = [];
  for (const { file, text } of files) {
    const right = withFigures(text, file, evaluations);
    if (right === text) continue;
    await writeFile(join(root, file.document), right);
    changed.push(file.document);
  }
  return changed;
}
