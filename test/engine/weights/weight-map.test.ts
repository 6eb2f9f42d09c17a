/** Files with the names and layouts of VQGAN and of CLIP, OpenAI's and Hugging Face's, become the parameters of one model. */

import t, { type Test } from "tap";
import { float16ToFloat32, float32ToFloat16 } from "../../../dist/engine/tensor/float16.js";
import type { Tensor } from "../../../dist/engine/tensor/tensor.js";
import type { StoredTensor } from "../../../dist/engine/weights/safetensors.js";
import {
  mapWeights,
  oihwToHwio,
  transposed,
  type WeightMap,
} from "../../../dist/engine/weights/weight-map.js";
import { randomArray } from "../../random-array.js";

type Shapes = Record<string, readonly number[]>;
type File = Map<string, StoredTensor>;

/** A module's names and shapes: all that the map asks of it. */
const moduleOf = (shapes: Shapes) => ({
  parameters: () => Object.entries(shapes).map(([name, shape]) => ({ name, tensor: { shape } as Tensor })),
});

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);
const f32 = (shape: readonly number[], data: Float32Array): StoredTensor => ({ dtype: "F32", shape, data });

const random = (seed: number, length: number) => Float32Array.from(randomArray(seed, length));

/** Random values of a model; each is another number, so that none can take another's place. */
function valuesOf(shapes: Shapes): Map<string, Float32Array> {
  return new Map(Object.entries(shapes).map(([name, shape], i) => [name, random(i + 1, size(shape))]));
}

/** [I, O] → [O, I] */
function turned(values: Float32Array, inputs: number, outputs: number): Float32Array {
  return Float32Array.from({ length: values.length }, (_, n) => {
    const [o, i] = [Math.floor(n / inputs), n % inputs];
    return values[i * outputs + o]!;
  });
}

/** [H, W, I, O] → [O, I, H, W] */
function channelsFirst(values: Float32Array, [H, W, I, O]: readonly number[]): Float32Array {
  const result = new Float32Array(values.length);
  let n = 0;
  for (let o = 0; o < O!; o++)
    for (let i = 0; i < I!; i++)
      for (let h = 0; h < H!; h++)
        for (let w = 0; w < W!; w++) result[n++] = values[((h * W! + w) * I! + i) * O! + o]!;
  return result;
}

/** Columns `part` of `parts` of a matrix or vector. */
function columns(values: Float32Array, width: number, part: number, parts: number): Float32Array {
  const own = width / parts;
  return values.filter((_, n) => Math.floor((n % width) / own) === part);
}

/** Every parameter of the model has its values, to the bit. */
function checkSame(
  t: Test,
  mapped: ReturnType<typeof mapWeights>,
  shapes: Shapes,
  values: Map<string, Float32Array>,
): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const { data, ...rest } = mapped.get(name)!;
    t.same(rest, { dtype: "F32", shape }, name);
    t.same(data, values.get(name), `${name}: its values`);
  }
}

// ---------------------------------------------------------------- CLIP

const clip = { text: 8, vision: 12, features: 5, tokens: 11, context: 7, patch: 4, positions: 17, layers: 2 };

/** A model with packed queries, keys and values and matrices [in, out], as this engine's are. */
function clipShapes(): Shapes {
  const shapes: Shapes = {
    scale: [1],
    "text.tokens": [clip.tokens, clip.text],
    "text.positions": [clip.context, clip.text],
    "text.projection": [clip.text, clip.features],
    "vision.class": [clip.vision],
    "vision.patch": [clip.patch, clip.patch, 3, clip.vision],
    "vision.positions": [clip.positions, clip.vision],
    "vision.projection": [clip.vision, clip.features],
  };
  const norm = (name: string, width: number) => {
    shapes[`${name}.weight`] = [width];
    shapes[`${name}.bias`] = [width];
  };
  const linear = (name: string, inputs: number, outputs: number) => {
    shapes[`${name}.weight`] = [inputs, outputs];
    shapes[`${name}.bias`] = [outputs];
  };
  norm("vision.before", clip.vision);
  for (const tower of ["text", "vision"] as const) {
    const width = clip[tower];
    for (let layer = 0; layer < clip.layers; layer++) {
      const block = `${tower}.block${layer}`;
      norm(`${block}.norm1`, width);
      linear(`${block}.qkv`, width, 3 * width);
      linear(`${block}.out`, width, width);
      norm(`${block}.norm2`, width);
      linear(`${block}.up`, width, 4 * width);
      linear(`${block}.down`, 4 * width, width);
    }
    norm(`${tower}.after`, width);
  }
  return shapes;
}

