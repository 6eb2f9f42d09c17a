/** Sizes of a VQGAN from the names and shapes of its tensors, its configuration, and maps of codes. */

import { readFileSync } from "node:fs";
import t from "tap";
import type { StoredTensor } from "../../../dist/engine/weights/safetensors.js";
import { shapeFromWeights, tensorsOfVqgan } from "../../../dist/models/vqgan/checkpoint.js";
import { checkCodeMap, codeMapOf, codesOfIds, idCount } from "../../../dist/models/vqgan/code-map.js";
import { compareConfig, findConfig } from "../../../dist/models/vqgan/config-file.js";
import { vqganKind } from "../../../dist/models/vqgan/kind.js";
import { settingsOfShape, shapeOfSettings } from "../../../dist/models/vqgan/settings.js";
import { parseYamlRecord } from "../../../dist/platform/yaml.js";
import { checkpoint, type Kind, vectorPath } from "./support.js";

const shapes = {
  nn: {
    channels: 32,
    multipliers: [1, 2, 2],
    resBlocks: 2,
    attention: [1],
    middleAttention: true,
    resampleConvolution: true,
    zChannels: 12,
    embedDim: 6,
    codes: 64,
    quantizer: "nearest",
    ids: 0,
  },
  gumbel: {
    channels: 32,
    multipliers: [1, 1, 2],
    resBlocks: 2,
    attention: [2],
    middleAttention: true,
    resampleConvolution: true,
    zChannels: 16,
    embedDim: 16,
    codes: 64,
    quantizer: "gumbel",
    ids: 0,
  },
} as const;

const configOf = (kind: Kind) => {
  const path = vectorPath(kind, "config.yaml");
  return findConfig(parseYamlRecord(readFileSync(path, "utf8"), "config.yaml"))!;
};

for (const kind of ["nn", "gumbel"] as const) {
  t.test(`${kind}: sizes from names and shapes`, async (t) => {
    const weights = await checkpoint(kind);
    const shape = shapeFromWeights(weights, kind);
    t.same(shape, shapes[kind], "all of them");
    t.same(compareConfig(configOf(kind), shape, { config: "c.yaml", weights: "w" }), [], "as the YAML says");
    t.equal(configOf(kind).resolution, 32, "the YAML has the resolution");
    const settings = settingsOfShape(shape);
    t.same(shapeOfSettings({ folder: "", sha256: "", codeMap: "", ...settings }), shape, "settings and back");
  });
}

t.test("a VQGAN within a larger model, with the remains of its training", async (t) => {
  const weights = await checkpoint("nn");
  const scalar: StoredTensor = { dtype: "F32", shape: [1], data: new Float32Array(1) };
  const larger = new Map<string, StoredTensor>();
  for (const [name, tensor] of weights) larger.set(`first_stage_model.${name}`, tensor);
  larger.set("first_stage_model.loss.logvar", scalar);
  larger.set("first_stage_model.quantize.embedding.cluster_size", scalar);
  larger.set("model.diffusion_model.out.weight", scalar);
  t.same([...tensorsOfVqgan(larger).keys()], [...weights.keys()], "its tensors alone");
  t.same(shapeFromWeights(larger, "larger"), shapes.nn, "and its sizes");
});

t.test("variants of the public implementation", async (t) => {
  const weights = await checkpoint("nn");
  const without = (pattern: RegExp) => new Map([...weights].filter(([name]) => !pattern.test(name)));
  t.match(
    shapeFromWeights(without(/\.attn\.\d/), "w"),
    { attention: [], middleAttention: true },
    "no attention",
  );
  t.match(shapeFromWeights(without(/\.attn_1\./), "w"), { middleAttention: false }, "none in the middle");
  t.match(
    shapeFromWeights(without(/\.(down|up)sample\./), "w"),
    { resampleConvolution: false },
    "resampling without convolutions",
  );
});

