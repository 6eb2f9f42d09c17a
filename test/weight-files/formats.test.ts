/** Weight files as PyTorch and safetensors wrote them (`data/`): every tensor to the bit. */

import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import t from "tap";
import { encodeSafetensors } from "../../dist/engine/weights/safetensors.js";
import { runPickle } from "../../dist/io/pickle/opcodes.js";
import { PickleClass, PickleObject } from "../../dist/io/pickle/values.js";
import { nodeDisk } from "../../dist/platform/node-disk.js";
import { openZip } from "../../dist/platform/node-zip.js";
import { openWeightFile } from "../../dist/weight-files/node.js";
import { storageOf, TorchTensor, torchClasses } from "../../dist/weight-files/torch-classes.js";
import { loadTensors, type WeightFile } from "../../dist/weight-files/weight-file.js";
import { Call, floats, Global, type Picklable, Raw, Tuple, tensorOf, torchZip } from "./build.js";

const data = new URL("../../test/weight-files/data/", import.meta.url);
const pathOf = (name: string) => new URL(name, data).pathname;

interface Expected {
  dtype: string;
  shape: number[];
  littleEndianHex: string;
}
const expected = JSON.parse(gunzipSync(readFileSync(new URL("expected.json.gz", data))).toString()) as {
  dtypes: Record<string, Expected>;
  views: Record<string, Expected>;
  lightning: { state_dict: Record<string, Expected> };
  objects: { tensors: Record<string, Expected>; plain: Record<string, unknown> };
};

const hex = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");

/** What a file holds, as `expected.json` states it. */
async function contentOf(file: WeightFile): Promise<Record<string, Expected>> {
  const content: [string, Expected][] = [];
  for (const [name, { dtype, shape, bytes, ...tensor }] of file.tensors) {
    const read = await file.tensors.get(name)!.readBytes();
    if (read.length !== bytes || tensor.name !== name) throw new Error(`${name} has ${read.length} bytes`);
    content.push([name, { dtype, shape: [...shape], littleEndianHex: hex(read) }]);
  }
  return Object.fromEntries(content);
}

const stated = (tensors: Record<string, Expected>): Record<string, Expected> =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape, littleEndianHex }]) => [
      name,
      { dtype, shape, littleEndianHex },
    ]),
  );

for (const [name, kind, tensors] of [
  ["dtypes.zip.pt", "PyTorch zip", expected.dtypes],
  ["dtypes.zip2.pt", "PyTorch zip", expected.dtypes],
  ["dtypes.legacy.pt", "PyTorch legacy", expected.dtypes],
  ["views.zip.pt", "PyTorch zip", expected.views],
  ["views.zip2.pt", "PyTorch zip", expected.views],
  ["views.legacy.pt", "PyTorch legacy", expected.views],
  ["lightning.ckpt", "PyTorch zip", expected.lightning.state_dict],
  ["objects.zip.pt", "PyTorch zip", expected.objects.tensors],
  ["objects.legacy.pt", "PyTorch legacy", expected.objects.tensors],
] as const) {
  t.test(name, async (t) => {
    const file = await openWeightFile(pathOf(name));
    t.equal(file.kind, kind);
    t.same(file.files, [pathOf(name)]);
    t.strictSame(await contentOf(file), stated(tensors));
    await file.close();
  });
}

t.test("dtypes.safetensors", async (t) => {
  const file = await openWeightFile(pathOf("dtypes.safetensors"));
  t.equal(file.kind, "safetensors");
  const { scalar, empty, ...others } = await contentOf(file);
  t.strictSame(others, stated(expected.dtypes));
  t.same(scalar, { dtype: "F32", shape: [], littleEndianHex: hex(floats(-1.5)) });
  t.same(empty, { dtype: "F32", shape: [0, 3], littleEndianHex: "" });
  t.same(file.metadata, { format: "pt", note: "ä" });
  await file.close();
});

