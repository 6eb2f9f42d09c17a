/** Damaged, cut and hostile files of weights: one sentence that names the file and the place. */

import { truncate, writeFile } from "node:fs/promises";
import t from "tap";
import { openWeightFile } from "../../dist/weight-files/node.js";
import {
  Call,
  floats,
  Global,
  Persistent,
  type Picklable,
  pickleOf,
  Raw,
  Tuple,
  tensorOf,
  torchLegacy,
  torchZip,
  zipOf,
} from "./build.js";

t.setTimeout(300_000);
const folder = t.testdir();
let files = 0;
async function store(bytes: Uint8Array, ending = "pt"): Promise<string> {
  const path = `${folder}/x${files++}.${ending}`;
  await writeFile(path, bytes);
  return path;
}

/** Opens a file and reads all of it. Returns the tensors, or the message of a `UserError`. */
async function readAll(path: string): Promise<Map<string, number[]> | string> {
  try {
    const file = await openWeightFile(path);
    try {
      const values = new Map<string, number[]>();
      for (const tensor of file.tensors.values()) values.set(tensor.name, [...(await tensor.readFloat32())]);
      return values;
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as Error).name !== "UserError") throw error;
    const { message } = error as Error;
    return message.includes(path) && !message.includes("\n") ? message : `not the file's name: ${message}`;
  }
}

const named = (entries: Record<string, Picklable>) => new Map<Picklable, Picklable>(Object.entries(entries));

t.test("tensors that do not fit their storage", async (t) => {
  const storage = { 0: floats(1, 2, 3, 4, 5, 6) };
  t.same(
    await readAll(await store(torchZip(named({ a: tensorOf("0", 6, 1, [2, 2], [3, 1]) }), storage))),
    new Map([["a", [2, 3, 5, 6]]]),
  );
  const huge = 2n ** 63n - 1n;
  const cases: [Call, RegExp][] = [
    [
      tensorOf("0", 6, 2, [2, 2], [3, 1]),
      /x\d+\.pt: archive\/data\.pkl .*a tensor of storage 0 that reaches to element 6, but the storage has 6/,
    ],
    [tensorOf("0", 6, 6, [1], [1]), /reaches to element 6/],
    [tensorOf("0", 6, -1, [1], [1]), /offset, shape or strides are no whole numbers/],
    [tensorOf("0", 6, 0, [-1], [1]), /no whole numbers/],
    [tensorOf("0", 6, 0, [2], [-1]), /no whole numbers/],
    [tensorOf("0", 6, 0, [1.5], [1]), /no whole numbers/],
    [tensorOf("0", 6, 0, [2, 2], [1]), /shape and strides do not match/],
    [tensorOf("0", 6, 0, [huge], [1]), /no whole numbers/],
    [tensorOf("0", 6, huge, [1], [1]), /no whole numbers/],
    [tensorOf("0", huge, 0, [1], [1]), /storage 0 with a size that is no whole number/],
    [tensorOf("0", 6, 0, [2 ** 30, 2 ** 30], [0, 0]), /more elements than a file can have/],
    [tensorOf("0", 6, 0, [2, 2], [2 ** 52, 2 ** 52]), /reaches to element/],
    [
      tensorOf("0", 6, 0, [2 ** 20, 2 ** 20], [0, 0]),
      /the tensor "a" repeats its elements to 4398046511104 bytes, more than the file/,
    ],
    [
      tensorOf("0", 7, 0, [7], [1]),
      /the tensor "a" ends at byte 28 of the storage 0, which has 24 bytes \(cut short\?\)/,
    ],
    [tensorOf("9", 6, 0, [6], [1]), /the tensor "a" has its values in the storage 9, which the file lacks/],
    [tensorOf("../version", 1, 0, [1], [1]), /the storage \.\.\/version, which the file lacks/],
    [
      tensorOf("0", 6, 0, [6], [1], "QInt8Storage"),
      /a storage of the type torch\.QInt8Storage, which is not read/,
    ],
    [
      tensorOf("0", 6, 0, [6], [1], "constructor"),
      /a storage of the type torch\.constructor, which is not read/,
    ],
    [new Call(new Global("torch._utils", "_rebuild_tensor_v2"), [1, 2]), /a tensor without a storage/],
    [
      new Call(new Global("torch._utils", "_rebuild_sparse_tensor"), []),
      /the tensor "a" is made by torch\._utils\._rebuild_sparse_tensor, which is not read/,
    ],
  ];
  for (const [tensor, message] of cases) {
    t.match(await readAll(await store(torchZip(named({ a: tensor }), storage))), message);
  }
  t.match(
    await readAll(await store(torchZip(new Persistent(["x"]), storage))),
    /reference to something that is no storage/,
  );
});