/** What a file of OpenAI's has: in_proj packed by rows, projections as they are used. */
function openAi(shapes: Shapes, values: Map<string, Float32Array>): File {
  const file: File = new Map([
    ["input_resolution", { dtype: "I64", shape: [], data: BigInt64Array.of(16n) } as StoredTensor],
    ["context_length", { dtype: "I64", shape: [], data: BigInt64Array.of(7n) } as StoredTensor],
    ["vocab_size", { dtype: "I64", shape: [], data: BigInt64Array.of(11n) } as StoredTensor],
  ]);
  const plain: Record<string, string> = {
    "text.tokens": "token_embedding.weight",
    "text.positions": "positional_embedding",
    "text.projection": "text_projection",
    "text.after": "ln_final",
    "vision.class": "visual.class_embedding",
    "vision.positions": "visual.positional_embedding",
    "vision.projection": "visual.proj",
    "vision.before": "visual.ln_pre",
    "vision.after": "visual.ln_post",
    norm1: "ln_1",
    norm2: "ln_2",
    out: "attn.out_proj",
    up: "mlp.c_fc",
    down: "mlp.c_proj",
  };
  for (const [name, shape] of Object.entries(shapes)) {
    const data = values.get(name)!;
    const [, tower, layer, part, kind] = /^(text|vision)\.block(\d)\.(\w+)\.(\w+)$/.exec(name) ?? [];
    const block = `${tower === "vision" ? "visual." : ""}transformer.resblocks.${layer}`;
    if (name === "scale") file.set("logit_scale", f32([], data));
    else if (name === "vision.patch")
      file.set(
        "visual.conv1.weight",
        f32([clip.vision, 3, clip.patch, clip.patch], channelsFirst(data, shape)),
      );
    else if (!tower) {
      const found = plain[name] ?? `${plain[name.replace(/\.\w+$/, "")]}.${name.split(".").at(-1)}`;
      file.set(found, f32(shape, data));
    } else {
      const stored =
        shape.length === 2
          ? f32([shape[1]!, shape[0]!], turned(data, shape[0]!, shape[1]!))
          : f32(shape, data);
      file.set(part === "qkv" ? `${block}.attn.in_proj_${kind}` : `${block}.${plain[part!]}.${kind}`, stored);
    }
  }
  return file;
}