t.test("the values as numbers, and as the engine takes them", async (t) => {
  const file = await openWeightFile(pathOf("dtypes.zip.pt"));
  const get = (name: string) => file.tensors.get(name)!;
  t.same(
    await get("int64").read(),
    new BigInt64Array([0n, -1n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n, 870934065964n]),
  );
  t.same(await get("int16").read(), new Int16Array([0, -1, 32767, -32768, 1234]));
  t.same(await get("bool").read(), new Uint8Array([1, 0, 1, 1, 0]));
  t.same((await get("float64").read())[4], Math.PI);
  t.same((await get("float64").readFloat32())[4], Math.fround(Math.PI));
  const halves = await get("float16").readFloat32();
  t.same([...halves.slice(8, 14)], [Infinity, -Infinity, Number.NaN, 65504, 2 ** -14, 2 ** -24]);
  t.same([...(await get("bfloat16").readFloat32()).slice(1, 4)], [-0, 1, -1.0078125]);
  t.same(await get("int8").readFloat32(), new Float32Array([0, -1, 127, -128, 5]));

  const loaded = await loadTensors(file, ["float16", "bfloat16", "float64", "int16", "int64", "none"]);
  t.same(
    [...loaded].map(([name, { dtype, data }]) => [name, dtype, data.constructor.name]),
    [
      ["float16", "F16", "Uint16Array"],
      ["bfloat16", "F32", "Float32Array"],
      ["float64", "F32", "Float32Array"],
      ["int16", "I32", "Int32Array"],
      ["int64", "I64", "BigInt64Array"],
    ],
  );
  t.equal(loaded.get("float16")!.data[11], 0x7bff, "float16 as its bits");
  t.equal((await loadTensors(file)).size, file.tensors.size);
  await file.close();
});

t.test("types of newer versions", async (t) => {
  const file = await openWeightFile(pathOf("dtypes-new.zip2.pt"));
  const values = [...file.tensors.values()].map(async ({ name, dtype }) => [
    name,
    dtype,
    [...(await file.tensors.get(name)!.read())],
  ]);
  t.same(await Promise.all(values), [
    ["float32", "F32", [1.5, -2]],
    ["uint16", "U16", [0, 1, 65535]],
    ["uint32", "U32", [0, 4294967295]],
    ["float8_e4m3fn", "F8_E4M3", [1, -2, 448]],
  ]);
  await file.close();
});

t.test("beside the weights of a training checkpoint", async (t) => {
  const file = await openWeightFile(pathOf("lightning.ckpt"));
  t.match(file.metadata, { epoch: "7", global_step: "250001", "pytorch-lightning_version": "1.0.8" });
  t.same(file.beside, ["callbacks", "optimizer_states", "lr_schedulers", "hyper_parameters"]);
  await file.close();
});

t.test("a whole module: its parameters and buffers by the names of its state dict", async (t) => {
  const file = await openWeightFile(pathOf("whole-module.pt"));
  t.same(
    [...file.tensors.values()].map(({ name, shape }) => [name, shape]),
    [
      ["0.weight", [3, 2]],
      ["0.bias", [3]],
    ],
  );
  await file.close();
});

t.test("TorchScript: modules as objects, names as paths", async (t) => {
  const type = new Global("__torch__.clip", "Model");
  const inner = new Call(
    new Global("__torch__.torch.nn", "Linear"),
    [],
    new Map<Picklable, Picklable>([
      ["weight", tensorOf("1", 2, 0, [2], [1], "HalfStorage")],
      ["training", false],
      ["_is_full_backward_hook", null],
    ]),
  );
  const root = new Call(
    type,
    [],
    new Map<Picklable, Picklable>([
      ["logit_scale", tensorOf("0", 1, 0, [], [])],
      ["visual", inner],
    ]),
  );
  const path = `${t.testdir()}/model.pt`;
  const halves = new Uint8Array(new Uint16Array([0x3c00, 0xc000]).buffer);
  await writeFile(
    path,
    torchZip(root, { 0: floats(4.6), 1: halves }, [
      { name: "archive/constants.pkl", data: Buffer.from("\x80\x02).", "latin1") },
      { name: "archive/code/__torch__/clip.py", data: Buffer.from("class Model: pass") },
    ]),
  );
  const file = await openWeightFile(path);
  t.equal(file.kind, "TorchScript");
  const values = await Promise.all(
    [...file.tensors.values()].map(async (tensor) => [tensor.name, tensor.dtype, [...(await tensor.read())]]),
  );
  t.same(values, [
    ["logit_scale", "F32", [Math.fround(4.6)]],
    ["visual.weight", "F16", [1, -2]],
  ]);
  await file.close();
});