t.test("archives", async (t) => {
  const root = named({ a: tensorOf("0", 3, 0, [3], [1]) });
  const storage = { name: "archive/data/0", data: floats(1, 2, 3) };
  const pickle = { name: "archive/data.pkl", data: pickleOf(root) };
  t.same(await readAll(await store(zipOf([pickle, storage]))), new Map([["a", [1, 2, 3]]]));
  t.same(
    await readAll(await store(zipOf([pickle, { ...storage, crc: 0 }]))),
    new Map([["a", [1, 2, 3]]]),
    "a CRC that was not computed",
  );
  for (const [entries, message] of [
    [[pickle, { ...storage, crc: 1 }], /x\d+\.pt: the entry archive\/data\/0 is damaged: its CRC-32/],
    [[{ ...pickle, crc: 1 }, storage], /the entry archive\/data\.pkl is damaged/],
    [
      [pickle, { ...storage, deflated: true }],
      /the entry archive\/data\/0 is compressed, which PyTorch does not do/,
    ],
    [
      [{ ...pickle, data: new Uint8Array(5_000_000), crc: 1, deflated: true }],
      /the entry archive\/data\.pkl is compressed/,
    ],
    [[pickle, { ...storage, encrypted: true }], /entry archive\/data\/0 is encrypted|mismatch/],
    [
      [pickle, { ...storage, size: 0xfffffffe }],
      /its entry archive\/data\/0 should have 4294967294 bytes, more than the file/,
    ],
    [[pickle, { ...storage, offset: 1 }], /invalid local file header signature/],
    [[pickle, { ...storage, offset: 0xfffffffe }], /damaged or incomplete zip archive: unexpected EOF/],
    [[pickle, pickle, storage], /it has the entry archive\/data\.pkl twice/],
    [
      [pickle, { ...pickle, name: "other/data.pkl" }],
      /a zip archive with more than one data\.pkl, so it is no file of PyTorch/,
    ],
    [[storage], /a zip archive with no data\.pkl/],
    [[], /a zip archive with no data\.pkl/],
    [[pickle, storage, { name: "../evil", data: new Uint8Array() }], /invalid relative path/],
    [
      [pickle, storage, { name: "archive/byteorder", data: Buffer.from("big") }],
      /the entry archive\/byteorder states the byte order "big"; only "little"/,
    ],
  ] as const) {
    t.match(await readAll(await store(zipOf(entries))), message);
  }
  const cut = zipOf([pickle, storage]);
  for (let length = 0; length < cut.length; length += 7) {
    t.type(await readAll(await store(cut.subarray(0, length))), "string", `cut after ${length} bytes`);
  }
  const large = zipOf([{ ...pickle, data: new Uint8Array(65 * 2 ** 20), crc: 1 }]);
  t.match(
    await readAll(await store(large)),
    /archive\/data\.pkl has 68157440 bytes; at most 67108864 are read/,
  );
});

t.test("objects made to use up memory, the stack or time", async (t) => {
  const open = async (root: Picklable) => readAll(await store(torchZip(root, { 0: floats(1) })));
  const tensor = tensorOf("0", 1, 0, [1], [1]);
  const raw = (text: string) => new Raw(Buffer.from(text, "latin1"));
  t.same(await open(raw("]q\x00h\x00a")), new Map(), "a list that contains itself");
  t.same(await open(raw("}q\x00K\x01h\x00s")), new Map(), "a dict that contains itself");
  let deep: Picklable = tensor;
  for (let i = 0; i < 200; i++) deep = [deep];
  t.match(await open(deep), /is nested more than 100 deep/);
  t.match(await open(raw(`${"]".repeat(50_000)}${"a".repeat(49_999)}`)), /is nested more than 100 deep/);
  t.same(
    await open(raw(`]q\x00${"](h\x00h\x00eq\x00".repeat(60)}`)),
    new Map(),
    "2⁶⁰ lists, each visited once",
  );
  t.match(await open(raw(`${"}".repeat(1_000_001)}`)), /more than 1000000 objects/);
  t.match(await open(named({ a: named({ b: tensor }), "a.b": tensor })), /two tensors of the name "a\.b"/);
  t.match(await open(named({ ["k".repeat(2000)]: tensor })), /a name of more than 1024 characters: kkk/);
  t.same(
    await open(named({ a: new Call(new Global("os", "system"), ["touch /tmp/x"]), t: tensor })),
    new Map([["t", [1]]]),
  );
});