/** What a file of Hugging Face's has: q, k and v apart, all matrices [out, in], position_ids. */
function huggingFace(shapes: Shapes, values: Map<string, Float32Array>): File {
  const file: File = new Map();
  for (const [tower, count] of [
    ["text", clip.context],
    ["vision", clip.positions],
  ] as const) {
    const data = BigInt64Array.from({ length: count }, (_, i) => BigInt(i));
    file.set(`${tower}_model.embeddings.position_ids`, { dtype: "I64", shape: [1, count], data });
  }
  const names: Record<string, string> = {
    "text.tokens": "text_model.embeddings.token_embedding.weight",
    "text.positions": "text_model.embeddings.position_embedding.weight",
    "text.projection": "text_projection.weight",
    "text.after": "text_model.final_layer_norm",
    "vision.class": "vision_model.embeddings.class_embedding",
    "vision.positions": "vision_model.embeddings.position_embedding.weight",
    "vision.projection": "visual_projection.weight",
    "vision.before": "vision_model.pre_layrnorm",
    "vision.after": "vision_model.post_layernorm",
    norm1: "layer_norm1",
    norm2: "layer_norm2",
    out: "self_attn.out_proj",
    up: "mlp.fc1",
    down: "mlp.fc2",
  };
  for (const [name, shape] of Object.entries(shapes)) {
    const data = values.get(name)!;
    const [, tower, layer, part, kind] = /^(text|vision)\.block(\d)\.(\w+)\.(\w+)$/.exec(name) ?? [];
    const matrix = (inputs: number, outputs: number, of: Float32Array) =>
      f32([outputs, inputs], turned(of, inputs, outputs));
    if (name === "scale") file.set("logit_scale", f32([], data));
    else if (name === "vision.patch")
      file.set(
        "vision_model.embeddings.patch_embedding.weight",
        f32([clip.vision, 3, clip.patch, clip.patch], channelsFirst(data, shape)),
      );
    else if (name.endsWith(".projection")) file.set(names[name]!, matrix(shape[0]!, shape[1]!, data));
    else if (!tower) {
      const found = names[name] ?? `${names[name.replace(/\.\w+$/, "")]}.${name.split(".").at(-1)}`;
      file.set(found, f32(shape, data));
    } else {
      const layerName = `${tower}_model.encoder.layers.${layer}`;
      const width = shape.at(-1)!;
      if (part === "qkv") {
        ["q", "k", "v"].forEach((letter, i) => {
          const own = columns(data, width, i, 3);
          file.set(
            `${layerName}.self_attn.${letter}_proj.${kind}`,
            kind === "bias" ? f32([width / 3], own) : matrix(shape[0]!, width / 3, own),
          );
        });
      } else {
        const stored = shape.length === 2 ? matrix(shape[0]!, width, data) : f32(shape, data);
        file.set(`${layerName}.${names[part!]}.${kind}`, stored);
      }
    }
  }
  return file;
}

const openAiMap: WeightMap = {
  ignore: [/^(input_resolution|context_length|vocab_size)$/],
  rename: [
    ["logit_scale", "scale"],
    ["token_embedding.weight", "text.tokens"],
    ["text_projection", "text.projection"],
    ["positional_embedding", "text.positions"],
    [/^ln_final/, "text.after"],
    [/^transformer/, "text"],
    [/^visual\.(transformer)?/, "vision."],
    [/^vision\.\./, "vision."],
    ["vision.conv1.weight", "vision.patch"],
    ["vision.class_embedding", "vision.class"],
    ["vision.positional_embedding", "vision.positions"],
    ["vision.proj", "vision.projection"],
    [/ln_pre/, "before"],
    [/ln_post/, "after"],
    [/resblocks\./, "block"],
    [/ln_(\d)/, "norm$1"],
    [/attn\.in_proj_/, "qkv."],
    [/attn\.out_proj/, "out"],
    [/mlp\.c_fc/, "up"],
    [/mlp\.c_proj/, "down"],
  ],
  axes: [
    [/block\d+\.(qkv|out|up|down)\.weight$/, transposed],
    [/^vision\.patch$/, oihwToHwio],
  ],
};

const huggingFaceMap: WeightMap = {
  ignore: [/position_ids$/],
  rename: [
    ["logit_scale", "scale"],
    ["text_projection.weight", "text.projection"],
    ["visual_projection.weight", "vision.projection"],
    [/_model\.(embeddings\.|encoder\.)?/, "."],
    ["text.token_embedding.weight", "text.tokens"],
    ["vision.patch_embedding.weight", "vision.patch"],
    ["vision.class_embedding", "vision.class"],
    [/position_embedding\.weight$/, "positions"],
    [/pre_layrnorm/, "before"],
    [/post_layernorm|final_layer_norm/, "after"],
    [/layers\./, "block"],
    [/layer_norm/, "norm"],
    [/self_attn\.out_proj/, "out"],
    [/mlp\.fc1/, "up"],
    [/mlp\.fc2/, "down"],
  ],
  join: [[/^(.*)\.qkv\.(\w+)$/, ["q", "k", "v"].map((letter) => `$1.self_attn.${letter}_proj.$2`)]],
  axes: [
    [/(_proj|block\d+\.(out|up|down))\.weight$/, transposed],
    [/\.projection$/, transposed],
    [/^vision\.patch$/, oihwToHwio],
  ],
};

