/** The names of CLIP's weights in the files that people have, and the sizes that their shapes tell. */

import type { StoredTensor } from "../../engine/weights/safetensors.js";
import { oihwToHwio, transposed, type WeightMap } from "../../engine/weights/weight-map.js";
import { UserError } from "../../platform/errors.js";
import { shown } from "../../platform/shown.js";
import type { HuggingFaceConfig } from "./hugging-face.js";
import type { ClipActivation, ClipShape, ClipTowerShape } from "./shape.js";

/** One way of naming CLIP's tensors. */
interface Layout {
  readonly name: string;
  /** The tensor by which a file of this layout is known: the patch convolution [width, 3, patch, patch]. */
  readonly patches: string;
  readonly imagePositions: string;
  readonly textTokens: string;
  readonly textPositions: string;
  /** A projection, and the axis along which its features lie. */
  readonly textProjection: readonly [name: string, features: 0 | 1];
  /** The first matrix [hidden, width] of the MLP of a block; its group is the number of the block. */
  readonly imageMlp: RegExp;
  readonly textMlp: RegExp;
  readonly map: WeightMap;
}

const linears = /\.(attention\.(qkv|q|k|v|output)|widen|narrow)\.weight$/;

/** openai/CLIP, and OpenCLIP after it. */
const openai: Layout = {
  name: "OpenAI's",
  patches: "visual.conv1.weight",
  imagePositions: "visual.positional_embedding",
  textTokens: "token_embedding.weight",
  textPositions: "positional_embedding",
  textProjection: ["text_projection", 1],
  imageMlp: /^visual\.transformer\.resblocks\.(\d+)\.mlp\.c_fc\.weight$/,
  textMlp: /^transformer\.resblocks\.(\d+)\.mlp\.c_fc\.weight$/,
  map: {
    ignore: [/^(input_resolution|context_length|vocab_size|attn_mask|logit_bias)$/],
    rename: [
      ["visual.conv1.weight", "image.patches"],
      ["visual.class_embedding", "image.classToken"],
      ["visual.positional_embedding", "image.positions"],
      ["visual.proj", "image.projection"],
      [/^visual\.ln_pre\./, "image.preNorm."],
      [/^visual\.ln_post\./, "image.postNorm."],
      [/^visual\.transformer\.resblocks\./, "image.blocks."],
      [/^transformer\.resblocks\./, "text.blocks."],
      ["token_embedding.weight", "text.tokens.weight"],
      ["positional_embedding", "text.tokens.positions"],
      ["text_projection", "text.projection"],
      ["logit_scale", "logitScale"],
      [/^ln_final\./, "text.finalNorm."],
      [/\.ln_([12])\./, ".norm$1."],
      [/\.attn\.in_proj_/, ".attention.qkv."],
      [/\.attn\.out_proj\./, ".attention.output."],
      [/\.mlp\.c_fc\./, ".widen."],
      [/\.mlp\.c_proj\./, ".narrow."],
    ],
    axes: [
      [/^image\.patches$/, oihwToHwio],
      [linears, transposed],
    ],
  },
};

/** CLIPModel of Hugging Face's transformers. */
const huggingFace: Layout = {
  name: "Hugging Face's",
  patches: "vision_model.embeddings.patch_embedding.weight",
  imagePositions: "vision_model.embeddings.position_embedding.weight",
  textTokens: "text_model.embeddings.token_embedding.weight",
  textPositions: "text_model.embeddings.position_embedding.weight",
  textProjection: ["text_projection.weight", 0],
  imageMlp: /^vision_model\.encoder\.layers\.(\d+)\.mlp\.fc1\.weight$/,
  textMlp: /^text_model\.encoder\.layers\.(\d+)\.mlp\.fc1\.weight$/,
  map: {
    ignore: [/\.position_ids$/],
    rename: [
      ["vision_model.embeddings.patch_embedding.weight", "image.patches"],
      ["vision_model.embeddings.class_embedding", "image.classToken"],
      ["vision_model.embeddings.position_embedding.weight", "image.positions"],
      ["visual_projection.weight", "image.projection"],
      [/^vision_model\.pre_layrnorm\./, "image.preNorm."],
      [/^vision_model\.post_layernorm\./, "image.postNorm."],
      [/^vision_model\.encoder\.layers\./, "image.blocks."],
      [/^text_model\.encoder\.layers\./, "text.blocks."],
      ["text_model.embeddings.token_embedding.weight", "text.tokens.weight"],
      ["text_model.embeddings.position_embedding.weight", "text.tokens.positions"],
      ["text_projection.weight", "text.projection"],
      ["logit_scale", "logitScale"],
      [/^text_model\.final_layer_norm\./, "text.finalNorm."],
      [/\.layer_norm([12])\./, ".norm$1."],
      [/\.self_attn\.([qkv])_proj\./, ".attention.$1."],
      [/\.self_attn\.out_proj\./, ".attention.output."],
      [/\.mlp\.fc1\./, ".widen."],
      [/\.mlp\.fc2\./, ".narrow."],
    ],
    join: [[/^(.*\.attention)\.qkv\.(weight|bias)$/, ["$1.q.$2", "$1.k.$2", "$1.v.$2"]]],
    axes: [
      [/^image\.patches$/, oihwToHwio],
      [/^(image|text)\.projection$/, transposed],
      [linears, transposed],
    ],
  },
};