t.test("files of other models", async (t) => {
  const weights = await checkpoint("nn");
  const changed = (name: string, shape: number[] | null) => {
    const copy = new Map(weights);
    if (shape) copy.set(name, { dtype: "F32", shape, data: new Float32Array(0) });
    else copy.delete(name);
    return () => shapeFromWeights(copy, "x.ckpt");
  };
  const says = (action: () => unknown, message: string) =>
    t.throws(action, { message: `x.ckpt is not a VQGAN that can be imported: ${message}` }, message);
  says(() => shapeFromWeights(new Map(), "x.ckpt"), "it has no encoder.conv_in.weight");
  says(changed("decoder.conv_in.weight", null), "it has no decoder.conv_in.weight");
  says(changed("encoder.conv_in.weight", [32, 1, 3, 3]), "its pictures do not have 3 channels");
  says(
    changed("encoder.conv_out.weight", [24, 64, 3, 3]),
    "its encoder gives 24 channels and its decoder takes 12 (double_z: an autoencoder without codes)",
  );
  says(
    changed("quantize.embedding.weight", null),
    "it should have either quantize.embedding.weight (nearest neighbour) or quantize.proj.weight and quantize.embed.weight (Gumbel)",
  );
  says(
    changed("encoder.down.1.block.0.conv1.weight", [48, 32, 3, 3]),
    "level 1 has 48 channels, not a multiple of 32",
  );
});

t.test("a configuration that does not fit", async (t) => {
  const config = configOf("nn");
  const names = { config: "c.yaml", weights: "w.ckpt" };
  t.throws(
    () => compareConfig({ ...config, entries: { ...config.entries, ch: 128 } }, shapes.nn, names),
    { message: "c.yaml says ch: 128, and w.ckpt has 32: it describes another checkpoint" },
    "another size",
  );
  t.same(
    compareConfig({ ...config, entries: { ...config.entries, attn_resolutions: [8] } }, shapes.nn, names),
    ["c.yaml puts attention at levels 2, w.ckpt has it at levels 1: the weights count"],
    "another attention",
  );
  t.equal(findConfig({ model: { params: { ckpt_path: "x" } } }), null, "no ddconfig");
  t.same(findConfig({ ddconfig: { ch: 32 } })?.resolution, null, "a ddconfig alone");
  t.throws(() => parseYamlRecord("a: [1", "c.yaml"), { message: /^c.yaml is not valid YAML: / }, "no YAML");
  t.throws(
    () => parseYamlRecord("- 1", "c.yaml"),
    { message: /^c.yaml should hold a YAML mapping/ },
    "a list",
  );
});

t.test("settings that no VQGAN has", async (t) => {
  const vqgan = { folder: "", sha256: "", codeMap: "", ...settingsOfShape(shapes.gumbel) };
  const check = (changes: object, imageSize = 32) =>
    vqganKind.check!({ data: { imageSize }, vqgan: { ...vqgan, ...changes } });
  t.equal(check({}), null, "right ones");
  t.match(check({ multipliers: "1,,2" }), /^vqgan.multipliers should be 1 to 12 whole numbers/);
  t.match(check({ attention: "3" }), /^vqgan.attention should be numbers of levels from 0 to 2/);
  t.match(check({ channels: 40 }), /^vqgan.channels=40 should be a multiple of 32/);
  t.match(check({ zChannels: 8 }), /^vqgan.zChannels=8 should be vqgan.embedDim=16/);
  t.match(check({}, 30), /^data.imageSize=30 should be a multiple of 4/);
});

t.test("maps of codes to ids", async (t) => {
  const map = codeMapOf([5, 2, 5, 7], 9);
  t.same(map, [0, 0, 1, 0, 0, 2, 0, 3, 0], "codes in use have ids 1 … n in order");
  t.equal(idCount(map), 4, "K counts the id 0 of all others");
  t.same(codesOfIds(map), [0, 2, 5, 7], "id 0 is the first code without use");
  t.same(codesOfIds(codeMapOf([0, 1], 3)), [2, 0, 1], "whichever that is");
  t.same(codesOfIds(codeMapOf([0, 1], 2)), [0, 0, 1], "code 0 where all are in use");
  t.same(checkCodeMap(BigInt64Array.of(0n, 1n, 2n), 3, "m.pt"), [0, 1, 2], "64-bit integers");
  const says = (values: number[], message: string) =>
    t.throws(
      () => checkCodeMap(values, 3, "m.pt"),
      { message: `m.pt is not a map of codes to ids: ${message}` },
      message,
    );
  says([0, 1], "it has 2 entries, and the codebook 3 codes");
  says([0, -1, 1], "the id of code 1 is -1, not a whole number from 0 to 3");
  says([0, 0, 9], "the id of code 2 is 9, not a whole number from 0 to 3");
  says([0, 3, 1], "no code has id 2");
  says([0, 0, 0], "all codes have id 0");
});