t.test("CLIP by OpenAI's names and by Hugging Face's is one model", async (t) => {
  const shapes = clipShapes();
  const values = valuesOf(shapes);
  const module = moduleOf(shapes);
  const openAiFile = openAi(shapes, values);
  t.ok(openAiFile.has("visual.transformer.resblocks.1.attn.in_proj_weight"), "as it is named there");
  checkSame(t, mapWeights(openAiFile, openAiMap, module, "ViT-B-32.pt"), shapes, values);
  const other = huggingFace(shapes, values);
  t.ok(other.has("text_model.encoder.layers.1.self_attn.q_proj.weight"), "as it is named there");
  checkSame(t, mapWeights(other, huggingFaceMap, module, "model.safetensors"), shapes, values);
});

t.test("a packed tensor becomes three parameters, without a copy", async (t) => {
  const [width, rows] = [4, 6];
  const data = random(1, rows * width);
  const file: File = new Map([
    ["a.in_proj_weight", f32([rows, width], data)],
    ["a.in_proj_bias", f32([rows], data.slice(0, rows))],
  ]);
  const names = ["q", "k", "v"].map((letter) => `$1.${letter}.$2`);
  const split: WeightMap["split"] = [[/^(.*)\.in_proj_(\w+)$/, names]];
  const shapes = {
    "a.q.weight": [2, 4],
    "a.k.weight": [2, 4],
    "a.v.weight": [2, 4],
    "a.q.bias": [2],
    "a.k.bias": [2],
    "a.v.bias": [2],
  };
  const mapped = mapWeights(file, { split }, moduleOf(shapes), "f");
  t.same(mapped.get("a.k.weight")!.data, data.slice(8, 16));
  t.equal(mapped.get("a.k.weight")!.data.buffer, data.buffer, "it lies in the file's memory");
  t.same(mapped.get("a.v.bias")!.data, data.slice(4, 6));
  t.equal(mapped.get("a.x"), undefined);
  const axes: WeightMap["axes"] = [[/weight$/, transposed]];
  const flat = { ...shapes, "a.q.weight": [4, 2], "a.k.weight": [4, 2], "a.v.weight": [4, 2] };
  t.same(
    mapWeights(file, { split, axes }, moduleOf(flat), "f").get("a.k.weight")!.data,
    turned(data.slice(8, 16), 2, 4),
    "each is transposed by itself",
  );
});

// ---------------------------------------------------------------- VQGAN

const attentions = ["encoder.down.1.attn.0", "encoder.mid.attn_1"];

/** The blocks of an encoder with two levels: names and shapes as taming-transformers writes them. */
function vqganFile(): File {
  const file: File = new Map();
  let seed = 1;
  const put = (name: string, shape: readonly number[]) =>
    file.set(name, f32(shape, random(seed++, size(shape))));
  const norm = (name: string, channels: number) => {
    put(`${name}.weight`, [channels]);
    put(`${name}.bias`, [channels]);
  };
  const conv = (name: string, inputs: number, outputs: number, kernel: number) => {
    put(`${name}.weight`, [outputs, inputs, kernel, kernel]);
    put(`${name}.bias`, [outputs]);
  };
  const block = (name: string, inputs: number, outputs: number) => {
    norm(`${name}.norm1`, inputs);
    conv(`${name}.conv1`, inputs, outputs, 3);
    norm(`${name}.norm2`, outputs);
    conv(`${name}.conv2`, outputs, outputs, 3);
    if (inputs !== outputs) conv(`${name}.nin_shortcut`, inputs, outputs, 1);
  };
  conv("encoder.conv_in", 3, 4, 3);
  block("encoder.down.0.block.0", 4, 4);
  conv("encoder.down.0.downsample.conv", 4, 4, 3);
  block("encoder.down.1.block.0", 4, 6);
  for (const attention of attentions) {
    norm(`${attention}.norm`, 6);
    for (const letter of ["q", "k", "v", "proj_out"]) conv(`${attention}.${letter}`, 6, 6, 1);
  }
  norm("encoder.norm_out", 6);
  conv("encoder.conv_out", 6, 5, 3);
  conv("quant_conv", 5, 2, 1);
  put("quantize.embedding.weight", [9, 2]);
  conv("loss.perceptual_loss.net.slice1.0", 3, 4, 3);
  file.set("loss.discriminator.main.3.num_batches_tracked", {
    dtype: "I64",
    shape: [],
    data: BigInt64Array.of(7n),
  });
  return file;
}

