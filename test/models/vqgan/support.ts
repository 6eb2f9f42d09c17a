/** VQGANs of the reference implementation at small sizes, with what it computes: test/vectors. Node only. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import sharp from "sharp";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { decodeSafetensors, type StoredTensor } from "../../../dist/engine/weights/safetensors.js";
import { loadWeights } from "../../../dist/engine/weights/weights.js";
import { mapCheckpoint, shapeFromWeights, tensorsOfVqgan } from "../../../dist/models/vqgan/checkpoint.js";
import { Vqgan } from "../../../dist/models/vqgan/vqgan.js";
import { openWeightFile } from "../../../dist/weight-files/node.js";
import { loadTensors } from "../../../dist/weight-files/weight-file.js";

export type Kind = "nn" | "gumbel";

/** The path of a file of test/vectors. */
export function vectorPath(kind: Kind, name: string): string {
  return fileURLToPath(new URL(`../../../test/vectors/vqgan-${kind}/${name}`, import.meta.url));
}

export function vectors(kind: Kind, name = "expected.safetensors"): Map<string, StoredTensor> {
  return decodeSafetensors(readFileSync(vectorPath(kind, name)), name).tensors;
}

/** Writes a kind's checkpoint, unpacked, and its configuration into a folder. Returns the checkpoint's path. */
export function unpack(kind: Kind, folder: string): string {
  const path = join(folder, `${kind}.ckpt`);
  writeFileSync(path, gunzipSync(readFileSync(vectorPath(kind, "checkpoint.ckpt.gz"))));
  writeFileSync(join(folder, `${kind}.yaml`), readFileSync(vectorPath(kind, "config.yaml")));
  return path;
}

const read = new Map<Kind, Promise<Map<string, StoredTensor>>>();

/** The tensors of a kind's checkpoint, without those of its training. */
export function checkpoint(kind: Kind): Promise<Map<string, StoredTensor>> {
  const known = read.get(kind) ?? readCheckpoint(kind);
  read.set(kind, known);
  return known;
}

async function readCheckpoint(kind: Kind): Promise<Map<string, StoredTensor>> {
  const folder = mkdtempSync(join(tmpdir(), "mcd-vqgan-"));
  try {
    const file = await openWeightFile(unpack(kind, folder));
    const names = [...tensorsOfVqgan(file.tensors).values()].map(({ name }) => name);
    return await loadTensors(file, names).finally(() => file.close());
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The network of a kind. */
export async function vqganOf(gpu: Gpu, kind: Kind): Promise<Vqgan> {
  const weights = await checkpoint(kind);
  const vqgan = new Vqgan(gpu, shapeFromWeights(weights, kind), 32);
  loadWeights(vqgan, mapCheckpoint(weights, vqgan, kind), kind);
  return vqgan;
}

/** Picture i as network input, [1, H, W, 3] in [-1, 1]. */
export async function pictureOf(gpu: Gpu, kind: Kind, i: number): Promise<Tensor> {
  const picture = sharp(vectorPath(kind, `image${i}.png`))
    .removeAlpha()
    .raw();
  const { data, info } = await picture.toBuffer({ resolveWithObject: true });
  const values = Float32Array.from(data, (byte) => byte / 127.5 - 1);
  return fromArray(gpu, values, [1, info.height, info.width, 3], "f32", `image${i}`);
}

/** [C, H, W] → [H, W, C]. */
export function channelsLast({ shape, data }: StoredTensor): Float64Array {
  const [channels, height, width] = shape as [number, number, number];
  const result = new Float64Array(data.length);
  for (let c = 0; c < channels; c++)
    for (let p = 0; p < height * width; p++) result[p * channels + c] = Number(data[c * height * width + p]);
  return result;
}
