/** VQGANs of the reference implementation at small sizes, with what it computes: test/vectors. Node only. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import sharp from "sharp";
import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { decodeSafetensors, type StoredTensor } from "../../../dist/engine/weights/safetensors.js";
import { loadWeights } from "../../../dist/engine/weights/weights.js";
import { mapCheckpoint, shapeFromWeights } from "../../../dist/models/vqgan/checkpoint.js";
import { Vqgan } from "../../../dist/models/vqgan/vqgan.js";

export type Kind = "nn" | "gumbel";

/** The path of a file of test/vectors. */
export function vectorPath(kind: Kind, name: string): string {
  return fileURLToPath(new URL(`../../../test/vectors/vqgan-${kind}/${name}`, import.meta.url));
}

export function vectors(kind: Kind, name = "expected.safetensors"): Map<string, StoredTensor> {
  return decodeSafetensors(readFileSync(vectorPath(kind, name)), name).tensors;
}

/** The tensors of a kind's checkpoint. */
export function checkpoint(kind: Kind): Map<string, StoredTensor> {
  if (kind === "gumbel")
    return decodeSafetensors(readFileSync("/tmp/h-vq/gumbel.safetensors"), "gumbel").tensors;
  return decodeSafetensors(gunzipSync(readFileSync(vectorPath(kind, "checkpoint.safetensors.gz"))), kind)
    .tensors;
}

/** The network of a kind. */
export function vqganOf(gpu: Gpu, kind: Kind): Vqgan {
  const weights = checkpoint(kind);
  const vqgan = new Vqgan(gpu, shapeFromWeights(weights, kind), 32);
  loadWeights(vqgan, mapCheckpoint(weights, vqgan, kind), kind);
  return vqgan;
}

/** Picture i as network input, [1, H, W, 3] in [-1, 1]. */
export async function pictureOf(gpu: Gpu, kind: Kind, i: number): Promise<Tensor> {
  const { data, info } = await sharp(vectorPath(kind, `image${i}.png`))
    .removeAlpha()
    .raw()
    .toBuffer({
      resolveWithObject: true,
    });
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