const vqganMap: WeightMap = {
  ignore: [/^loss\./],
  rename: [
    ["quantize.embedding.weight", "codebook"],
    [/nin_shortcut/, "shortcut"],
  ],
  join: [[/^(.*\.attn[._]\d+)\.qkv\.(\w+)$/, ["$1.q.$2", "$1.k.$2", "$1.v.$2"]]],
  axes: [
    [/(conv\w*|shortcut|conv_in|conv_out|attn[._]\d+\.(q|k|v|proj_out)|quant_conv)\.weight$/, oihwToHwio],
  ],
};

t.test("VQGAN: convolutions, 1×1 ones as matrices, q, k and v side by side", async (t) => {
  const file = vqganFile();
  // The model: what the file has, in this engine's layout.
  const shapes: Shapes = {};
  const values = new Map<string, Float32Array>();
  for (const [name, { shape, data }] of file) {
    if (name.startsWith("loss.") || /attn[._]\d\.[qkv]\./.test(name)) continue;
    const own = name === "quantize.embedding.weight" ? "codebook" : name.replace("nin_shortcut", "shortcut");
    const [outputs, inputs, height, width] = shape;
    shapes[own] =
      shape.length < 4 ? shape : height === 1 ? [inputs!, outputs!] : [height!, width!, inputs!, outputs!];
    const source = data as Float32Array;
    values.set(
      own,
      shape.length < 4
        ? source
        : Float32Array.from({ length: source.length }, (_, n) => {
            const o = n % outputs!;
            const i = Math.floor(n / outputs!) % inputs!;
            const pixel = Math.floor(n / outputs! / inputs!);
            return source[(o * inputs! + i) * height! * width! + pixel]!;
          }),
    );
  }
  for (const attention of attentions) {
    shapes[`${attention}.qkv.weight`] = [6, 18];
    shapes[`${attention}.qkv.bias`] = [18];
    for (const kind of ["weight", "bias"]) {
      const parts = ["q", "k", "v"].map(
        (letter) => file.get(`${attention}.${letter}.${kind}`)!.data as Float32Array,
      );
      values.set(
        `${attention}.qkv.${kind}`,
        Float32Array.from({ length: kind === "weight" ? 108 : 18 }, (_, n) => {
          const [row, column] = [Math.floor(n / 18), n % 18];
          return parts[Math.floor(column / 6)]![kind === "weight" ? (column % 6) * 6 + row : column % 6]!;
        }),
      );
    }
  }
  checkSame(t, mapWeights(file, vqganMap, moduleOf(shapes), "vqgan.safetensors"), shapes, values);
});

// ---------------------------------------------------------------- element types, mistakes

