/** Which known model the tensors of a file belong to, by their names. Add a model here and `inspect.js` knows it. */

/** A model that can be recognised. */
export interface KnownModel {
  readonly name: string;
  /** Tensors that a file of it always has and that tell it from others, with their numbers of axes. */
  readonly tensors: Readonly<Record<string, number>>;
}

/** Models whose weights this program reads. */
export const knownModels: readonly KnownModel[] = [
  {
    name: "VQGAN, nearest neighbour",
    tensors: {
      "quantize.embedding.weight": 2,
      "quant_conv.weight": 4,
      "post_quant_conv.weight": 4,
      "encoder.conv_in.weight": 4,
      "decoder.conv_out.weight": 4,
    },
  },
  {
    name: "VQGAN, Gumbel",
    tensors: {
      "quantize.embed.weight": 2,
      "quantize.proj.weight": 4,
      "quant_conv.weight": 4,
      "post_quant_conv.weight": 4,
      "encoder.conv_in.weight": 4,
      "decoder.conv_out.weight": 4,
    },
  },
  {
    name: "CLIP, OpenAI's names",
    tensors: {
      "visual.conv1.weight": 4,
      "visual.class_embedding": 1,
      "visual.proj": 2,
      "token_embedding.weight": 2,
      "transformer.resblocks.0.attn.in_proj_weight": 2,
      text_projection: 2,
    },
  },
  {
    name: "CLIP, Hugging Face's names",
    tensors: {
      "vision_model.embeddings.patch_embedding.weight": 4,
      "visual_projection.weight": 2,
      "text_model.embeddings.token_embedding.weight": 2,
      "text_projection.weight": 2,
    },
  },
  {
    name: "captioner of this program",
    tensors: { "decoder.block0.qkv.weight": 2, "decoder.block0.keyValue.weight": 2 },
  },
  {
    name: "VQ-VAE of this program",
    tensors: { "vqvae.codebook.codes": 2, "vqvae.encoder.output.weight": 2 },
  },
];

/** A model that a file fits. */
export interface Fit {
  model: string;
  /** What stands before the model's names in the file, as wrappers leave it: `module.`; mostly "". */
  prefix: string;
}

/** The models that have all their tensors in a file. */
export function fitsOf(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  models: readonly KnownModel[] = knownModels,
): Fit[] {
  return models.flatMap(({ name, tensors: needed }) => {
    const [first, ...others] = Object.entries(needed);
    const has = (full: string, axes: number) => tensors.get(full)?.shape.length === axes;
    for (const full of tensors.keys()) {
      const prefix = full.slice(0, -first![0].length);
      if (!full.endsWith(first![0]) || (prefix !== "" && !prefix.endsWith("."))) continue;
      if (has(full, first![1]) && others.every(([other, axes]) => has(prefix + other, axes))) {
        return [{ model: name, prefix }];
      }
    }
    return [];
  });
}
