/** The small CLIP of test/vectors/clip: weights in the files of several programs, pictures, token ids, features. */

import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { decodeSafetensors, type StoredTensor } from "../../../dist/engine/weights/safetensors.js";
import { Clip, type ClipOptions } from "../../../dist/models/clip/clip.js";
import { type ClipImportOptions, type ImportedClip, importClip } from "../../../dist/models/clip/import.js";
import { parseJsonRecord } from "../../../dist/platform/json.js";
import { openWeightFile } from "../../../dist/weight-files/node.js";
import { loadTensors } from "../../../dist/weight-files/weight-file.js";

export const vectors = fileURLToPath(new URL("../../../test/vectors/clip/", import.meta.url));

/** Runs `use` with a folder that is removed afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "clip-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Unpacks a file of weights of the vectors. */
export async function unpack(name: string, path: string): Promise<void> {
  await writeFile(path, gunzipSync(await readFile(`${vectors}${name}.gz`)));
}

/** Writes Hugging Face's folder: `config.json` and `model.safetensors`. */
export async function writeHuggingFace(folder: string): Promise<void> {
  await unpack("hf.safetensors", join(folder, "model.safetensors"));
  await copyFile(`${vectors}hf.config.json`, join(folder, "config.json"));
}

/** The tensors of a file of weights. */
export function tensorsOf(name: string): Promise<Map<string, StoredTensor>> {
  return inFolder(async (folder) => {
    const path = join(folder, name);
    await unpack(name, path);
    const file = await openWeightFile(path);
    return loadTensors(file).finally(() => file.close());
  });
}

/** Hugging Face's configuration, with another activation. */
export async function configOf(activation = "quick_gelu"): Promise<NonNullable<ClipImportOptions["config"]>> {
  const text = await readFile(`${vectors}hf.config.json`, "utf8");
  const name = "hf.config.json";
  return { json: parseJsonRecord(text.replaceAll('"quick_gelu"', JSON.stringify(activation)), name), name };
}

/** An imported CLIP as one that runs. */
export const clipOf = (gpu: Gpu, imported: ImportedClip, options?: ClipOptions): Clip =>
  new Clip(gpu, { ...imported, bpe: null, sha256: "0".repeat(64), name: "test" }, options);

/** The small CLIP. */
export const smallClip = async (gpu: Gpu, options?: ClipOptions): Promise<Clip> =>
  clipOf(
    gpu,
    await importClip(gpu, await tensorsOf("hf.safetensors"), "hf", { config: await configOf() }),
    options,
  );

const expected = decodeSafetensors(
  new Uint8Array(gunzipSync(await readFile(`${vectors}expected.safetensors.gz`))),
  "expected.safetensors",
).tensors;

/** An array of the reference. */
export const reference = (name: string): ArrayLike<number> =>
  expected.get(name)!.data as Float32Array | Int32Array;

/** The four sequences of 77 token ids. */
export const sequences: readonly Uint32Array[] = Array.from({ length: 4 }, (_, i) =>
  Uint32Array.from(Array.from(reference("tokens")).slice(i * 77, (i + 1) * 77)),
);

export const pictureFiles = [0, 1, 2].map((i) => `${vectors}image${i}.png`);

export function worst(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  return Array.from(actual).reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0);
}