t.test("element types stay; halves beside float32 are widened", async (t) => {
  const [a, b] = [random(1, 6), random(2, 6)].map((values) => float16ToFloat32(float32ToFloat16(values)));
  const half = (data: Float32Array): StoredTensor => ({
    dtype: "F16",
    shape: [2, 3],
    data: float32ToFloat16(data),
  });
  const map: WeightMap = { join: [[/^ab$/, ["a", "b"]]], axes: [[/^c$/, transposed]] };
  const module = moduleOf({ ab: [2, 6], c: [3, 2] });
  const both: File = new Map([
    ["a", half(a!)],
    ["b", half(b!)],
    ["c", half(a!)],
  ]);
  const halves = mapWeights(both, map, module, "f");
  t.equal(halves.get("ab")!.dtype, "F16");
  const rows = [0, 3].flatMap((row) => [a!, b!].flatMap((matrix) => [...matrix.slice(row, row + 3)]));
  t.same(halves.get("ab")!.data, float32ToFloat16(Float32Array.from(rows)), "side by side, row by row");
  t.same(halves.get("c")!.data, float32ToFloat16(turned(a!, 2, 3)), "turned as halves");
  const mixed = mapWeights(new Map([...both, ["b", f32([2, 3], b!)]]), map, module, "f").get("ab")!;
  t.equal(mixed.dtype, "F32");
  t.same(mixed.data, float16ToFloat32(halves.get("ab")!.data as Uint16Array));
});

t.test("one sentence says all that does not fit", async (t) => {
  const values = f32([2, 3], new Float32Array(6));
  const file: File = new Map([
    ["first.wieght", values],
    ["second.weight", values],
    ["third.weight", { dtype: "U32", shape: [2, 3], data: new Uint32Array(6) }],
    ["a\u001bb", values],
  ]);
  const module = moduleOf({
    "first.weight": [2, 3],
    "second.weight": [3, 2],
    "third.weight": [2, 3],
    other: [1],
  });
  t.throws(() => mapWeights(file, {}, module, "model.safetensors"), {
    name: "UserError",
    message:
      "model.safetensors has no first.weight (did you mean first.wieght?), other; it has the unknown first.wieght [2, 3], a\\u001bb [2, 3]; it cannot fill second.weight [3, 2] by F32 [2, 3] of second.weight, third.weight [2, 3] by U32 [2, 3] of third.weight",
  });
  const many = moduleOf(Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`layer${i}.scale`, [1]])));
  t.throws(() => mapWeights(new Map(), {}, many, "f"), {
    message: "f has no layer0.scale, layer1.scale, layer2.scale and 5 more",
  });
  const one = new Map([["w", values]]);
  t.throws(
    () =>
      mapWeights(new Map([...one, ["v", values]]), { rename: [["v", "w"]] }, moduleOf({ w: [2, 3] }), "f"),
    {
      message: "f: v [2, 3] and w both become w",
    },
  );
  t.throws(() => mapWeights(one, { split: [[/w/, ["a", "b", "c"]]] }, moduleOf({}), "f"), {
    message: "f: w [2, 3] cannot be divided into 3 parts: a, b, c",
  });
  for (const order of [
    [2, 3, 1, 0],
    [0, 0],
  ]) {
    t.throws(() => mapWeights(one, { axes: [[/w/, order]] }, moduleOf({}), "f"), {
      message: `f: w [2, 3] has other axes than [${order.join(", ")}], from which w is made`,
    });
  }
  t.throws(
    () =>
      mapWeights(
        new Map([...one, ["u", f32([3, 2], new Float32Array(6))]]),
        { join: [[/^wu$/, ["w", "u"]]] },
        moduleOf({ wu: [2, 5] }),
        "f",
      ),
    {
      message: "f cannot fill wu [2, 5] by F32 [2, 3] beside F32 [3, 2] of w",
    },
  );
});

t.test("patterns with the flag g match every name", async (t) => {
  const values = f32([1], new Float32Array(1));
  const file: File = new Map(["loss.a", "loss.b", "loss.c", "w"].map((name) => [name, values]));
  const mapped = mapWeights(file, { ignore: [/^loss/g] }, moduleOf({ w: [1] }), "f");
  t.equal(mapped.get("w")!.data.buffer, values.data.buffer);
});