t.test("the format before the zip", async (t) => {
  const root = named({ a: tensorOf("7", 3, 1, [2], [1]) });
  const storages = { 7: floats(1, 2, 3) };
  const whole = torchLegacy(root, storages);
  t.same(await readAll(await store(whole)), new Map([["a", [2, 3]]]));
  const large = torchLegacy(named({ note: "x".repeat(200_000), a: tensorOf("7", 3, 1, [2], [1]) }), storages);
  t.same(
    await readAll(await store(large)),
    new Map([["a", [2, 3]]]),
    "pickles longer than what is read first",
  );
  for (let length = 0; length < whole.length; length += 3) {
    t.type(await readAll(await store(whole.subarray(0, length))), "string", `cut after ${length} bytes`);
  }
  t.match(
    await readAll(await store(torchLegacy(root, storages, { counts: { 7: 2n ** 63n } }))),
    /its storage 7 should have 36893488147419103232 bytes but only 12 follow/,
  );
  t.match(
    await readAll(await store(torchLegacy(root, storages, { counts: { 7: 2n } }))),
    /ends at byte 12 of the storage 7, which has 8 bytes/,
  );
  t.match(
    await readAll(await store(torchLegacy(root, { 7: floats(1, 2, 3), 8: floats(1) }))),
    /lists the storage 8, which its object does not use/,
  );
  t.match(await readAll(await store(torchLegacy(root, {}))), /the storage 7, which the file lacks/);
  t.match(
    await readAll(await store(torchLegacy(root, storages, { little: false }))),
    /not written on a little-endian machine/,
  );
  t.match(await readAll(await store(pickleOf([1, 2]))), /is a pickle, but no file of PyTorch/);
  t.match(
    await readAll(
      await store(
        Buffer.concat([
          pickleOf(0x1950a86a20f9469cfc6cn),
          pickleOf(1002),
          pickleOf(0),
          pickleOf(0),
          pickleOf([]),
        ]),
      ),
    ),
    /has version 1002 of PyTorch's older format/,
  );
  const two = named({ a: tensorOf("7", 3, 0, [3], [1]), b: tensorOf("7", 3, 0, [3], [1], "IntStorage") });
  t.match(
    await readAll(await store(torchLegacy(two, storages))),
    /its pickle 4 of 5 .*storage 7 with two types/,
  );
  // A view of a storage, as very old files have it: (key, offset, size).
  const view = (offset: number, size: number) =>
    new Call(new Global("torch._utils", "_rebuild_tensor"), [
      new Persistent([
        "storage",
        new Global("torch", "FloatStorage"),
        "7",
        "cpu",
        3,
        new Tuple(["v", offset, size]),
      ]),
      0,
      new Tuple([2]),
      new Tuple([1]),
    ]);
  t.same(
    await readAll(await store(torchLegacy(named({ a: view(1, 2) }), storages))),
    new Map([["a", [2, 3]]]),
  );
  t.match(
    await readAll(await store(torchLegacy(named({ a: view(2, 2) }), storages))),
    /storage 7 with a view that lies outside of it/,
  );
});

t.test("files that are no weights", async (t) => {
  for (const [text, message] of [
    [
      "version https://git-lfs.github.com/spec/v1\noid sha256:0",
      /is no file of weights: it is a pointer of Git LFS/,
    ],
    ["<!DOCTYPE html><html>", /is a web page/],
    ["\x1f\x8b\x08\x00", /is compressed with gzip; unpack it/],
    ["\x89HDF\r\n", /is an HDF5 file/],
    [`${"\0".repeat(257)}ustar`, /is a tar archive/],
    ["", /begins like none of safetensors, PyTorch and TorchScript/],
    ["hello", /begins like none of/],
  ] as const) {
    t.match(await readAll(await store(Buffer.from(text, "latin1"))), message);
  }
  t.match(
    await readAll(await store(Buffer.from("short"), "safetensors")),
    /is not a valid safetensors file: it has 5 bytes/,
  );
  t.match(await readAll(`${folder}/none.pt`), /Cannot read .*none\.pt: it does not exist\./);
  const header = Buffer.from('{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  t.match(
    await readAll(await store(Buffer.concat([length, header, Buffer.alloc(1)]), "safetensors")),
    /tensor "a": dtype "F4" is not one of F64, F32/,
  );
});

t.test("a file of 3 GiB: only what is asked for is in memory", async (t) => {
  // Sparse: the disk holds the ends only.
  const root = named({
    small: tensorOf("1", 4, 2, [2], [1]),
    big: tensorOf("0", 3 * 2 ** 28, 0, [3 * 2 ** 28], [1]),
  });
  const path = await store(
    torchLegacy(root, { 0: new Uint8Array(), 1: floats(1, 2, 3, 4) }, { counts: { 0: BigInt(3 * 2 ** 28) } }),
  );
  const whole = torchLegacy(
    root,
    { 0: new Uint8Array(), 1: floats(1, 2, 3, 4) },
    { counts: { 0: BigInt(3 * 2 ** 28) } },
  );
  const tail = whole.subarray(-24);
  await truncate(path, whole.length - 24 + 3 * 2 ** 30);
  await writeFile(path, tail, { flag: "a" });
  const before = process.memoryUsage.rss();
  const file = await openWeightFile(path);
  t.same(await file.tensors.get("small")!.read(), Float32Array.from([3, 4]));
  t.equal(file.tensors.get("big")!.bytes, 3 * 2 ** 30);
  await file.close();
  const grown = process.memoryUsage.rss() - before;
  t.ok(grown < 64 * 2 ** 20, `${(grown / 2 ** 20).toFixed(1)} MiB more memory`);
});