t.test("a bare tensor, buffers that are not kept", async (t) => {
  const folder = t.testdir();
  await writeFile(`${folder}/bare.pt`, torchZip(tensorOf("0", 3, 1, [2], [1]), { 0: floats(1, 2, 3) }));
  const bare = await openWeightFile(`${folder}/bare.pt`);
  t.same(await bare.tensors.get("tensor")!.read(), floatsOf(2, 3));
  await bare.close();

  const state = new Map<Picklable, Picklable>([
    [
      "_parameters",
      new Map<Picklable, Picklable>([
        ["w", tensorOf("0", 1, 0, [1], [1])],
        ["none", null],
      ]),
    ],
    [
      "_buffers",
      new Map<Picklable, Picklable>([
        ["kept", tensorOf("1", 1, 0, [1], [1])],
        ["lost", tensorOf("1", 1, 0, [1], [1])],
      ]),
    ],
    ["_non_persistent_buffers_set", new Call(new Global("__builtin__", "set"), [["lost"]])],
    ["_modules", new Map<Picklable, Picklable>()],
  ]);
  await writeFile(
    `${folder}/module.pt`,
    torchZip(new Call(new Global("my", "Net"), [], state), { 0: floats(1), 1: floats(2) }),
  );
  const module = await openWeightFile(`${folder}/module.pt`);
  t.same([...module.tensors.keys()], ["w", "kept"]);
  await module.close();
});
const floatsOf = (...values: number[]) => Float32Array.from(values);

t.test("a tensor with attributes, complex numbers", async (t) => {
  const path = `${t.testdir()}/x.pt`;
  const plain = tensorOf("0", 2, 0, [2], [1]);
  const attributed = new Call(new Global("torch._tensor", "_rebuild_from_type_v2"), [
    plain.type,
    new Global("torch.nn.parameter", "Parameter"),
    new Tuple(plain.args),
    new Map(),
  ]);
  const complex = tensorOf("0", 1, 0, [1], [1], "ComplexFloatStorage");
  const root = new Map<Picklable, Picklable>([
    ["a", attributed],
    ["c", complex],
  ]);
  await writeFile(path, torchZip(root, { 0: floats(5, 6) }));
  const file = await openWeightFile(path);
  t.same(await file.tensors.get("a")!.read(), floatsOf(5, 6));
  t.same(await file.tensors.get("c")!.read(), floatsOf(5, 6), "real and imaginary part");
  await t.rejects(file.tensors.get("c")!.load(), { name: "UserError", message: /"c" holds complex numbers/ });
  await file.close();
});

t.test("plain values beside tensors", async (t) => {
  const file = await nodeDisk.open(pathOf("objects.zip.pt"));
  const entry = [...(await openZip(file, "x")).values()].find(({ name }) => name.endsWith("/data.pkl"))!;
  const bytes = new Uint8Array(entry.bytes);
  await entry.read(bytes, 0);
  await file.close();
  const { value } = runPickle(bytes, { classes: torchClasses, persistent: storageOf });
  const root = value as Map<string, unknown>;
  const { plain } = expected.objects;
  const comparable = (item: unknown): unknown => {
    if (typeof item === "bigint") return { integer: String(item) };
    if (typeof item === "number" && !Number.isFinite(item))
      return String(item).replace("Infinity", "inf").toLowerCase();
    if (Array.isArray(item)) return item.map(comparable);
    if (item instanceof Map)
      return Object.fromEntries([...item].map(([key, inner]) => [key, comparable(inner)]));
    return item;
  };
  for (const [key, wanted] of Object.entries(plain)) {
    const found = root.get(key);
    t.ok(found !== undefined, `${key} is there`);
    t.same(comparable(found), wanted, key);
  }
  const [first, second] = root.get("sameListTwice") as unknown[];
  t.equal(first, second, "one list twice");
  t.same(root.get("bytes"), Buffer.from([0, 255]));
  t.same([root.get("set"), root.get("frozenset")], [new Set([3]), new Set([4])]);
  t.same(
    [root.get("defaultDict"), root.get("counter")],
    [new Map([["k", 5]]), new Map(Object.entries({ a: 2, b: 1 }))],
  );
  t.same(root.get("size"), [2, 3]);
  const named = (item: unknown) =>
    item instanceof PickleObject ? item.type.fullName : item instanceof PickleClass ? item.fullName : "";
  t.equal(named(root.get("dtype")), "torch.float16", "a type is named");
  t.equal(named(root.get("device")), "torch.device");
  t.equal(named(root.get("namespace")), "argparse.Namespace", "an unknown class is opaque");
  t.same((root.get("namespace") as PickleObject).state, new Map(Object.entries({ lr: 0.1, name: "run" })));
  t.match(named(root.get("numpyArray")), /^numpy\./);
  const inner = ((root.get("weights") as Map<string, unknown>).get("inner") as unknown[])[0];
  t.ok(inner instanceof TorchTensor);
});