type Tensors = ReadonlyMap<string, Pick<StoredTensor, "shape">>;

/** Width of the heads of all CLIPs whose files do not say it. */
const headWidth = 64;
const defaults = { activation: "quick-gelu", epsilon: 1e-5 } as const;

/** The layout of a file. Throws a `UserError` that names the file if it holds no CLIP with a vision transformer. */
function layoutOf(tensors: Tensors, fileName: string): Layout {
  const layout = [openai, huggingFace].find(({ patches }) => tensors.has(patches));
  if (layout) return layout;
  const names = [...tensors.keys()];
  if (names.some((name) => name.startsWith("visual.layer1.")))
    throw new UserError(
      `${fileName} is a CLIP with a ResNet; only those with a vision transformer are read, such as ViT-B/32`,
    );
  throw new UserError(
    `${fileName} is no CLIP: it has neither ${openai.patches} (OpenAI's names) nor ${huggingFace.patches} (Hugging Face's), but ${
      names
        .slice(0, 3)
        .map((name) => shown(name, 80))
        .join(", ") || "no tensors"
    }`,
  );
}

/**
 * The sizes of the CLIP in a file, from the shapes of its tensors and, where there is one, its configuration; and the map of its
 * names. Throws a `UserError` that names the file.
 */
export function readLayout(
  tensors: Tensors,
  fileName: string,
  { config, activation }: { config: HuggingFaceConfig | null; activation?: ClipActivation | undefined },
): { layout: string; shape: ClipShape; map: WeightMap } {
  const layout = layoutOf(tensors, fileName);
  const fail: (what: string) => never = (what) => {
    throw new UserError(`${fileName} is not a CLIP that can be read: ${what}`);
  };
  if (layout === huggingFace && !config && !activation)
    fail("its names are Hugging Face's, and the config.json that says its activation is not beside it");
  const shapeOf = (name: string, rank: number): readonly number[] => {
    const shape = tensors.get(name)?.shape ?? fail(`${name} is missing`);
    if (shape.length !== rank || shape.some((length) => length < 1))
      fail(`${name} is [${shape.join(", ")}], not of ${rank} axes`);
    return shape;
  };
  const tower = (what: "image" | "text", width: number, mlp: RegExp): ClipTowerShape => {
    const names = [...tensors.keys()].filter((name) => mlp.test(name));
    if (names.length === 0) fail(`its ${what} tower has no blocks`);
    const hidden = shapeOf(names[0]!, 2)[0]!;
    const own = config?.[what] ?? {};
    const heads = own.heads ?? width / headWidth;
    if (!Number.isInteger(heads) || width % heads !== 0)
      fail(
        own.heads === undefined
          ? `its ${what} tower is ${width} wide, which heads of ${headWidth} do not divide, and there is no config.json beside it that says how many heads it has`
          : `its config.json gives the ${what} tower ${heads} heads, which do not divide its width ${width}`,
      );
    if (own.width !== undefined && own.width !== width)
      fail(
        `its config.json says that the ${what} tower is ${own.width} wide, and its tensors that it is ${width}`,
      );
    return {
      ...defaults,
      width,
      layers: names.length,
      heads,
      hidden,
      ...(activation ? { activation } : {}),
      ...plain(own),
    };
  };
  const [imageWidth, channels, patchSize] = shapeOf(layout.patches, 4) as [number, number, number];
  if (channels !== 3) fail(`its pictures have ${channels} channels instead of 3`);
  const side = Math.sqrt(shapeOf(layout.imagePositions, 2)[0]! - 1);
  if (!Number.isInteger(side) || side < 1) fail(`${layout.imagePositions} does not fit a square of patches`);
  const [vocabulary, textWidth] = shapeOf(layout.textTokens, 2) as [number, number];
  const [projection, axis] = layout.textProjection;
  const shape: ClipShape = {
    features: shapeOf(projection, 2)[axis]!,
    image: { ...tower("image", imageWidth, layout.imageMlp), imageSize: side * patchSize, patchSize },
    text: {
      ...tower("text", textWidth, layout.textMlp),
      context: shapeOf(layout.textPositions, 2)[0]!,
      vocabulary,
      endId: config?.endId ?? null,
    },
  };
  return { layout: layout.name, shape, map: layout.map };
}

/** The settings that the configuration gives and shapes do not. */
function plain({ activation, epsilon }: HuggingFaceConfig["image"]): Partial<ClipTowerShape> {
  return {
    ...(activation === undefined ? {} : { activation }),
    ...(epsilon === undefined ? {} : { epsilon }),
  };
}
