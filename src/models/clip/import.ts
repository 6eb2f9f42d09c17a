/** Makes a CLIP of this project from the tensors of other programs' files. */

import type { Gpu } from "../../engine/gpu/gpu.js";
import { noGrad } from "../../engine/tensor/tape.js";
import { fromArray, zeros } from "../../engine/tensor/tensor.js";
import type { StoredTensor } from "../../engine/weights/safetensors.js";
import { mapWeights } from "../../engine/weights/weight-map.js";
import { loadWeights } from "../../engine/weights/weights.js";
import { UserError } from "../../platform/errors.js";
import type { JsonRecord } from "../../platform/json.js";
import { readHuggingFaceConfig } from "./hugging-face.js";
import { readLayout } from "./layouts.js";
import { ClipModel } from "./model.js";
import type { ClipActivation, ClipShape } from "./shape.js";

/** An imported CLIP, for `saveClip`. */
export interface ImportedClip {
  shape: ClipShape;
  /** The parameters of a `ClipModel` by name, with the element types of the file (bfloat16 as float32). */
  tensors: Map<string, StoredTensor>;
  /** Whose names the file has: "OpenAI's" or "Hugging Face's". */
  layout: string;
  parameters: number;
}

/** What is known of a file beside its tensors. */
export interface ClipImportOptions {
  /** Hugging Face's `config.json`, and its name for messages. */
  config?: { json: JsonRecord; name: string } | null;
  /** Activation of the MLPs, where no configuration says it; OpenAI's files have quick GELU. */
  activation?: ClipActivation | undefined;
}

/**
 * Converts the tensors of a file with OpenAI's or Hugging Face's names. Checks that both towers run on `gpu` and give finite features. Throws a `UserError` that names the file and the tensor.
 */
export async function importClip(
  gpu: Gpu,
  tensors: ReadonlyMap<string, StoredTensor>,
  fileName: string,
  { config = null, activation }: ClipImportOptions = {},
): Promise<ImportedClip> {
  const settings = config && readHuggingFaceConfig(config.json, config.name);
  const { layout, shape, map } = readLayout(tensors, fileName, { config: settings, activation });
  const model = new ClipModel(gpu, shape);
  try {
    const mapped = mapWeights(tensors, map, model, fileName);
    const named = new Map<string, StoredTensor>();
    for (const { name } of model.parameters()) {
      const tensor = mapped.get(name)!;
      named.set(name, tensor.dtype === "BF16" ? { ...tensor, dtype: "F32" } : tensor);
    }
    loadWeights(model, named, fileName);
    await checkFeatures(model, fileName);
    return { shape, tensors: named, layout, parameters: model.parameterCount };
  } finally {
    model.dispose();
  }
}

/** Throws if the features of a grey picture or of a text of one end token are not finite numbers. */
async function checkFeatures(model: ClipModel, fileName: string): Promise<void> {
  const { gpu, shape } = model;
  const { imageSize } = shape.image;
  const end = Uint32Array.of(shape.text.endId ?? shape.text.vocabulary - 1);
  const [image, text] = gpu.scope(() =>
    noGrad(() => [
      model.image.forward(zeros(gpu, [1, imageSize, imageSize, 3], "f32", "picture")),
      model.text.forward(fromArray(gpu, end, [1, 1], "u32", "token ids"), [1]),
    ]),
  ) as [ReturnType<typeof zeros>, ReturnType<typeof zeros>];
  for (const features of [image, text]) {
    const values = await features.read().finally(() => features.dispose());
    if (values.every(Number.isFinite)) continue;
    throw new UserError(`${fileName} gives features that are not finite numbers: its weights are damaged`);
  }
}