t.test("shards by an index, and a folder", async (t) => {
  const folder = t.testdir();
  const write = (name: string, tensors: Record<string, number[]>) =>
    writeFile(
      `${folder}/${name}`,
      encodeSafetensors(
        new Map(
          Object.entries(tensors).map(([key, values]) => [
            key,
            { dtype: "F32", shape: [values.length], data: floatsOf(...values) },
          ]),
        ),
      ),
    );
  const index = (map: unknown) =>
    writeFile(
      `${folder}/model.safetensors.index.json`,
      JSON.stringify({ metadata: { total_size: 12 }, weight_map: map }),
    );
  await write("model-1.safetensors", { a: [1, 2], unused: [9] });
  await write("model-2.safetensors", { b: [3] });
  await index({ b: "model-2.safetensors", a: "model-1.safetensors" });
  for (const path of [folder, `${folder}/`, `${folder}/model.safetensors.index.json`]) {
    const file = await openWeightFile(path);
    t.equal(file.kind, "safetensors");
    t.equal(file.files.length, 2);
    t.same([...file.tensors.keys()], ["b", "a"]);
    t.same(await file.tensors.get("a")!.read(), floatsOf(1, 2));
    await file.close();
    await t.rejects(file.tensors.get("a")!.read(), { name: "UserError" }, "closed");
  }
  for (const [map, message] of [
    [{ a: "../model-1.safetensors" }, /tensor "a" should name a file beside the index, not "\.\.\/model-1/],
    [{ a: "model.safetensors.index.json" }, /should name a file beside the index/],
    [{ a: 1 }, /should name a file beside the index, not 1/],
    [{ a: "model-2.safetensors" }, /model-2\.safetensors has no tensor "a", which .*index\.json expects/],
    [{ a: "model-9.safetensors" }, /Cannot read .*model-9\.safetensors: it does not exist/],
    [{}, /should have a "weight_map"/],
    [[], /should have a "weight_map"/],
  ] as const) {
    await index(map);
    await t.rejects(openWeightFile(folder), { name: "UserError", message });
  }
  await mkdir(`${folder}/none`);
  await t.rejects(openWeightFile(`${folder}/none`), {
    name: "UserError",
    message: /has no file of weights \(\.safetensors/,
  });
  await mkdir(`${folder}/two`);
  for (const name of ["a.pt", "b.ckpt"]) await writeFile(`${folder}/two/${name}`, "");
  await t.rejects(openWeightFile(`${folder}/two`), {
    name: "UserError",
    message: /has 2 files of weights: name one of a\.pt, b\.ckpt/,
  });
});

t.test("opcodes that PyTorch does not write are read too", async (t) => {
  // TUPLE1 in place of MARK … TUPLE, and a memo.
  const shape = new Raw(Buffer.from("K\x02\x85q\x07h\x07", "latin1"));
  const root = new Map<Picklable, Picklable>([
    ["x", tensorOf("0", 2, 0, [2], [1])],
    ["list", new Raw(Buffer.concat([Buffer.from("("), shape.bytes, Buffer.from("t")]))],
  ]);
  const path = `${t.testdir()}/x.pt`;
  await writeFile(path, torchZip(root, { 0: floats(5, 6) }));
  const file = await openWeightFile(path);
  t.same(await file.tensors.get("x")!.read(), floatsOf(5, 6));
  await file.close();
});
